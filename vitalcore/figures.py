"""Pictures of what was found in a recording, each as one SVG."""

import io
import re
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitalcore import catalogue
from vitalcore.analyze import SOUND, Result
from vitalcore.kernels import codes, finding
from vitalcore.tables import letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 10.0  # inches; the page scales it
INK, FAINT, PAPER, GRID = "#1b2733", "#8a97a5", "#f4c7c3", "#dfe5ea"
BLUE, RED, ORANGE, GREEN, PURPLE = "#1f5fa8", "#c0392b", "#d9822b", "#2c7a4b", "#7b4fa3"
CLASS_COLOURS = {"N": BLUE, "V": RED, "S": ORANGE, "F": PURPLE, "C": BLUE, "P": ORANGE}
SIDES = ((finding.LEFT, "left", BLUE), (finding.RIGHT, "right", ORANGE))
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


def strip(result: Result, start_s: float, stop_s: float) -> str:
    """Draw the signal as recorded between two times, with its beats or pulses (and their feet)."""
    track = result.track
    lead = _lead(result)
    with _figure(1.9 if track.kind == "ecg" else 1.7) as figure:
        axes = figure.add_subplot()
        t, x = _cut(result, start_s, stop_s, lead)
        _paper(axes, track.kind, track.unit, start_s, stop_s)
        axes.plot(t, x, color=INK, lw=0.9)
        _marks(axes, result, start_s, stop_s, t, x)
        axes.set_ylabel(f"{track.channels[lead]}{f' / {track.unit}' if track.unit not in ('', '1') else ''}")
        axes.set_xlabel(f"{'h:min:s' if start_s >= 60 else 's'} since the recording began")
        return _svg(figure)


def leads(result: Result, start_s: float, stop_s: float) -> str:
    """Draw all leads between two times, one below the other, with lines at the beats."""
    track = result.track
    n = len(track.channels)
    with _figure(0.4 + 0.75 * n) as figure:
        all_axes = figure.subplots(n, 1, sharex=True, squeeze=False)[:, 0]
        beats = track.seconds(result.beats["t"])
        for k, axes in enumerate(all_axes):
            t, x = _cut(result, start_s, stop_s, k)
            for beat in beats[(beats >= start_s) & (beats <= stop_s)]:
                axes.axvline(beat, color=RED, lw=0.6, alpha=0.5)
            axes.plot(t, x, color=INK, lw=0.8)
            axes.set_ylabel(track.channels[k], rotation=0, ha="right", va="center")
            axes.set_xlim(start_s, stop_s)
            axes.locator_params(axis="y", nbins=3)
        all_axes[-1].set_xlabel("s since the recording began")
        return _svg(figure)


def rate_trend(result: Result) -> str:
    """Draw the rate over the whole recording: averaged as monitors do, and beat to beat."""
    averaged, instant = RATES[result.track.kind]
    with _figure(2.1) as figure:
        axes = figure.add_subplot()
        scale, unit = _time_unit(result)
        _shade(axes, result, scale)
        styled: tuple[tuple[int, str, dict[str, Any]], ...] = (
            (instant, "beat to beat", {"color": FAINT, "ls": "", "marker": ".", "ms": 3}),
            (averaged, "averaged as monitors do", {"color": RED, "lw": 1.3}),
        )
        for code, name, style in styled:
            rows = result.feature(code)
            t, y = thin(result.track.seconds(rows["t"]), rows["value"])
            axes.plot(t * scale, y, label=name, **style)
        _at_least(axes, 20)
        axes.set_xlim(0, max(result.track.duration_s * scale, 1e-9))
        axes.set_xlabel(unit)
        axes.set_ylabel("rate / min⁻¹")
        axes.grid(axis="y")
        axes.legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.14))
        return _svg(figure)


def intervals(result: Result) -> str:
    """Draw the distribution of the intervals between beats, and each interval against the one before."""
    rr = result.sound_intervals_s * 1000
    seen = rr[np.isfinite(rr)]
    name = "RR interval" if result.track.kind == "ecg" else "pulse interval"
    with _figure(3.0) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
        if len(seen):
            low, high = _usual_range(seen)
            step = max(10.0, np.ceil((high - low) / 100 / 10) * 10)
            left.hist(seen, np.arange(low, high + step, step), color=BLUE)
            left.axvline(np.median(seen), color=RED, lw=1)
            outside = int(((seen < low) | (seen > high)).sum())
            note = f"median {np.median(seen):.0f} ms" + (f"\n{outside} of {len(seen)} lie outside" if outside else "")
            left.annotate(note, (0.99, 0.97), xycoords="axes fraction", ha="right", va="top", color=RED, fontsize=8)
            before, after = rr[:-1], rr[1:]
            both = np.isfinite(before) & np.isfinite(after)
            right.plot([low, high], [low, high], color=FAINT, lw=0.8)
            right.plot(
                before[both],
                after[both],
                ".",
                color=BLUE,
                ms=3 if both.sum() > 300 else 6,
                alpha=0.5,
                mew=0,
                rasterized=both.sum() > 500,
            )
            right.set_xlim(low, high)
            right.set_ylim(low, high)
        right.set_aspect("equal")
        left.set_xlabel(f"{name} / ms")
        left.set_ylabel("count")
        right.set_xlabel("interval / ms")
        right.set_ylabel("next interval / ms")
        right.locator_params(nbins=5)
        return _svg(figure)


def quality(result: Result) -> str:
    """Draw the quality over time, and below it when which reason was given."""
    t, score, bits = quality_of(result)
    reasons = [code for code in catalogue.codes() if code.kind == "reason" and (bits >> code.id & 1).any()]
    reasons.sort(key=lambda code: -int((bits >> code.id & 1).sum()))
    scale, unit = _time_unit(result)
    with _figure(1.5 + 0.2 * len(reasons)) as figure:
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.1, 0.15 + 0.2 * len(reasons)))
        _shade(top, result, scale)
        at, y = thin(t, score)
        top.plot(at * scale, y, color=GREEN, lw=1)
        top.set_ylim(-0.05, 1.05)
        top.set_ylabel("quality")
        top.grid(axis="y")
        top.set_xlim(0, max(result.track.duration_s * scale, 1e-9))
        for row, code in enumerate(reasons):
            held = (bits >> code.id & 1).astype(bool)
            spans = [(float(a) * scale, float(b - a) * scale) for a, b in _runs(t, held)]
            below.broken_barh(spans, (row - 0.35, 0.7), color=ORANGE)
        below.set_yticks(range(len(reasons)))
        below.set_yticklabels([f"{code.en} {(bits >> code.id & 1).mean():.0%}" for code in reasons], fontsize=8)
        below.set_ylim(max(len(reasons), 1) - 0.5, -0.5)
        (below if reasons else top).set_xlabel(unit)
        if not reasons:
            below.set_axis_off()
            top.tick_params(labelbottom=True)
        return _svg(figure)


def eyes(result: Result, start_s: float, stop_s: float) -> str:
    """Draw the eye aspect ratio of both eyes between two times, with the blinks."""
    with _figure(2.2) as figure:
        axes = figure.add_subplot()
        t, ear = ear_of(result)
        kept = (t >= start_s) & (t <= stop_s)
        beats = result.beats
        apex = result.track.seconds(beats["t"])
        for side, name, colour in SIDES[: ear.shape[1]]:
            at, y = thin(t[kept], ear[kept, side])
            label = name if ear.shape[1] == 2 else "eye"
            axes.plot(at, y, color=colour, lw=0.9, label=label)
            mine = (beats["channel"] == side) | ((beats["channel"] == -1) & (ear.shape[1] == 1))
            for letter, face in (("C", colour), ("P", "white")):
                here = mine & (apex >= start_s) & (apex <= stop_s) & (beats["label"] == ord(letter))
                if here.any():
                    level = ear[result.track.index(beats["t"][here]), side]
                    axes.plot(apex[here], level, "v", mfc=face, mec=colour, ms=5, lw=0)
        axes.set_xlim(start_s, stop_s)
        _at_least(axes, 0.2)
        axes.set_ylabel("eye aspect ratio")
        axes.set_xlabel("s since the recording began")
        axes.grid(axis="y")
        axes.legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.14))
        return _svg(figure)


def motion(result: Result) -> str:
    """Draw how far brow, lid and mouth corner moved on each side, and how symmetric that was."""
    rows = (
        ("brow", codes.BROW_EXCURSION, codes.BROW_SYMMETRY),
        ("lid", codes.LID_EXCURSION, codes.LID_SYMMETRY),
        ("mouth corner", codes.MOUTH_EXCURSION, codes.MOUTH_SYMMETRY),
    )
    seconds, (scale, unit) = result.track.seconds, _time_unit(result)
    with _figure(4.6) as figure:
        every = figure.subplots(4, 1, sharex=True, height_ratios=(1, 1, 1, 1.1))
        marker: dict[str, Any] = {"marker": ".", "ms": 3} if result.track.duration_s < 120 else {}
        for axes, (name, excursion, _) in zip(every, rows, strict=False):
            for side, label, colour in SIDES:
                found = result.feature(excursion, side)
                t, y = thin(seconds(found["t"]), found["value"])
                axes.plot(t * scale, y, color=colour, lw=1, label=label, **marker)
            low, high = axes.get_ylim()
            axes.set_ylim(min(low, 0.0), max(high, 0.05))
            axes.set_ylabel(name)
            axes.grid(axis="y")
            axes.locator_params(axis="y", nbins=3)
        every[0].legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.35))
        for (name, _, symmetry), colour in zip(rows, (GREEN, PURPLE, RED), strict=True):
            found = result.feature(symmetry)
            t, y = thin(seconds(found["t"]), found["value"])
            every[3].plot(t * scale, y, color=colour, lw=1, label=name, marker=".", ms=4)
        every[3].set_ylim(-0.05, 1.05)
        every[3].set_ylabel("symmetry")
        every[3].grid(axis="y")
        every[3].legend(loc="lower right", ncols=3)
        every[3].set_xlim(0, max(result.track.duration_s * scale, 1e-9))
        every[3].set_xlabel(unit)
        return _svg(figure)


def moved(result: Result) -> bool:
    """Tell whether any movement was measured."""
    every = (codes.BROW_EXCURSION, codes.LID_EXCURSION, codes.MOUTH_EXCURSION)
    return any(bool(np.isfinite(result.feature(code)["value"]).any()) for code in every)


RATES = {
    "ecg": (codes.HEART_RATE, codes.HEART_RATE_INSTANT),
    "ppg": (codes.PULSE_RATE, codes.PULSE_RATE_INSTANT),
}


def quality_of(result: Result) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the times in s, the best channel's quality and its reasons, once a second."""
    rows = result.feature(codes.SIGNAL_QUALITY)
    if (rows["channel"] == -1).any():
        rows = rows[rows["channel"] == -1]
    rows = rows[np.lexsort((-np.nan_to_num(rows["value"]), rows["t"]))]
    rows = rows[np.flatnonzero(np.diff(rows["t"], prepend=-np.inf) > 0)]
    return result.track.seconds(rows["t"]), np.asarray(rows["value"]), np.asarray(rows["reasons"])


def ear_of(result: Result) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the times in s of the frames and the eye aspect ratio, [n, 1 or 2]: left, right."""
    track = result.track
    assert track.times_ns is not None
    t = track.seconds(track.times_ns.astype(np.float64))
    return t, track.values if result.wave is None else result.wave[: track.n_samples, :2]


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


class _figure:
    """Make a figure under our style."""

    def __init__(self, height: float) -> None:
        import matplotlib as mpl

        self._style = mpl.rc_context(_STYLE)
        self._height = height

    def __enter__(self) -> "Figure":
        from matplotlib.figure import Figure

        self._style.__enter__()
        return Figure(figsize=(WIDTH, self._height), layout="constrained")

    def __exit__(self, *error: Any) -> None:
        self._style.__exit__(*error)


def _svg(figure: "Figure") -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None}, dpi=130)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)


def _lead(result: Result) -> int:
    """Choose the channel that most findings were measured in."""
    channels = result.beats["channel"]
    known = channels[channels >= 0]
    if result.track.kind not in ("ecg", "ppg") or not len(known):
        return 0
    return int(np.bincount(known).argmax())


def _cut(result: Result, start_s: float, stop_s: float, channel: int) -> tuple[NDArray[Any], NDArray[Any]]:
    track = result.track
    assert track.fs_hz is not None
    first, last = (min(max(round(s * track.fs_hz), 0), track.n_samples) for s in (start_s, stop_s))
    return np.arange(first, last) / float(track.fs_hz), track.values[first:last, channel]


def _paper(axes: "Axes", kind: str, unit: str, start_s: float, stop_s: float) -> None:
    from matplotlib.ticker import MultipleLocator

    axes.set_xlim(start_s, stop_s)
    axes.xaxis.set_major_locator(MultipleLocator(1))
    if start_s >= 60:
        axes.xaxis.set_major_formatter(lambda s, _: f"{int(s) // 3600}:{int(s) // 60 % 60:02}:{int(s) % 60:02}")
    if kind != "ecg":
        axes.grid()
        return
    axes.xaxis.set_minor_locator(MultipleLocator(0.2))  # as on ECG paper: a large square is 0.2 s and 0.5 mV
    axes.grid(axis="x", which="both", color=PAPER, lw=0.6)
    if unit == "mV":
        axes.yaxis.set_minor_locator(_half_millivolts())
    axes.grid(axis="y", which="both", color=PAPER, lw=0.6)
    axes.tick_params(which="minor", length=0)


def _half_millivolts() -> Any:
    from matplotlib.ticker import MultipleLocator

    class HalfMillivolts(MultipleLocator):
        def tick_values(self, vmin: float, vmax: float) -> Any:
            return super().tick_values(vmin, vmax) if vmax - vmin < 20 else []  # a saturated lead spans thousands

    return HalfMillivolts(0.5)


def _marks(axes: "Axes", result: Result, start_s: float, stop_s: float, t: NDArray[Any], x: NDArray[Any]) -> None:
    track, beats = result.track, result.beats
    at = track.seconds(beats["t"])
    here = (at >= start_s) & (at <= stop_s)
    level = partial(np.interp, xp=t, fp=np.nan_to_num(x)) if len(t) else np.zeros_like
    lowest, highest = (np.nanmin(x), np.nanmax(x)) if np.isfinite(x).any() else (0.0, 1.0)
    room = 0.12 * max(highest - lowest, 1e-9)
    axes.set_ylim(lowest - room, highest + 2.5 * room)
    sound = beats["quality"][here] >= SOUND
    for when, letter, sure in zip(at[here], letters(beats["label"][here]), sound, strict=True):
        colour = CLASS_COLOURS.get(letter, BLUE)
        y = float(level(when)) + 0.6 * room
        axes.plot(when, y, "v", mec=colour, mfc=colour if sure else "none", ms=4.5, mew=0.6)
        if letter not in ("", "Q"):
            axes.annotate(letter, (when, y), (0, 4), textcoords="offset points", ha="center", color=colour, fontsize=8)
    if track.kind == "ppg":
        feet = track.seconds(beats["onset"])
        feet = feet[(feet >= start_s) & (feet <= stop_s)]
        axes.plot(feet, [float(level(foot)) for foot in feet], "^", color=GREEN, ms=4, mew=0)


def _usual_range(seen: NDArray[np.float64]) -> tuple[float, float]:
    """Choose limits that a few odd intervals can't stretch; at least 200 ms, in steps of 50 ms."""
    low, high = np.percentile(seen, [0.5, 99.5])
    margin = max(0.1 * (high - low), (200 - (high - low)) / 2)
    return float(np.floor(max(low - margin, 0) / 50) * 50), float(np.ceil((high + margin) / 50) * 50)


def _at_least(axes: "Axes", span: float) -> None:
    """Keep an axis from making much of small changes."""
    low, high = axes.get_ylim()
    if high - low < span:
        axes.set_ylim((low + high - span) / 2, (low + high + span) / 2)


def _time_unit(result: Result) -> tuple[float, str]:
    """Choose what one unit of a time axis is."""
    if result.track.duration_s <= 180:
        return 1.0, "s since the recording began"
    if result.track.duration_s <= 3 * 3600:
        return 1 / 60, "min since the recording began"
    return 1 / 3600, "h since the recording began"


def _shade(axes: "Axes", result: Result, scale: float) -> None:
    """Grey what was not usable."""
    for start, stop in unusable(result):
        axes.axvspan(start * scale, stop * scale, color=GRID, lw=0)


def unusable(result: Result) -> list[tuple[float, float]]:
    """List the stretches without usable signal, in s."""
    seconds, end = result.track.seconds, result.track.duration_s
    rows = result.events
    rows = rows[rows["code"] == codes.NO_USABLE_SIGNAL]
    stops = np.where(np.isfinite(rows["t_end"]), seconds(rows["t_end"]), end)
    return list(zip(seconds(rows["t"]).tolist(), np.minimum(stops, end).tolist(), strict=True))


def _runs(t: NDArray[np.float64], held: NDArray[np.bool_]) -> Iterable[tuple[float, float]]:
    """List the stretches in which a reason held; a feature speaks of the second before it."""
    edges = np.flatnonzero(np.diff(held, prepend=False, append=False))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield max(float(t[first]) - 1, 0.0), float(t[last - 1])
