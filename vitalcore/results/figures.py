"""Pictures of what was found in a recording, each as one SVG."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitalcore import catalogue
from vitalcore.analyze import SOUND, Result
from vitalcore.kernels.core import codes
from vitalcore.results.drawing import (
    BLUE,
    FAINT,
    GREEN,
    GRID,
    INK,
    ORANGE,
    PAPER,
    PURPLE,
    RED,
    at_least,
    half_millivolts,
    picture,
    runs,
    svg_of,
    thin,
    time_unit,
)
from vitalcore.results.tables import letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLASS_COLOURS = {"N": BLUE, "V": RED, "S": ORANGE, "F": PURPLE, "/": PURPLE, "C": BLUE, "P": ORANGE}


def strip(result: Result, start_s: float, stop_s: float) -> str:
    """Draw the signal as recorded between two times, with its beats or pulses (and their feet)."""
    track = result.track
    lead = _lead(result)
    with picture(1.9 if track.kind == "ecg" else 1.7) as figure:
        axes = figure.add_subplot()
        t, x = _cut(result, start_s, stop_s, lead)
        _paper(axes, track.kind, track.unit, start_s, stop_s)
        axes.plot(t, x, color=INK, lw=0.9)
        _marks(axes, result, start_s, stop_s, t, x)
        axes.set_ylabel(f"{track.channels[lead]}{f' / {track.unit}' if track.unit not in ('', '1') else ''}")
        axes.set_xlabel(f"{'h:min:s' if start_s >= 60 else 's'} since the recording began")
        return svg_of(figure)


def leads(result: Result, start_s: float, stop_s: float) -> str:
    """Draw all leads between two times, one below the other, with lines at the beats."""
    track = result.track
    n = len(track.channels)
    with picture(0.4 + 0.75 * n) as figure:
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
        return svg_of(figure)


def rate_trend(result: Result) -> str:
    """Draw the rate over the whole recording: averaged as monitors do, and beat to beat."""
    averaged, instant = RATES[result.track.kind]
    with picture(2.1, top=0.25) as figure:
        axes = figure.add_subplot()
        scale, unit = time_unit(result.track.duration_s)
        _shade(axes, result, scale)
        styled: tuple[tuple[int, str, dict[str, Any]], ...] = (
            (instant, "beat to beat", {"color": FAINT, "ls": "", "marker": ".", "ms": 3}),
            (averaged, "averaged as monitors do", {"color": RED, "lw": 1.3}),
        )
        for code, name, style in styled:
            rows = result.feature(code)
            t, y = thin(result.track.seconds(rows["t"]), rows["value"])
            axes.plot(t * scale, y, label=name, **style)
        at_least(axes, 20)
        axes.set_xlim(0, max(result.track.duration_s * scale, 1e-9))
        axes.set_xlabel(unit)
        axes.set_ylabel("rate / min⁻¹")
        axes.grid(axis="y")
        axes.legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.2))
        return svg_of(figure)


def intervals(result: Result) -> str:
    """Draw the distribution of the intervals between beats, and each interval against the one before."""
    rr = result.sound_intervals_s * 1000
    seen = rr[np.isfinite(rr)]
    name = "RR interval" if result.track.kind == "ecg" else "pulse interval"
    with picture(3.0) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
        if len(seen):
            low, high = usual_range(seen)
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
        return svg_of(figure)


def quality(result: Result) -> str:
    """Draw the quality over time, and below it when which reason was given."""
    t, score, bits = quality_of(result)
    reasons = [code for code in catalogue.codes() if code.kind == "reason" and (bits >> code.id & 1).any()]
    reasons.sort(key=lambda code: -int((bits >> code.id & 1).sum()))
    scale, unit = time_unit(result.track.duration_s)
    with picture(1.5 + 0.2 * len(reasons), left=1.7) as figure:
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
            spans = [(float(a) * scale, float(b - a) * scale) for a, b in runs(t, held)]
            below.broken_barh(spans, (row - 0.35, 0.7), color=ORANGE)
        below.set_yticks(range(len(reasons)))
        below.set_yticklabels([f"{code.en} {(bits >> code.id & 1).mean():.0%}" for code in reasons], fontsize=8)
        below.set_ylim(max(len(reasons), 1) - 0.5, -0.5)
        (below if reasons else top).set_xlabel(unit)
        if not reasons:
            below.set_axis_off()
            top.tick_params(labelbottom=True)
        return svg_of(figure)


RATES = {
    "ecg": (codes.HEART_RATE, codes.HEART_RATE_INSTANT),
    "ppg": (codes.PULSE_RATE, codes.PULSE_RATE_INSTANT),
    "abp": (codes.PULSE_RATE, codes.PULSE_RATE_INSTANT),
}


def quality_of(result: Result) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the times in s, the best channel's quality and its reasons, once a second."""
    rows = result.feature(codes.SIGNAL_QUALITY)
    if (rows["channel"] == -1).any():
        rows = rows[rows["channel"] == -1]
    rows = rows[np.lexsort((-np.nan_to_num(rows["value"]), rows["t"]))]
    rows = rows[np.flatnonzero(np.diff(rows["t"], prepend=-np.inf) > 0)]
    return result.track.seconds(rows["t"]), np.asarray(rows["value"]), np.asarray(rows["reasons"])


def _lead(result: Result) -> int:
    """Choose the channel that most findings were measured in."""
    channels = result.beats["channel"]
    known = channels[channels >= 0]
    if result.track.kind not in RATES or not len(known):
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
        axes.yaxis.set_minor_locator(half_millivolts())
    axes.grid(axis="y", which="both", color=PAPER, lw=0.6)
    axes.tick_params(which="minor", length=0)


def _marks(axes: "Axes", result: Result, start_s: float, stop_s: float, t: NDArray[Any], x: NDArray[Any]) -> None:
    track, beats = result.track, result.beats
    at = track.seconds(beats["t"])
    here = (at >= start_s) & (at <= stop_s)

    def level(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.interp(at, t, np.nan_to_num(x)) if len(t) else np.zeros(len(at)))

    lowest, highest = (np.nanmin(x), np.nanmax(x)) if np.isfinite(x).any() else (0.0, 1.0)
    room = 0.12 * max(highest - lowest, 1e-9)
    axes.set_ylim(lowest - room, highest + 2.5 * room)
    when = at[here]
    marked = np.array(letters(beats["label"][here]), dtype=str)
    sound = beats["quality"][here] >= SOUND
    y = level(when) + 0.6 * room
    for letter in np.unique(marked):
        colour = CLASS_COLOURS.get(letter, BLUE)
        for sure, fill in ((True, colour), (False, "none")):
            mine = (marked == letter) & (sound == sure)
            axes.plot(when[mine], y[mine], "v", mec=colour, mfc=fill, ms=4.5, mew=0.6, ls="")
        for k in np.flatnonzero(marked == letter) if letter not in ("", "Q") else ():
            place = (when[k], y[k])
            axes.annotate(letter, place, (0, 4), textcoords="offset points", ha="center", color=colour, fontsize=8)
    if track.kind in ("ppg", "abp"):
        feet = track.seconds(beats["onset"])
        feet = feet[(feet >= start_s) & (feet <= stop_s)]
        axes.plot(feet, level(feet), "^", color=GREEN, ms=4, mew=0)


def usual_range(seen: NDArray[np.float64]) -> tuple[float, float]:
    """Choose limits that a few odd intervals can't stretch; at least 200 ms, in steps of 50 ms."""
    low, high = np.percentile(seen, [0.5, 99.5])
    margin = max(0.1 * (high - low), (200 - (high - low)) / 2)
    return float(np.floor(max(low - margin, 0) / 50) * 50), float(np.ceil((high + margin) / 50) * 50)


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
