"""Pictures of an ECG: on paper, average beats with their intervals, intervals over time, rhythms and alarms."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitalcore import catalogue
from vitalcore import findings as named
from vitalcore.analyze import Result
from vitalcore.intervals import intervals_s
from vitalcore.kernels.core import codes, finding
from vitalcore.results.drawing import BLUE, FAINT, GREEN, INK, ORANGE, PAPER, PURPLE, RED, picture, svg_of, time_unit
from vitalcore.results.figures import CLASS_COLOURS, usual_range
from vitalcore.results.tables import letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

CLASSES = {
    "N": "normal",
    "S": "supraventricular",
    "V": "ventricular",
    "F": "fusion",
    "/": "paced",
    "Q": "not classified",
}
PAPER_S = 10.0
_MM_S, _MM_MV = 25.0, 10.0
_ROW_MM = 28.0  # between the leads of a page
_TALL_MV = 2.4
_LAYOUT = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
_USUAL = {name.upper(): name for row in _LAYOUT for name in row}
_WAVES = (("p_on", "p_off", GREEN, "P"), ("qrs_on", "qrs_off", BLUE, "QRS"), ("t_on", "t_off", ORANGE, "T"))
_BEFORE_S, _AFTER_S = 0.32, 0.52  # of an average beat
_MOST_BEATS = 400  # averaged of a class
_PRIORITY = {finding.HIGH: RED, finding.MEDIUM: ORANGE, finding.LOW: BLUE}


def is_millivolts(result: Result) -> bool:
    """Tell whether the ECG can be drawn on paper."""
    return result.track.unit == "mV"


def paper(result: Result, start_s: float) -> str:
    """Draw 10 s of all leads on ECG paper, 25 mm/s and 10 mm/mV (5 where a lead is larger than a row).

    Twelve leads stand in three rows of four, 2.5 s each, above 10 s of lead II; others one below the other. Under the
    last row are the P waves, QRS complexes and T waves as they were delineated, above it the classes of its beats.
    """
    rows, rhythm = _rows(result)
    gain = _gain(result, start_s)
    height = _ROW_MM * len(rows)
    with picture(height / 25.4 + 0.42 + 0.08, left=0.2) as figure:
        axes = figure.add_subplot()
        _squares(axes, height)
        for k, row in enumerate(rows):
            middle = height - _ROW_MM * (k + 0.5)
            step = (0.0, 3.0, 3.0, 5.0, 5.0, 8.0, 8.0)
            axes.plot(step, middle + np.array([0, 0, gain, gain, 0, 0, 0]), color=INK, lw=0.7)
            part_s = PAPER_S / len(row)
            for j, lead in enumerate(row):
                x0 = 8 + _MM_S * part_s * j
                t, y = _samples(result, lead, start_s + part_s * j, start_s + part_s * (j + 1))
                level = float(np.nanmedian(y)) if np.isfinite(y).any() else 0.0
                shown = np.clip(gain * (y - level), -_ROW_MM, _ROW_MM)
                axes.plot(x0 + _MM_S * (t - start_s - part_s * j), middle + shown, color=INK, lw=0.8)
                axes.text(
                    x0 + 1, middle + 10.5, _named(result.track.channels[lead]), fontsize=8, weight="bold", color=INK
                )
        _annotate(axes, result, rhythm, start_s)
        axes.set_xlim(0, 8 + _MM_S * PAPER_S)
        axes.set_ylim(0, height)
        axes.set_xticks([8 + _MM_S * s for s in range(int(PAPER_S) + 1)], [f"{start_s + s:.0f}" for s in range(11)])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.set_xlabel(f"s since the recording began; 25 mm/s, {gain:.0f} mm/mV")
        return svg_of(figure)


def average_beats(result: Result) -> str:
    """Draw the average beat of each class in the lead that most beats were timed in, with its waves and intervals."""
    lead = lead_of(result)
    told = named.waves(result.findings, lead)
    marked = np.array(letters(told["label"]), dtype=str)
    classes = [name for name in CLASSES if (marked == name).any()][:4]
    with picture(3.3, top=0.48) as figure:
        every = figure.subplots(1, max(len(classes), 1), squeeze=False)[0]
        for axes, name in zip(every, classes, strict=False):
            _average(axes, result, told[marked == name], lead, name)
        if not classes:
            every[0].set_axis_off()
            every[0].text(0.5, 0.5, "no beat was delineated", ha="center")
        return svg_of(figure)


def tachogram(result: Result) -> str:
    """Draw each interval between beats over time, in the colour of the class of the beat that ends it."""
    beats, (scale, unit) = result.beats, time_unit(result.track.duration_s)
    t, rr = result.track.seconds(beats["t"]) * scale, beats["interval_s"] * 1000
    marked = np.array(letters(beats["label"]), dtype=str)
    with picture(2.1, top=0.25) as figure:
        axes = figure.add_subplot()
        for name in [*CLASSES, ""]:
            here = (marked == name) & np.isfinite(rr)
            if here.any():
                colour = CLASS_COLOURS.get(name, FAINT)
                axes.plot(
                    t[here],
                    rr[here],
                    ".",
                    color=colour,
                    ms=3 if len(rr) > 300 else 6,
                    mew=0,
                    label=CLASSES.get(name, "no class"),
                    rasterized=here.sum() > 2000,
                )
        seen = rr[np.isfinite(rr)]
        if len(seen):
            axes.set_ylim(*usual_range(seen))
            axes.legend(loc="upper right", ncols=6, bbox_to_anchor=(1, 1.22), markerscale=1.5)
        axes.set_xlim(0, max(result.track.duration_s * scale, 1e-9))
        axes.set_xlabel(unit)
        axes.set_ylabel("RR interval / ms")
        axes.grid(axis="y")
        return svg_of(figure)


def timeline(result: Result) -> str:
    """Draw when each rhythm lasted, and the alarms in the colour of their priority."""
    track, (scale, unit) = result.track, time_unit(result.track.duration_s)
    events, alarms = result.events, result.alarms
    names = catalogue.by_id()
    rows: list[tuple[str, Any, Any]] = [
        (names[int(code)].en, events[events["code"] == code], None) for code in _in_order(events["code"])
    ]
    rows += [
        (f"alarm: {names[int(code)].en}", alarms[alarms["code"] == code], _PRIORITY)
        for code in _in_order(alarms["code"])
    ]
    least = track.duration_s * scale / 500
    with picture(0.6 + 0.24 * max(len(rows), 1), left=2.4) as figure:
        axes = figure.add_subplot()
        for k, (_, found, priorities) in enumerate(rows):
            ends = np.where(np.isfinite(found["t_end"]), track.seconds(found["t_end"]), track.duration_s)
            for begin, end, row in zip(track.seconds(found["t"]), ends, found, strict=True):
                colour = BLUE if priorities is None else priorities.get(int(row["priority"]), RED)
                if int(row["code"]) == codes.NO_USABLE_SIGNAL:
                    colour = FAINT
                axes.broken_barh([(begin * scale, max((end - begin) * scale, least))], (k - 0.35, 0.7), color=colour)
        axes.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=8)
        axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        axes.set_xlim(0, max(track.duration_s * scale, 1e-9))
        axes.grid(axis="x")
        axes.set_xlabel(unit)
        return svg_of(figure)


def lead_of(result: Result) -> int:
    """Choose the lead that most beats were timed in."""
    leads = result.beats["channel"]
    return int(np.bincount(leads[leads >= 0]).argmax()) if (leads >= 0).any() else 0


def _named(channel: str) -> str:
    """Write the name of a standard lead as it is usually written."""
    return _USUAL.get(channel.upper(), channel)


def _in_order(found: NDArray[Any]) -> Iterable[int]:
    return [int(code) for code in dict.fromkeys(found.tolist())]


def _rows(result: Result) -> tuple[list[list[int]], int]:
    """Arrange the leads on a page; the lead of the last row."""
    place = {channel.upper(): k for k, channel in enumerate(result.track.channels)}
    if all(name.upper() in place for row in _LAYOUT for name in row):
        rhythm = place["II"]
        return [*([place[name.upper()] for name in row] for row in _LAYOUT), [rhythm]], rhythm
    leads = list(range(len(result.track.channels)))
    rhythm = lead_of(result)
    leads.remove(rhythm)
    return [[lead] for lead in [*leads, rhythm]], rhythm


def _gain(result: Result, start_s: float) -> float:
    tall = 0.0
    for lead in range(len(result.track.channels)):
        _, y = _samples(result, lead, start_s, start_s + PAPER_S)
        if np.isfinite(y).any():
            low, high = np.nanpercentile(y, [0.2, 99.8])
            tall = max(tall, float(high - low))
    return _MM_MV if tall <= _TALL_MV else _MM_MV / 2


def _squares(axes: "Axes", height: float) -> None:
    width = 8 + _MM_S * PAPER_S
    for every, lw in ((1.0, 0.25), (5.0, 0.7)):
        x = np.arange(8 % every, width + 0.1, every)
        y = np.arange(0, height + 0.1, every)
        axes.vlines(x, 0, height, color=PAPER, lw=lw, zorder=0)
        axes.hlines(y, 0, width, color=PAPER, lw=lw, zorder=0)


def _samples(result: Result, lead: int, start_s: float, stop_s: float) -> tuple[Floats, Floats]:
    track = result.track
    assert track.fs_hz is not None
    fs_hz = float(track.fs_hz)
    first, last = (min(max(round(s * fs_hz), 0), track.n_samples) for s in (start_s, stop_s))
    return np.arange(first, last) / fs_hz, np.asarray(track.values[first:last, lead], np.float64)


def _annotate(axes: "Axes", result: Result, lead: int, start_s: float) -> None:
    """Write the classes above the last row and draw the delineated waves below it."""

    def mm(t: Any) -> Any:
        return 8 + _MM_S * (np.asarray(t) - start_s)

    track, beats = result.track, result.beats
    at = track.seconds(beats["t"])
    for when, name in zip(at, letters(beats["label"]), strict=True):
        if start_s <= when <= start_s + PAPER_S:
            colour = CLASS_COLOURS.get(name, FAINT)
            axes.text(float(mm(when)), _ROW_MM - 2.5, name, ha="center", va="center", fontsize=8, color=colour)
    pulses = track.seconds(result.pacer_pulses["t"])
    for when in pulses[(pulses >= start_s) & (pulses <= start_s + PAPER_S)]:
        axes.plot([float(mm(when))] * 2, [3.5, _ROW_MM - 5], color=PURPLE, lw=0.8, ls=":")
    told = named.waves(result.findings, lead)
    t = track.seconds(told["t"])
    for row in told[(t >= start_s) & (t <= start_s + PAPER_S)]:
        for on, off, colour, _ in _WAVES:
            span = track.seconds(np.array([row[on], row[off]]))
            if np.isfinite(span).all():
                axes.plot(np.clip(mm(span), 8, 8 + _MM_S * PAPER_S), [2.2, 2.2], color=colour, lw=3)


def _average(axes: "Axes", result: Result, told: Any, lead: int, name: str) -> None:
    track = result.track
    assert track.fs_hz is not None
    fs_hz = float(track.fs_hz)
    grid = np.arange(-round(_BEFORE_S * fs_hz), round(_AFTER_S * fs_hz) + 1)
    samples = np.arange(track.n_samples)
    x = track.values[:, lead]
    chosen = told[np.linspace(0, len(told) - 1, min(len(told), _MOST_BEATS)).astype(int)]
    snips = np.array([np.interp(row["t"] + grid, samples, x, np.nan, np.nan) for row in chosen])
    snips -= np.nanmedian(snips, axis=1, keepdims=True)
    kept = snips[np.isfinite(snips).all(axis=1)]
    if not len(kept):
        axes.set_axis_off()
        return
    mean = kept.mean(axis=0)
    ms = grid / fs_hz * 1000
    low, high = np.percentile(kept, [10, 90], axis=0)
    axes.fill_between(ms, low, high, color=CLASS_COLOURS.get(name, FAINT), alpha=0.2, lw=0)
    axes.plot(ms, mean, color=INK, lw=1.3)
    bottom = float(low.min()) - 0.14 * float(np.ptp(mean))
    for on, off, colour, title in _WAVES:
        spans = np.column_stack([told[on] - told["t"], told[off] - told["t"]]) / fs_hz * 1000
        there = np.isfinite(spans).all(axis=1)
        if there.mean() >= 0.5:
            begin, end = np.median(spans[there], axis=0)
            axes.plot([begin, end], [bottom] * 2, color=colour, lw=4, solid_capstyle="butt")
            axes.text((begin + end) / 2, bottom, f"{title}\n", ha="center", va="center", fontsize=8, color=colour)
    measured = intervals_s(told, fs_hz)
    text = []
    for title, key in (("PR", "pr_s"), ("QRS", "qrs_s"), ("QT", "qt_s"), ("QTc", "qtc_fridericia_s")):
        values = measured[key][np.isfinite(measured[key])] * 1000
        text.append(f"{title} {np.median(values):.0f}" if len(values) >= max(1, len(told) // 4) else f"{title} -")
    axes.set_title(
        f"{CLASSES[name]}: {len(told)} beats, {_named(track.channels[lead])}\n{'  '.join(text)} ms", fontsize=8.5
    )
    axes.set_xlabel("ms from the R peak")
    axes.grid()
    axes.set_xlim(ms[0], ms[-1])
