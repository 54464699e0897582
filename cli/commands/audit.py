"""`vitalcore audit`: whether an audit log is whole."""

import sys
from pathlib import Path

import click


@click.group()
def audit() -> None:
    """Check the log that an engine writes with `vitalcore serve --audit FILE`."""


@audit.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--hash", "known", default="", metavar="HASH", help="A last hash that was kept elsewhere: it must be there."
)
def verify(file: Path, known: str) -> None:
    """Find a changed byte, a line that was removed, added or moved, a missing file, and an end that was cut off.

    FILE.1 to FILE.9, which hold what came before, are checked with it.

    Exits with 1 if something is found. An end cut off between two lines can only be found with --hash: keep the last
    hash, which is printed, where nobody can change it together with the log.
    """
    from vitalcore.streams.security.audit import verify as check

    verdict = check(file, known)
    files = f" in {verdict.n_files} files" if verdict.n_files > 1 else ""
    click.echo(f"{file}: {verdict.n_lines} lines{files} hold; the last hash is {verdict.last_hash}")
    if verdict.n_gone:
        click.echo(f"lines 1 to {verdict.n_gone} were in files that are kept no more")
    if verdict.problem:
        click.echo(f"vitalcore: {file}: {verdict.problem}", err=True)
        sys.exit(1)
    if not verdict.ended:
        click.echo("the last line is no `stop`: the engine runs, was killed, or the end of the log was cut off")
