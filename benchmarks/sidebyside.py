"""Time rivals side by side in one run, taking turns, so that a noisy machine disturbs all alike."""

import time
from collections.abc import Callable


def seconds(rivals: dict[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Return the least seconds a call of each took, after one call each that is not counted."""
    best = dict.fromkeys(rivals, float("inf"))
    for turn in range(rounds + 1):
        for name, call in rivals.items():
            start = time.perf_counter()
            call()
            if turn:
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def table(title: str, head: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Print a table of words and numbers."""
    cells = [head, *(tuple(f"{c:.3g}" if isinstance(c, float) else str(c) for c in row) for row in rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    print(title)
    for n, row in enumerate(cells):
        print(
            "  ".join(
                cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
        )
        if n == 0:
            print("  ".join("-" * w for w in widths))
