"""`vitalcore replay`: a file sent to an engine as if its devices measured now."""

import json
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vitalcore.cli.options import WHO_ANSWERS, client, client_keys
from vitalcore.cli.options import hints as hint_options

if TYPE_CHECKING:
    from vitalcore.streams.gateway.gateway import Gateway
    from vitalcore.streams.gateway.player import Player

PATIENCE_S = 10


@click.command()
@click.argument("file", type=click.Path())
@click.option(
    "--to", "address", default="tcp://127.0.0.1:7401", show_default=True, help="Ingest endpoint of the engine."
)
@click.option("--speed", type=click.FloatRange(0.01, 1000), default=1.0, show_default=True, help="Times real time.")
@click.option("--place", default=None, help="site/subject/device of the streams.  [default: replay/NAME/file]")
@hint_options
@client_keys
@click.option("--json", "as_json", is_flag=True, help="Print the counters as JSON.")
def replay(
    file: str,
    address: str,
    speed: float,
    place: str | None,
    signal: str | None,
    fs_hz: Fraction | None,
    columns: tuple[str, ...],
    own: Path | None,
    server_key: str | None,
    as_json: bool,
) -> None:
    """Send FILE to an engine at its own speed, or faster.

    Exits with 1 if the engine refuses a stream, does not answer, or a sample was lost.
    """
    from vitalcore.errors import ParameterError, ReadError
    from vitalcore.readers import Hints, read
    from vitalcore.streams.gateway.gateway import Gateway
    from vitalcore.streams.gateway.player import Player
    from vitalcore.streams.protocol.pseudonyms import looks_like

    recording = read(file, Hints(signal, fs_hz, columns))
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in recording.name)[:64]
    if place is None and (what := looks_like(name)):
        raise ParameterError(
            f"the file's name looks like {what} and would name the subject: give --place site/subject/device"
        )
    with Gateway(address, **client(own, server_key)) as gateway:
        player = Player(recording, gateway, place or f"replay/{name}/file", speed)
        if not player.lanes:
            raise ReadError(f"{file}: no ECG, PPG or landmarks to send; `vitalcore inspect` shows what is in it")
        try:
            problem = _play(player, gateway)
        except KeyboardInterrupt:
            problem = "interrupted"
        counters = gateway.counters
    if as_json:
        click.echo(json.dumps(counters | {"problem": problem}))
    else:
        words = (
            f"{counters['acked']} of {counters['sent']} records acknowledged, {counters['lost_samples']} samples lost"
        )
        click.echo(f"{file}: {', '.join(lane.key for lane in player.lanes)}: {words}")
    if problem:
        click.echo(f"vitalcore: {problem}", err=True)
    sys.exit(bool(problem))


def _play(player: "Player", gateway: "Gateway") -> str:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    heard = time.monotonic()
    acked = -1
    columns = (BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f} s"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=player.duration_s)
        ended = False
        while not ended or gateway.counters["held"]:
            player.play()
            gateway.poll(2)
            bar.update(task, completed=player.played_s)
            if gateway.errors:
                return "; ".join(f"{key} is refused: {why}" for key, why in gateway.errors.items())
            if player.done and not ended:
                player.end()
                ended = True
            if gateway.counters["acked"] != acked:
                acked, heard = gateway.counters["acked"], time.monotonic()
            if gateway.counters["held"] and time.monotonic() - heard > PATIENCE_S:
                return f"no engine answers at this address (waited {PATIENCE_S} s): {WHO_ANSWERS}"
    return "samples were lost" if gateway.counters["lost_samples"] else ""
