"""`vitalcore warmup`: every kernel compiled once, before somebody waits for it."""

import sys
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from vitalcore.warm import Part


@click.command()
def warmup() -> None:
    """Compile every kernel and keep the machine code, so that later starts take no time."""
    start = time.monotonic()
    from vitalcore import warm
    from vitalcore.kernels.core.kernel import cache_dir
    from vitalcore.streams.engine.engine import parts

    n = warm_up([*parts(), *warm.sessions(), *warm.operators()])
    click.echo(f"{n} parts are ready ({time.monotonic() - start:.1f} s); machine code is kept in {cache_dir()}")


def warm_up(parts: "list[Part]") -> int:
    """Compile what isn't yet, with a progress bar on a terminal; return how many parts there are."""
    from vitalcore.kernels.core.kernel import cache_dir

    if not sys.stderr.isatty():
        if not cache_dir().exists():
            click.echo("compiling kernels, once: this takes up to a minute", err=True)
        for _, compile_ in parts:
            compile_()
        return len(parts)
    from numba.core import event
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("compiling kernels, once:"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(parts))

        class Listener(event.Listener):  # type: ignore[misc]  # numba is not looked into
            """Show which function is being compiled: a part takes a while."""

            def on_start(self, event: Any) -> None:
                bar.update(task, description=f"{name}: {event.data['dispatcher'].py_func.__name__}")

            def on_end(self, event: Any) -> None:
                """Do nothing: the next start says what goes on."""

        with event.install_listener("numba:compile", Listener()):
            for name, compile_ in parts:
                bar.update(task, description=name)
                compile_()
                bar.advance(task)
    return len(parts)
