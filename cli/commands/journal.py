"""`vitalcore journal`: what an engine's journal holds, whether it is whole, and what is to be taken out of it."""

import getpass
import json as jsonlib
import sys
from pathlib import Path
from typing import Any

import click

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def journal() -> None:
    """Look into the file of `vitalcore serve --journal FILE`. Reading works while the engine runs."""


@journal.command("list")
@FILE
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(file: Path, as_json: bool) -> None:
    """List the sessions of each stream: time, samples, results, bytes."""
    from vitalcore.streams.journal.archive import Archive
    from vitalcore.streams.journal.inventory import results_of, sessions_of, utc

    archive = Archive(file)
    try:
        sessions, results = sessions_of(archive), results_of(archive)
        size = archive.size_bytes()
    finally:
        archive.close()
    listed: list[dict[str, Any]] = [
        {
            "key": session.opened.name,
            "session": session.opened.session,
            "kind": session.opened.kind,
            "fs_hz": None if session.opened.rate is None else float(session.opened.rate),
            "from": utc(session.from_ns) if session.records else None,
            "to": utc(session.to_ns) if session.records else None,
            "records": session.records,
            "samples": session.samples,
            "bytes": session.size_bytes,
            "ended": session.ended,
        }
        for session in sessions
    ]
    counts = {topic.topic: {"results": topic.count, "bytes": topic.size_bytes} for topic in results}
    if as_json:
        whole = {"file": str(file), "bytes": size, "sessions": listed, "results": counts, "damage": archive.damage}
        click.echo(jsonlib.dumps(whole, indent=2))
        return
    _show(listed, counts)
    click.echo(f"{file}: {len(listed)} sessions, {size / 1e6:,.1f} MB")
    for line in archive.damage:
        click.echo(f"lost: {line}", err=True)


@journal.command()
@FILE
def verify(file: Path) -> None:
    """Check every row and record, and that none is missing; exit with 1 if something is."""
    from vitalcore.streams.journal import wal
    from vitalcore.streams.journal.archive import Archive
    from vitalcore.streams.journal.inventory import verify as check

    archive = Archive(file)
    try:
        found = [*wal.torn(file), *check(archive)]
    finally:
        archive.close()
    for line in found:
        click.echo(line)
    click.echo(f"{file}: {f'{len(found)} things are damaged or missing' if found else 'whole'}")
    sys.exit(1 if found else 0)


@journal.command()
@FILE
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write into.")
@click.option("--key", "prefix", default="", metavar="PREFIX", help="Only streams whose key begins so.")
@click.option("--format", "format_", type=click.Choice(["parquet", "wfdb"]), default="parquet", show_default=True)
def export(file: Path, out: Path, prefix: str, format_: str) -> None:
    """Write samples in physical units, and results, as files of each stream.

    What is missing is NaN; a gap of more than an hour begins a new file. Results are Parquet tables in both formats.
    """
    from vitalcore.streams.journal.archive import Archive
    from vitalcore.streams.journal.export import export as write

    archive = Archive(file)
    try:
        written, problems = write(archive, out, prefix, format_)
    finally:
        archive.close()
    click.echo(f"{out}: {len(written)} files")
    for line in problems:
        click.echo(f"left out: {line}", err=True)
    sys.exit(1 if problems else 0)


@journal.command()
@FILE
@click.argument("subject", metavar="SITE/SUBJECT")
@click.option(
    "--audit",
    "log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Audit log that gets a line about it.  [default: FILE.audit]",
)
def erase(file: Path, subject: str, log: Path | None) -> None:
    """Remove everything of a subject from a journal that no engine has open; no byte of it stays.

    While an engine runs, ask it: ERASE on its control endpoint does the same (docs/journal.md).
    """
    from vitalcore.errors import JournalError
    from vitalcore.streams.journal.archive import Archive
    from vitalcore.streams.journal.journal import Journal
    from vitalcore.streams.protocol.maps import check_subject
    from vitalcore.streams.security.audit import Audit

    prefix = check_subject(subject)
    Archive(file).close()  # a file that is not there is not made
    try:
        opened = Journal(file)
    except JournalError as error:
        if "another process" not in str(error):
            raise
        raise JournalError(
            f'an engine has {file}: ask it, with Subscriber(…).request("ERASE", key="{prefix}"), or stop it first'
        ) from None
    audit = Audit(log or file.with_name(file.name + ".audit"))
    try:
        job = opened.erase(prefix)
        while not job.done.wait(0.5):
            if opened.failure:
                raise JournalError(f"{file}: {opened.failure}; it is not all erased")
        audit.note("ERASE", "ok", getpass.getuser(), stream=prefix.rstrip("/"))
    finally:
        audit.close()
        opened.close()
    click.echo(f"{file}: {prefix} erased, {job.gone} rows")


@journal.command()
@FILE
@click.argument("new", type=click.Path(path_type=Path, dir_okay=False))
def salvage(file: Path, new: Path) -> None:
    """Copy what can be read of a broken journal into a NEW file, which an engine can go on with; say what is lost."""
    from vitalcore.streams.journal.salvage import salvage as copy

    copied, lost = copy(file, new)
    click.echo(f"{new}: " + ", ".join(f"{n} of {table}" for table, n in copied.items()))
    for line in lost:
        click.echo(f"lost: {line}")


def _show(listed: list[dict[str, Any]], counts: dict[str, dict[str, int]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for name in ("stream", "session", "from", "to"):
        table.add_column(name, no_wrap=True)
    for name in ("samples", "results", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in listed:
        mine = [count for topic, count in counts.items() if topic.rsplit("/", 2)[0] == each["key"]]
        newest = max(other["session"] for other in listed if other["key"] == each["key"]) == each["session"]
        results = sum(count["results"] for count in mine) if newest else 0  # numbers go on over sessions
        size = each["bytes"] + (sum(count["bytes"] for count in mine) if newest else 0)
        times = [(each[name] or "")[:16].replace("T", " ") for name in ("from", "to")]
        table.add_row(
            each["key"], str(each["session"]), *times, f"{each['samples']:,}", f"{results:,}", f"{size / 1e6:,.1f}"
        )
    console = Console(width=10_000)  # a line a session, however narrow the terminal: nothing of a key or number is cut
    console.print(table, width=console.measure(table).maximum)
