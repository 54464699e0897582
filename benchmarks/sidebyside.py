"""Time rivals side by side in one run, taking turns, so that a noisy machine disturbs all alike."""

import time
from collections.abc import Callable, Mapping, Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table


def seconds(rivals: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Return the least seconds a call of each took, after one call each that is not counted."""
    best = dict.fromkeys(rivals, float("inf"))
    for turn in range(rounds + 1):
        for name, call in rivals.items():
            start = time.perf_counter()
            call()
            if turn:
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def table(title: str, head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    """Print a table of words and numbers."""
    made = Table(*head, title=title, title_justify="left", box=SIMPLE)
    for column in made.columns[1:]:
        column.justify = "right"
    for row in rows:
        made.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(width=120).print(made)
