"""`vitalcore analyze`: recordings in, tables and reports out."""

import json as jsonlib
import multiprocessing
import os
import signal as signals
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vitalcore.cli.options import hints as hint_options
from vitalcore.errors import NoSignalError, ReadError, VitalcoreError
from vitalcore.readers import Found, Hints, find

if TYPE_CHECKING:
    from vitalcore.analyze import Result


@dataclass(frozen=True)
class Job:
    """Say what a process shall do: one recording into one folder."""

    path: Path
    named: bool
    folder: Path
    hints: Hints
    report: bool


@dataclass(frozen=True)
class Done:
    """Tell how it went: state is ok, failed or skipped (a folder held it and there is nothing to analyse in it)."""

    path: str
    state: str
    folder: str | None = None
    replaced: bool = False
    duration_s: float | None = None
    streams: tuple[dict[str, object], ...] = ()
    left_out: tuple[str, ...] = ()
    error: str | None = None


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the results.")
@click.option("--jobs", type=click.IntRange(1), help="Processes at a time.  [default: one a processor]")
@hint_options
@click.option("--report/--no-report", default=True, help="Write report.html beside the tables.  [default: yes]")
@click.option("--json", "as_json", is_flag=True, help="Write what was done as JSON.")
def analyze(
    paths: tuple[str, ...],
    out: Path,
    jobs: int | None,
    signal: str | None,
    fs_hz: Fraction | None,
    columns: tuple[str, ...],
    report: bool,
    as_json: bool,
) -> None:
    """Analyse the recordings in PATH...: files, folders with all below them, or patterns.

    Each gets a folder in --out with beats.parquet, pulses.parquet or blinks.parquet, features.parquet, events.parquet,
    alarms.parquet and report.html; what stands there from an earlier run of the same record is replaced, nothing else
    is touched.

    Exit codes: 0 all went well, 1 a file failed (the others are done), 2 nothing to do.
    """
    found, done = _find(paths)
    if not found:
        for each in done:
            click.echo(f"vitalcore: {each.error}", err=True)
        sys.exit(2)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        click.echo(f"vitalcore: {out}: can't be made ({error.strerror or error})", err=True)
        sys.exit(2)
    hints = Hints(signal, fs_hz, columns)
    folders = record_folders(found)
    todo = [Job(each.path, each.named, out / name, hints, report) for each, name in zip(found, folders, strict=True)]
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    _prepare()
    with _progress(len(todo)) as advance:
        for each in _run(todo, min(jobs or processors, len(todo))):
            done.append(each)
            advance(each)
    order = {str(job.path): k for k, job in enumerate(todo)}
    done.sort(key=lambda each: order.get(each.path, len(todo)))
    failed = [each for each in done if each.state == "failed"]
    if as_json:
        click.echo(jsonlib.dumps({"records": [asdict(each) for each in done]}, indent=2))
    else:
        for each in done:
            if each.state == "ok":
                click.echo(summary(each))
    skipped = [each for each in done if each.state == "skipped"]
    if skipped:
        click.echo(
            f"vitalcore: {len(skipped)} of {len(done)} files hold nothing to analyse and were left out:", err=True
        )
        _list(skipped)
    if failed:
        click.echo(f"vitalcore: {len(failed)} of {len(done)} files failed:", err=True)
        _list(failed)
    if failed:
        sys.exit(1)
    if len(skipped) == len(done):
        sys.exit(2)


def _find(paths: Sequence[str]) -> tuple[list[Found], list[Done]]:
    """List the recordings that the paths name, each once, and the paths that name none as failed."""
    found: dict[Path, Found] = {}
    failed = []
    for path in paths:
        try:
            for each in find([path]):
                found.setdefault(each.path.resolve(), each)
        except ReadError as error:
            failed.append(Done(path, "failed", error=str(error)))
    return list(found.values()), failed


def record_folders(found: Sequence[Found]) -> list[str]:
    """Name a folder for each recording: its own name, with as many folders before it as tell equal names apart."""
    parts = [(*each.path.resolve().parent.parts[1:], each.path.stem) for each in found]
    depth = [1] * len(parts)
    while True:
        names = ["-".join(part[-n:]) for part, n in zip(parts, depth, strict=True)]
        twice = {name for name in names if names.count(name) > 1}
        grown = [n + (name in twice and n < len(part)) for part, n, name in zip(parts, depth, names, strict=True)]
        if grown == depth:
            break
        depth = grown
    # the same name in the same folder: formats differ
    return [
        f"{each.path.stem}-{each.path.suffix[1:]}" if names.count(name) > 1 else name
        for each, name in zip(found, names, strict=True)
    ]


def summary(done: Done) -> str:
    """Say in one line what was found in a recording."""
    found = ", ".join(f"{s['stream']}: {s['n']} {s['what']}{s['rate']}" for s in done.streams)
    replaced = " (earlier results replaced)" if done.replaced else ""
    return f"{done.path}: {found} -> {done.folder}{replaced}"


def work(job: Job) -> Done:
    """Analyse one recording and write its results."""
    path = str(job.path)
    try:
        return _work(job)
    except NoSignalError as error:
        return Done(path, "failed" if job.named else "skipped", error=str(error))
    except VitalcoreError as error:
        return Done(path, "failed", error=str(error))
    except MemoryError:
        return Done(path, "failed", error=f"{path}: too large for this machine's memory")
    except Exception as error:  # one broken file doesn't stop the others: it is named as a fault of ours
        text = " ".join(str(error).split())[:200]
        return Done(path, "failed", error=f"{path}: internal error, please report it ({type(error).__name__}: {text})")


def _work(job: Job) -> Done:
    from vitalcore.analyze import analyze as run
    from vitalcore.readers import read
    from vitalcore.results import tables

    recording = read(job.path, job.hints)
    try:
        results = run(recording)
    except NoSignalError as error:
        raise NoSignalError(f"{job.path}: {str(error).removeprefix(recording.name + ': ')}") from None
    replaced = (job.folder / "features.parquet").exists()
    tables.write(results, job.folder)
    if job.report:
        from vitalcore.results import report

        report.write(results, job.folder / "report.html")
    return Done(
        str(job.path),
        "ok",
        str(job.folder),
        replaced,
        recording.duration_s,
        tuple(_stream(result) for result in results.analysed),
        tuple(f"{track.stream}: {reason}" for track, reason in results.left_out),
    )


def _stream(result: "Result") -> dict[str, object]:
    import numpy as np

    from vitalcore.kernels.core import codes
    from vitalcore.results.tables import BEATS_OF

    code = {"ecg": codes.HEART_RATE, "ppg": codes.PULSE_RATE, "abp": codes.PULSE_RATE}.get(result.track.kind)
    values = result.feature(code)["value"] if code else np.empty(0)
    values = values[np.isfinite(values)]
    rate = f", {np.median(values):.0f} /min" if len(values) else ""
    return {"stream": result.track.stream, "what": BEATS_OF[result.track.kind], "n": len(result.beats), "rate": rate}


def _run(todo: list[Job], n_processes: int) -> Iterator[Done]:
    if n_processes == 1:
        yield from map(work, todo)
        return
    # spawn: a fork would share the state of libraries with threads of their own
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_processes, context, initializer=_quiet) as pool:
        waiting = {pool.submit(work, job): job for job in todo}
        try:
            for future in as_completed(waiting):
                try:
                    yield future.result()
                except BrokenExecutor:
                    job = waiting[future]
                    yield Done(str(job.path), "failed", error=f"{job.path}: its process was killed; try --jobs 1")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _prepare() -> None:
    """Compile the chains where nothing is compiled yet: once, and before several processes do the same."""
    from vitalcore.kernels.core.kernel import cache_dir

    if cache_dir().exists():
        return
    from vitalcore import warm
    from vitalcore.cli.commands.warmup import warm_up

    if not sys.stderr.isatty():
        click.echo("preparing kernels (first use: up to a minute)", err=True)
    warm_up(warm.sessions())


def _quiet() -> None:
    signals.signal(signals.SIGINT, signals.SIG_IGN)  # the main process ends the others


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Done], None]]:
    """Show progress on stderr: a bar on a terminal, else a line a file."""
    if not sys.stderr.isatty():
        count = 0

        def line(done: Done) -> None:
            nonlocal count
            count += 1
            click.echo(f"{count}/{total} {done.path}: {done.state}", err=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, advance=1, description=Path(done.path).name)


def _list(each: list[Done]) -> None:
    for one in each:
        click.echo(f"  {one.error}", err=True)
