"""How our pictures look, and what they share: style, margins, axes, long lines."""

import io
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 10.0  # inches; the page scales it
INK, FAINT, PAPER, GRID = "#1b2733", "#8a97a5", "#f4c7c3", "#dfe5ea"
BLUE, RED, ORANGE, GREEN, PURPLE = "#1f5fa8", "#c0392b", "#d9822b", "#2c7a4b", "#7b4fa3"
_MOST_POINTS = 2000  # of a line over the whole recording
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vitalcore",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


class picture:
    """Make a figure under our style, with margins in inches: axes stand below each other across figures."""

    def __init__(self, height: float, left: float = 0.75, top: float = 0.08) -> None:
        import matplotlib as mpl

        self._style = mpl.rc_context(_STYLE)
        self._height, self._left, self._top = height, left, top

    def __enter__(self) -> "Figure":
        from matplotlib.figure import Figure

        self._style.__enter__()
        figure = Figure(figsize=(WIDTH, self._height))
        figure.subplots_adjust(
            left=self._left / WIDTH,
            right=1 - 0.3 / WIDTH,
            bottom=0.42 / self._height,
            top=1 - self._top / self._height,
            hspace=0.15,
            wspace=0.12,
        )
        return figure

    def __exit__(self, *error: Any) -> None:
        self._style.__exit__(*error)


def svg_of(figure: "Figure") -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None}, dpi=130)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)


def thin(t: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keep the lowest and highest of each stretch of a long line, so that nothing that stands out gets lost."""
    n = len(y)
    if n <= _MOST_POINTS:
        return t, y
    stretch = -(-n // (_MOST_POINTS // 2))
    starts = np.arange(0, n, stretch)
    low = np.minimum.reduceat(np.where(np.isnan(y), np.inf, y), starts)
    high = np.maximum.reduceat(np.where(np.isnan(y), -np.inf, y), starts)
    both = np.stack([low, high], axis=1).ravel()
    both[~np.isfinite(both)] = np.nan
    return np.repeat(t[starts], 2), both


def at_least(axes: "Axes", span: float) -> None:
    """Keep an axis from making much of small changes."""
    low, high = axes.get_ylim()
    if high - low < span:
        axes.set_ylim((low + high - span) / 2, (low + high + span) / 2)


def time_unit(duration_s: float) -> tuple[float, str]:
    """Choose what one unit of a time axis is."""
    if duration_s <= 180:
        return 1.0, "s since the recording began"
    if duration_s <= 3 * 3600:
        return 1 / 60, "min since the recording began"
    return 1 / 3600, "h since the recording began"


def half_millivolts() -> Any:
    from matplotlib.ticker import MultipleLocator

    class HalfMillivolts(MultipleLocator):
        def tick_values(self, vmin: float, vmax: float) -> Any:
            return super().tick_values(vmin, vmax) if vmax - vmin < 20 else []  # a saturated lead spans thousands

    return HalfMillivolts(0.5)


def runs(t: NDArray[np.float64], held: NDArray[np.bool_]) -> Iterable[tuple[float, float]]:
    """List the stretches in which a reason held; a feature speaks of the second before it."""
    edges = np.flatnonzero(np.diff(held, prepend=False, append=False))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield max(float(t[first]) - 1, 0.0), float(t[last - 1])
