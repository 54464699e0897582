"""`vitalcore doctor`: what this machine has, what is wrong, what to do."""

import json
import sys
from dataclasses import asdict

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def doctor(as_json: bool) -> None:
    """Look at Python, numba, libzmq and what else vitalcore needs.

    Exits with 1 if something has to be done.
    """
    from vitalcore.cli import health

    found = []
    for check in health.checks():
        found.append(check)
        if not as_json:
            click.echo(f"{'ok   ' if check.ok else 'WRONG'} {check.name}: {check.found}")
            if check.remedy:
                click.echo(f"      {check.remedy}")
    if as_json:
        click.echo(json.dumps([asdict(check) | {"ok": check.ok} for check in found], indent=2))
    elif all(check.ok for check in found):
        click.echo("All is well.")
    sys.exit(not all(check.ok for check in found))
