"""`vitalcore simulate`: ECG test signals whose beats, rhythms and alarms are known."""

import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vitalcore.cli.options import Rate

if TYPE_CHECKING:
    from vitalcore.fixtures.scenario import Simulated

NOISES = ("wander", "motion", "muscle", "mains", "white", "bw", "em", "ma")


def _list(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from vitalcore.fixtures.scenarios import SCENARIOS

    width = max(map(len, SCENARIOS))
    for name, scenario in SCENARIOS.items():
        alarms = ", ".join(group.replace("|", " or ") for group in scenario.must)
        click.echo(f"{name:{width}}  {scenario.text}" + (f" Alarms: {alarms}." if alarms else ""))
    ctx.exit()


@click.command()
@click.argument("scenario")
@click.option("--seconds", type=click.FloatRange(1, 86_400), default=None, help="How long.  [default: the scenario's]")
@click.option("--rate", "fs_hz", type=Rate(), default="250", show_default=True, help="Samples a second, 100 to 1000.")
@click.option("--leads", "n_leads", type=click.IntRange(1, 12), default=1, show_default=True, help="How many leads.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed, another day.")
@click.option("--noise", type=click.Choice(NOISES), help="Noise to add; bw, em and ma are those of PhysioNet's nstdb.")
@click.option("--snr-db", type=click.FloatRange(-30, 60), default=12, show_default=True, help="How far below the QRS.")
@click.option("--stress", is_flag=True, help="Let the noise begin after 5 min and come for 2 min in 4.")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File: .hea (WFDB), .edf, .csv or .parquet.  [default: SCENARIO.hea]",
)
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="List the scenarios.")
def simulate(
    scenario: str,
    seconds: float | None,
    fs_hz: Fraction,
    n_leads: int,
    seed: int,
    noise: str | None,
    snr_db: float,
    stress: bool,
    out: Path | None,
) -> None:
    """Make the ECG of SCENARIO, and write what is true of it beside it.

    NAME.atr has the beats and rhythms as WFDB annotations, NAME.truth.json also the alarms that are due and those that
    must not be raised, and where P, QRS and T begin and end. The same options give the same samples.
    """
    from vitalcore.fixtures import files, scenarios

    made = scenarios.scenario(scenario).make(
        seconds,
        fs_hz,
        n_leads,
        seed,
        noise_kind=noise or "",
        snr_db=snr_db,
        stress=stress,
        noise_folder=Path(os.environ.get("VITALCORE_DATA", ".")) / "nstdb",
    )
    written = files.write(made, out or Path(f"{scenario}.hea"))
    for line in _words(made, written):
        click.echo(line)


def _words(made: "Simulated", written: tuple[Path, ...]) -> list[str]:
    """Say what was written and what is in it."""
    classes: dict[str, int] = {}
    for beat in made.beats:
        classes[beat.label] = classes.get(beat.label, 0) + 1
    kinds = ", ".join(f"{n} {label}" for label, n in sorted(classes.items(), key=lambda c: -c[1]))
    duration = len(made.x) / float(made.fs_hz)
    lines = [
        f"{written[0]}: {duration:g} s, {', '.join(made.leads)} at {float(made.fs_hz):g} Hz; {len(made.beats)} beats"
        + (f" ({kinds})" if kinds else "")
    ]
    lines += [f"  {e.code} from {e.onset_s:.1f} to {e.end_s:.1f} s" for e in made.episodes]
    lines += [f"  alarm {d.code} due at {d.condition_s:.1f} s, at the latest {d.by_s:.1f} s" for d in made.due]
    lines.append(f"truth: {', '.join(str(path) for path in written[-2:])}")
    return lines
