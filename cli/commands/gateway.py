"""`vitalcore gateway`: what a device measures, sent to an engine as a config file says."""

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vitalcore.streams.gateway.device import Device
    from vitalcore.streams.gateway.feeds import Feed
    from vitalcore.streams.gateway.gateway import Gateway
    from vitalcore.streams.gateway.sources import Source

READ_S = 0.02
PATIENCE_S = 10.0  # at the end: for an engine that acknowledges nothing
FAREWELL_S = 2.0  # after a signal, where a spool keeps the rest
FULL = 0.5  # of the room: beyond it, what can wait is not read


def _example(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from vitalcore.streams.gateway.device import example

        click.echo(example(), nl=False)
        ctx.exit()


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--every", type=click.FloatRange(0.1, 3600), default=10.0, show_default=True, help="Seconds to a status.")
@click.option(
    "--example", is_flag=True, is_eager=True, expose_value=False, callback=_example, help="Print a config and end."
)
def gateway(config: Path, every: float) -> None:
    """Send what comes in from a serial line, standard input or a file, as CONFIG says.

    Runs until the input ends, or until Ctrl-C or SIGTERM; then waits until everything is acknowledged, or says what the
    spool keeps for the next start. Its status goes to standard error. Exits with 1 if samples are lost then, or if the
    engine refuses a stream.
    """
    from vitalcore.streams.gateway.device import read
    from vitalcore.streams.gateway.gateway import Gateway
    from vitalcore.streams.protocol import keys

    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda which, _: stopped.append(which))
    device = read(config)
    with Gateway(
        device.engine,
        pack=32,
        room=device.room,
        spool=device.spool,
        synchronous=device.synchronous,
        keep_s=device.keep_s,
        ack=device.ack,
        resume=device.resume,
        server_key=None if device.engine_key is None else keys.read_public(device.engine_key),
        keys=None if device.own_key is None else keys.read(device.own_key),
    ) as made:
        status = Status(made, every)
        if made.set_aside:
            status.say(f"the spool was damaged; it is set aside as {made.set_aside}, a new one is begun")
        if made.counters["held"]:
            status.say(f"{made.counters['held']} records of former runs are sent first")
        over = _play(device, made, status, stopped) if device.source.from_ == "file" else None
        if over is None:
            over = _pump(device, made, status, stopped)
        if over or device.spool is None:  # a gateway with a spool that is stopped goes on later: no END
            made.end_all()
        problem = _drain(device, made, status, FAREWELL_S if stopped and device.spool else PATIENCE_S)
        status.end()
    if problem:
        click.echo(f"vitalcore: {problem}", err=True)
    sys.exit(bool(problem))


def _pump(device: "Device", gateway: "Gateway", status: "Status", stopped: list[int]) -> bool:
    """Send what a line or standard input gives; tell whether it has come to its end."""
    from vitalcore.streams.gateway.feeds import feed
    from vitalcore.streams.gateway.sources import Pipe, Serial

    where = device.source
    source: Source = Serial(where.port, where.baud) if where.from_ == "serial" else Pipe(sys.stdin.fileno())
    made = feed(device, gateway)
    status.watch(source, made)
    over = False
    try:
        while not (stopped or over or gateway.refused):
            # what comes through a pipe can wait, a serial line can't
            if where.from_ == "serial" or gateway.room_used < FULL:
                data = source.read(READ_S)
                over = data is None
                made.take(data, time.time_ns()) if data else None
                gateway.poll()
            else:
                gateway.poll(int(READ_S * 1000))
            status.tell()
        made.finish()
    finally:
        source.close()
    return over


def _play(device: "Device", gateway: "Gateway", status: "Status", stopped: list[int]) -> bool:
    """Send a recording; tell whether all of it was handed over."""
    from vitalcore.errors import ReadError
    from vitalcore.readers import Hints
    from vitalcore.readers import read as read_recording
    from vitalcore.streams.gateway.player import Player

    where = device.source
    recording = read_recording(str(where.path), Hints(where.signal, where.fs_hz))
    player = Player(recording, gateway, where.place, where.speed)
    if not player.lanes:
        raise ReadError(f"{where.path}: no ECG, PPG or landmarks to send; `vitalcore inspect` shows what is in it")
    while not (player.done or stopped or gateway.refused):
        player.play()
        gateway.poll(2)
        status.tell()
    return player.done


def _drain(device: "Device", gateway: "Gateway", status: "Status", patience_s: float) -> str:
    """Wait until everything is acknowledged, or nothing is any more; return what is wrong then."""
    acked, heard_s = -1, time.monotonic()
    while gateway.counters["held"] and not gateway.errors and time.monotonic() - heard_s < patience_s:
        gateway.poll(10)
        status.tell()
        if gateway.counters["acked"] != acked:
            acked, heard_s = gateway.counters["acked"], time.monotonic()
    held = gateway.counters["held"]
    refused = "; ".join(f"{key} is refused: {why}" for key, why in gateway.errors.items())
    if held and device.spool and not gateway.spool_error:
        status.say(f"{held} records are held in {device.spool} and will be sent at the next start")
        return refused
    lost = f"{held} records were not acknowledged and are lost" if held else ""
    return "; ".join(filter(None, (refused, lost)))


class Status:
    """Say how it goes on standard error: on a terminal in one line that changes, otherwise a line each so often."""

    def __init__(self, gateway: "Gateway", every_s: float) -> None:
        self._gateway, self._every_s = gateway, every_s
        self._source: Source | None = None
        self._feed: Feed | None = None
        self._terminal = sys.stderr.isatty()
        self._begun_s = self._told_s = time.monotonic()
        self._problems: dict[str, str] = {}

    def watch(self, source: "Source", feed: "Feed") -> None:
        """Say of these too."""
        self._source, self._feed = source, feed

    def tell(self) -> None:
        """Say how it goes, if it is time; what goes wrong at once."""
        spool = self._gateway.spool_error
        self._note("spool", spool and f"{spool}; what comes is held in memory")
        refused = "; ".join(f"{key} is refused: {why}" for key, why in self._gateway.errors.items())
        self._note("engine", refused)
        self._note("source", self._source.problem if self._source else "")
        self._note("input", self._feed.first_bad if self._feed else "")
        now_s = time.monotonic()
        if now_s - self._told_s >= (0.5 if self._terminal else self._every_s):
            self._told_s = now_s
            self._write(self.text(), passing=self._terminal)

    def say(self, text: str) -> None:
        """Say something once."""
        self._write(text, passing=False)

    def end(self) -> None:
        """Say how it ended."""
        self._write(self.text(), passing=False)

    def text(self) -> str:
        """Return the status in words."""
        gateway = self._gateway
        counters = gateway.counters
        parts = [
            f"{time.monotonic() - self._begun_s:.0f} s",
            "connected" if gateway.connected else "no engine",
            f"sent {counters['sent']}, acked {counters['acked']}, held {counters['held']} records",
            f"lost {counters['lost_samples']} samples",
        ]
        if self._feed and self._feed.bad:
            parts.append(f"{self._feed.bad} bad in the input")
        if gateway.clock_offset_ns is not None:
            drift = "" if gateway.clock_drift_ppm is None else f" {gateway.clock_drift_ppm:+.1f} ppm"
            parts.append(f"clock {gateway.clock_offset_ns / 1e6:+.1f} ms{drift}")
        if gateway.spool_error:
            parts.append("spool FAILS")
        return " | ".join(parts)

    def _note(self, what: str, problem: str) -> None:
        if problem != self._problems.get(what, ""):
            self._problems[what] = problem
            self.say(f"{what}: {problem or 'well again'}")

    def _write(self, text: str, passing: bool) -> None:
        click.echo(("\r\x1b[K" if self._terminal else "") + text, err=True, nl=not passing)
