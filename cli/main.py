"""The command line: one group, whose commands are imported when they are called."""

import importlib
import sys
from typing import Any

import click

from vitalcore.errors import VitalcoreError

# each in a module of its name; what `--help` says of it without importing it
COMMANDS: dict[str, str] = {
    "demo": "Play real signals to an engine and watch it, for 30 s.",
    "serve": "Run an engine for gateways and subscribers.",
    "gateway": "Send what a device measures to an engine, as a config file says.",
    "replay": "Send a file to an engine as if it were measured now.",
    "watch": "Show what an engine says: strips, rhythm, alarms, rates, quality.",
    "alarms": "List the alarms of an engine, acknowledge them, change limits.",
    "analyze": "Analyse recordings: tables and a report for each.",
    "simulate": "Make ECG test signals whose truth is known.",
    "score": "Compare results with reference annotations.",
    "inspect": "Show what a file holds and what would be analysed.",
    "warmup": "Compile every kernel once.",
    "journal": "List, check, export, erase and salvage what an engine has kept.",
    "keys": "Make keys; say who may write, read and control which streams.",
    "audit": "Check an engine's audit log.",
    "doctor": "Look at this machine: what is there, what is wrong, what to do.",
}


class LazyGroup(click.Group):
    """Know its commands by name; import one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"vitalcore.cli.commands.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command by its name; without one, name those that there are."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}; there are {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what vitalcore refuses, or a file system, is one line and exit code 1."""
        try:
            return super().invoke(ctx)
        except VitalcoreError as error:
            click.echo(f"vitalcore: {error}", err=True)
            sys.exit(1)
        except OSError as error:
            if error.filename is None:
                raise
            click.echo(f"vitalcore: {error.filename}: {error.strerror}", err=True)
            sys.exit(1)


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from vitalcore.version import version

        click.echo(f"vitalcore {version()}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def main() -> None:
    """Beats, rates, blinks and signal quality from ECG, PPG and facial landmarks, live and from files.

    Exit codes: 0 all went well, 1 something failed and is named, 2 the command line or the input is wrong.

    Not a medical device.
    """


if __name__ == "__main__":
    main()
