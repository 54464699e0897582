"""`vitalcore score`: results against reference annotations."""

import json as jsonlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vitalcore.scoring.report import Report, Section

MAPS = ("ec57", "research")


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write score.parquet and score.html here."
)
@click.option(
    "--ext", default="atr", show_default=True, help="Extension of the reference annotations; of LUDB, a lead."
)
@click.option(
    "--results-ext",
    metavar="EXT",
    help="RESULTS are WFDB annotations with this extension, of any detector; LEAD: of each lead.",
)
@click.option("--stream", default="ecg", show_default=True, help="Which ECG of a recording, as `analyze` names it.")
@click.option("--map", "class_map", type=click.Choice(MAPS), default="ec57", show_default=True, help="Map of classes.")
@click.option(
    "--skip", default=300.0, show_default=True, help="s at the start that are not compared (learning period)."
)
@click.option("--final", is_flag=True, help="Classes as said last, from waves.parquet, not as said with the beat.")
@click.option("--until", type=float, help="s after which nothing is compared.  [default: the end]")
@click.option("--window", default=0.15, show_default=True, help="s within which two beats are the same.")
@click.option("--alarm-window", default=16.0, show_default=True, help="CinC 2015: s before the alarm that count.")
@click.option("--json", "as_json", is_flag=True, help="Write the figures as JSON instead of tables.")
def score(
    results: Path,
    reference: Path,
    out: Path | None,
    ext: str,
    results_ext: str | None,
    stream: str,
    class_map: str,
    final: bool,
    skip: float,
    until: float | None,
    window: float,
    alarm_window: float,
    as_json: bool,
) -> None:
    """Compare RESULTS with the annotations in the folder REFERENCE.

    RESULTS is a folder that `vitalcore analyze` wrote, or one of WFDB annotations. What stands in REFERENCE decides:

    \b
    annotations  beats, classes, runs, AF, VT and VF, rates, as ANSI/AAMI EC57 says
    LUDB         onset, peak and end of P, QRS and T in each lead
    ALARMS       true and false alarms of the PhysioNet/CinC challenge 2015

    Recordings are matched by name. `ec57` counts the escape beats e, j and n as S, `research` as N.

    \b
    Examples:
      vitalcore analyze mitdb --out results
      vitalcore score results mitdb --out scores
      vitalcore score others mitdb --results-ext qrs --skip 0
      vitalcore score results ludb
      vitalcore score results cinc2015

    Exit codes: 0 compared, 1 nothing could be compared, 2 wrong usage.
    """
    from vitalcore.scoring import page
    from vitalcore.scoring.records import Rules
    from vitalcore.scoring.sets import Sources
    from vitalcore.scoring.sets import score as run

    _check(skip, until, window, alarm_window)
    rules = Rules(class_map, skip, float("inf") if until is None else until, window)
    with _progress() as advance:
        report = run(Sources(results, reference, ext, results_ext, stream, final, rules, alarm_window), advance)
    if as_json:
        figures = [{name: _finite(value) for name, value in asdict(figure).items()} for figure in report.figures]
        rules_told = dict(report.rules)
        click.echo(jsonlib.dumps({"rules": rules_told, "figures": figures, "left_out": report.left_out}, indent=2))
    else:
        _show(report)
    if report.left_out:
        click.echo(f"vitalcore: {len(report.left_out)} left out:", err=True)
        for each in report.left_out:
            click.echo(f"  {each}", err=True)
    if out is not None:
        for path in page.write(report, out):
            click.echo(f"wrote {path}", err=True)


def _check(skip: float, until: float | None, window: float, alarm_window: float) -> None:
    if skip < 0:
        raise click.BadParameter(f"{skip:g} s; it must not lie below 0", param_hint="--skip")
    if until is not None and until <= skip:
        raise click.BadParameter(f"{until:g} s; it must lie above --skip, {skip:g} s", param_hint="--until")
    for name, value, most in (("--window", window, 1.0), ("--alarm-window", alarm_window, 300.0)):
        if not 0 < value <= most:
            raise click.BadParameter(f"{value:g} s; it must lie above 0 and not above {most:g} s", param_hint=name)


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not -float("inf") < value < float("inf") else value


def _show(report: "Report") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(report.title, style="bold")
    rules = Table.grid(padding=(0, 2))
    for name, value in report.rules:
        rules.add_row(f"  {name}", value)
    console.print(rules)
    for section in report.sections:
        if not section.detail:
            console.print()
            console.print(_table(section) if section.rows else section.title)
            if section.note:
                console.print(f"  {section.note}", style="dim")


def _table(section: "Section") -> object:
    from rich.box import SIMPLE
    from rich.table import Table

    made = Table(*section.head, title=section.title, title_justify="left", title_style="bold", box=SIMPLE)
    for column in made.columns[1:]:
        column.justify = "right"
    for row in section.rows:
        made.add_row(*row, style="bold" if row[0] == "gross" else None)
    return made


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on a terminal, and nothing elsewhere: it takes seconds."""
    if not sys.stderr.isatty():
        yield lambda name, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        yield lambda name, done, total: bar.update(task, completed=done, total=total, description=name)
