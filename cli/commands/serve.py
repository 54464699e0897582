"""`vitalcore serve`: an engine on this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def _example(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from vitalcore.streams.service.config import example

        click.echo(example(), nl=False)
        ctx.exit()


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each field of a config; one that is not given leaves the field to the file."""
    from vitalcore.streams.service.config import options

    for name, (option, default, kind) in reversed(options().items()):
        flag = f"--{name.replace('_', '-')}"
        shown = option.without or (f"{default:g}" if isinstance(default, float) else default)
        said = f"{option.meaning}  [default: {shown}]" if kind is not bool else option.meaning
        type_: Any = kind
        if kind is Path:
            type_ = click.Path(path_type=Path)
        elif option.choices:
            type_ = click.Choice(option.choices)
        elif option.bounds:
            low, high = option.bounds
            type_ = click.IntRange(int(low), int(high)) if kind is int else click.FloatRange(low, high)
        more: dict[str, Any] = {"is_flag": True} if kind is bool else {"type": type_}
        command = click.option(flag, name, default=None, help=said, **more)(command)
    return command


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of these options.  [default: none]")
@click.option(
    "--example-config", is_flag=True, is_eager=True, expose_value=False, callback=_example, help="Print one and end."
)
@_options
def serve(config: Path | None, **given: Any) -> None:
    """Run an engine until Ctrl-C or SIGTERM.

    With --journal an acknowledged sample survives the engine, and an engine that starts again goes on where it was.
    Without, samples are acknowledged as `received` and nothing is stored. Without keys only loopback addresses are
    served. SIGHUP reads the limits, the rights and the log level again. What happens is told on standard error.
    """
    from vitalcore.cli.commands.warmup import warm_up
    from vitalcore.streams.service import config as file
    from vitalcore.streams.service.service import Service

    asked = {name: value for name, value in given.items() if value is not None}
    Service(lambda: file.read(config, asked), click.echo, warm_up).run()
