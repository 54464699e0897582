"""`vitalcore watch`: what an engine says, as it says it."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import click

from vitalcore.cli.options import WHO_ANSWERS, client, client_keys

if TYPE_CHECKING:
    from vitalcore.cli.board import Board
    from vitalcore.streams.protocol.live import Message
    from vitalcore.streams.subscriber import Subscriber

FRAMES_HZ = 8


@click.command()
@click.argument("address", default="tcp://127.0.0.1:7402")
@click.option("--control", default=None, help="Control endpoint.  [default: the live port + 1]")
@click.option("--prefix", default="", help="Watch only streams that begin so, such as clinic/p7/.")
@click.option("--seconds", type=float, default=None, help="End after so long.  [default: Ctrl-C]")
@click.option("--json", "as_json", is_flag=True, help="Print lines of JSON: the engine's counters, then each message.")
@client_keys
def watch(
    address: str,
    control: str | None,
    prefix: str,
    seconds: float | None,
    as_json: bool,
    own: Path | None,
    server_key: str | None,
) -> None:
    """Watch the engine whose live endpoint is ADDRESS: strips, beats, rhythm, alarms, rates, quality, latency.

    Without a terminal it prints a line a second.
    """
    from vitalcore.cli.board import Board
    from vitalcore.streams.subscriber import Subscriber

    with Subscriber(address, control or next_port(address), prefix, **client(own, server_key)) as subscriber:
        status = _knock(subscriber, address)
        with suppress(KeyboardInterrupt):  # the usual way to end
            if as_json:
                click.echo(json.dumps({"what": "status"} | status, default=str))
                _print_json(subscriber, seconds)
                return
            show(subscriber, Board(f"watching {address}"), lambda: False, seconds)


def _knock(subscriber: "Subscriber", address: str) -> dict[str, Any]:
    from vitalcore.errors import ForbiddenError, ProtocolError

    try:
        return subscriber.status()
    except ForbiddenError:
        raise
    except ProtocolError as error:
        raise ProtocolError(f"no engine answers beside {address}: {WHO_ANSWERS} ({error})") from None


def next_port(address: str) -> str:
    """Guess the control endpoint: the engine's default is one port above live."""
    head, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise click.UsageError(f"{address} has no port; write tcp://127.0.0.1:7402, or name --control")
    return f"{head}:{int(port) + 1}"


def show(subscriber: "Subscriber", board: "Board", done: Callable[[], bool], seconds: float | None = None) -> None:
    """Draw a board until `done` says so, the time is over or the user interrupts; raises KeyboardInterrupt for that.

    Messages are received on a thread of their own, so that drawing doesn't delay them.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console()
    came: SimpleQueue[Message] = SimpleQueue()
    stop = threading.Event()

    def receive() -> None:
        while not stop.is_set():
            message = subscriber.receive(50)
            if message is not None:
                came.put(message)

    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()
    live = Live(board, console=console, auto_refresh=False, transient=True) if console.is_terminal else nullcontext()
    end = float("inf") if seconds is None else time.monotonic() + seconds
    said = time.monotonic()
    try:
        with live as drawn:
            while time.monotonic() < end and not done():
                time.sleep(1 / FRAMES_HZ)
                take_all(came, board)
                if drawn is not None:
                    drawn.update(board, refresh=True)
                elif time.monotonic() - said >= 1:
                    said = time.monotonic()
                    click.echo(board.line())
    finally:
        stop.set()
        receiver.join()
        take_all(came, board)


def take_all(came: "SimpleQueue[Message]", board: "Board") -> None:
    """Put what has come on the board."""
    while True:
        try:
            board.take(came.get_nowait())
        except Empty:
            return


def _print_json(subscriber: "Subscriber", seconds: float | None) -> None:
    end = float("inf") if seconds is None else time.monotonic() + seconds
    while time.monotonic() < end:
        message = subscriber.receive(100)
        if message is not None and message.what != "wave":
            header = {"t_event_ns": message.header.t_event_ns, "t_known_ns": message.header.t_known_ns}
            line = (
                {"key": message.key, "what": message.what, "seq": message.header.topic_seq} | header | message.payload
            )
            click.echo(json.dumps(line, default=str))
