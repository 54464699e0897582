"""`vitalcore demo`: an engine, a gateway and a watcher on this machine, with real signals."""

import contextlib
import multiprocessing
import signal
import sys
import threading
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from vitalcore.analyze import Results
    from vitalcore.cli.board import Board
    from vitalcore.readers.recording import Recording

PLACE = "demo/p1/room"
LOOPBACK = "tcp://127.0.0.1:*"


@click.command()
@click.option("--seconds", type=click.FloatRange(5, 75), default=30, show_default=True, help="How long to play.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("vitalcore-demo"),
    show_default=True,
    help="Folder of the tables and the report.",
)
def demo(seconds: float, out: Path) -> None:
    """Play a real ECG, a real PPG and a simulated face to an engine, and watch it live.

    It ends by itself (or with Ctrl-C), prints what was seen, and leaves Parquet tables and a report.
    """
    from vitalcore import warm
    from vitalcore.cli.board import Board
    from vitalcore.cli.commands.warmup import warm_up
    from vitalcore.cli.commands.watch import show
    from vitalcore.samples import demo as recordings
    from vitalcore.streams.engine.engine import parts
    from vitalcore.streams.subscriber import Subscriber

    recording = recordings(seconds)
    warm_up([*parts(), *warm.sessions()])
    engine = Child(_engine)
    ends = engine.hear()
    board = Board("vitalcore demo: a real ECG with ventricular beats, a real PPG, a simulated face")
    with Subscriber(ends["live"], ends["control"], PLACE.split("/")[0] + "/") as subscriber:
        subscriber.status()  # connected: nothing is missed
        gateway = Child(_gateway, ends["ingest"], recording, seconds)
        try:
            show(subscriber, board, lambda: gateway.heard is not None)
            stopped = False
        except KeyboardInterrupt:
            stopped = True
        sent = gateway.end()
        _rest(subscriber, board)
    engine.end()
    click.echo("stopped early; " if stopped else "", nl=False)
    results = _results(recording, sent["indices"], out)
    for line in _summary(board, sent, results, out):
        click.echo(line)


class Child:
    """Run a function in a process of its own that says something at its start or end, and ends when told."""

    def __init__(self, work: Any, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share what ZeroMQ must not share
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._heard: Any = None

    @property
    def heard(self) -> Any:
        """Return what it has said last; None before."""
        while self._pipe.poll():
            self.hear()
        return self._heard

    def hear(self) -> Any:
        """Wait for what it says next."""
        try:
            self._heard = self._pipe.recv()
        except EOFError:
            self._process.join()
            sys.exit(f"vitalcore: a part of the demo has ended with code {self._process.exitcode}")
        return self._heard

    def end(self) -> Any:
        """Tell it to end, and return what it said last."""
        if self._heard is None or self._process.is_alive():
            with contextlib.suppress(OSError):  # it may have ended by itself
                self._pipe.send("end")
        said = self._heard if self._heard is not None else self.hear()
        self._process.join(10)
        return said


def _told_to_end(pipe: Connection) -> threading.Event:
    """Set an event when the parent says so or is gone; Ctrl-C is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = threading.Event()

    def wait() -> None:
        with contextlib.suppress(EOFError, OSError):
            pipe.recv()
        told.set()

    threading.Thread(target=wait, daemon=True).start()
    return told


def _engine(pipe: Connection) -> None:
    from vitalcore.streams.engine.engine import Engine

    told = _told_to_end(pipe)
    engine = Engine(LOOPBACK, LOOPBACK, LOOPBACK)

    def announce() -> None:
        engine.ready.wait()
        pipe.send(engine.endpoints)

    threading.Thread(target=announce, daemon=True).start()
    engine.run(told)


def _gateway(pipe: Connection, address: str, recording: "Recording", seconds: float) -> None:
    from vitalcore.streams.gateway.gateway import Gateway
    from vitalcore.streams.gateway.player import Player

    told = _told_to_end(pipe)
    with Gateway(address) as gateway:
        player = Player(recording, gateway, PLACE, duration_s=seconds)
        while not player.done and not told.is_set():
            player.play()
            gateway.poll(2)
        player.end()
        gateway.drain(5)
        indices = {lane.track.stream: lane.at for lane in player.lanes}
        pipe.send({"counters": gateway.counters, "errors": gateway.errors, "indices": indices})
        told.wait(10)


def _rest(subscriber: Any, board: "Board") -> None:
    """Take what is still on its way."""
    quiet = time.monotonic() + 0.5
    while time.monotonic() < quiet:
        message = subscriber.receive(50)
        if message is not None:
            board.take(message)
            quiet = time.monotonic() + 0.5


def _results(recording: "Recording", indices: dict[str, int], out: Path) -> "Results":
    """Analyse what was played, as `vitalcore analyze` does with a file."""
    from vitalcore.analyze import analyze
    from vitalcore.results import report, tables

    def cut(track: Any) -> Any:
        n = indices[track.stream]
        times = None if track.times_ns is None else track.times_ns[:n]
        return replace(track, values=track.values[:n], times_ns=times)

    results = analyze(replace(recording, tracks=tuple(cut(track) for track in recording.tracks)))
    tables.write(results, out)
    report.write(results, out / "report.html")
    return results


def _summary(board: "Board", sent: dict[str, Any], results: "Results", out: Path) -> list[str]:
    """Say what was seen."""
    lines = []
    for result in results.analysed:
        lane = board.lanes.get(f"{PLACE}/{result.track.stream}")
        if lane is None:
            lines.append(f"{result.track.stream}: nothing was heard of it")
            continue
        live, batch = sum(lane.counts.values()), len(result.beats)
        same = "the same as in the recording" if live == batch else f"but {batch} in the recording"
        lines.append(f"{result.track.stream}: {', '.join(lane.summary())}; {live} seen live, {same}")
    counters = sent["counters"]
    held = counters["held"]
    lines.append(board.latency())
    lines.append(
        f"records: {counters['acked']} acknowledged, {counters['lost_samples']} samples lost, {held} without an answer"
    )
    lines += [f"{key} was refused: {why}" for key, why in sent["errors"].items()]
    lines.append(f"tables: {', '.join(str(path) for path in sorted(out.glob('*.parquet')))}")
    lines.append(f"report: {out / 'report.html'}")
    return lines
