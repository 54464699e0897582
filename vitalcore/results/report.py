"""One page about a recording, for people: what was recorded, what was found, how far it can be trusted."""

import os
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np

from vitalcore import catalogue
from vitalcore.analyze import Result, Results
from vitalcore.errors import VitalcoreError
from vitalcore.kernels.core import codes
from vitalcore.results import figures, figures_ecg, figures_face
from vitalcore.results.tables import channel_name, letters
from vitalcore.version import version

STRIP_S = 10.0
_MISSING_BIT = codes.MISSING.bit_length() - 1
_TITLES = {
    "ecg": "Electrocardiogram",
    "ppg": "Pulse wave (PPG)",
    "abp": "Arterial pressure",
    "face": "Face",
    "ear": "Eye aspect ratio",
}
_CLASSES_OF_BLINKS = {"C": "complete", "P": "partial"}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{name} - vitalcore report</title>
<style>
body {{ font: 15px/1.5 Helvetica, Arial, sans-serif; color: #1b2733; max-width: 1040px; margin: 2em auto;
  padding: 0 1.2em }}
h1 {{ font-size: 1.6em; margin-bottom: 0 }}
h2 {{ border-bottom: 2px solid #1f5fa8; margin-top: 2em; padding-bottom: .15em }}
h2 small {{ color: #5a6875; font-weight: 400; font-size: .65em }}
h3 {{ font-size: 1em; margin: 1.4em 0 .2em }}
.note {{ background: #fff6e5; border-left: 4px solid #d9822b; padding: .5em 1em }}
.lead {{ color: #5a6875; margin-top: .2em }}
table {{ border-collapse: collapse; margin: .8em 0 }}
th, td {{ text-align: left; padding: .3em 1.4em .3em 0; vertical-align: top }}
tr {{ border-bottom: 1px solid #dfe5ea }}
figure {{ margin: .3em 0 }}
figcaption {{ color: #5a6875; font-size: .9em }}
svg {{ width: 100%; height: auto }}
details {{ margin: 2em 0 }}
summary {{ cursor: pointer; font-weight: 600 }}
footer {{ margin-top: 3em; color: #5a6875; font-size: .9em }}
@media print {{ body {{ font-size: 11px; margin: 0 }} figure {{ break-inside: avoid }} }}
</style></head><body>
{body}
</body></html>
"""

_HOW_TO_READ = """<details><summary>How to read this report</summary>
<p><b>Strips</b> show the signal as it was recorded, not filtered. On ECG strips a square is 0.2 s wide and 0.5 mV high
where the unit is mV. A triangle pointing down marks each beat, pulse peak or blink; letters are classes: N normal,
S supraventricular, V ventricular, F fusion, / paced; no letter: not classified. An empty triangle is a doubtful beat
or pulse (quality below 0.5), which no interval plot counts. A green triangle pointing up is the foot of a pulse.</p>
<p><b>Known after</b> is the time from a beat, pulse or blink to the moment at which a live engine says it.</p>
<p><b>Rate</b> “averaged as monitors do” is the mean of the last intervals without the longest and shortest ones. Where
the signal could not carry a rate there is none: the line has a hole. Grey is signal that could not be used.</p>
<p><b>Interval plots</b>: left, how often each interval between beats occurred; right (Poincaré plot), each interval
against the next. Regular rhythm lies close together on the diagonal; early beats and their pauses lie away from it;
atrial fibrillation scatters widely.</p>
<p><b>On paper</b> the leads stand as on a printout: a small square is 0.04 s and 0.1 mV, a large one 0.2 s and 0.5 mV
(1 mV where it says 5 mm/mV). <b>Average beats</b> are the mean of all beats of a class; PR, QRS and QT are medians over
these beats, a dash where the wave is absent. <b>Heart rate variability</b> comes from normal beats only: SDNN is the
spread of their intervals, RMSSD and pNN50 tell how much neighbouring ones differ, LF and HF are the power of slow
(0.04 to 0.15 Hz) and fast (0.15 to 0.4 Hz) swings. In atrial fibrillation there is none.</p>
<p><b>Quality</b> runs from 0 (unusable) to 1, once a second; below it stand the reasons and the share of time they
held.</p>
<p><b>Eye aspect ratio</b> is the height of the eye opening over its width; it falls when the lid closes. A filled
triangle is a complete blink, an open one a partial blink. Left and right are the subject's own. <b>Excursion</b> is
the furthest movement from rest in each second, in distances between the eyes; <b>symmetry</b> is the share that the
weaker side reaches of the stronger one, shown where one of them moved.</p></details>
"""


def write(results: Results, path: Path) -> None:
    """Write the report of a recording, complete or not at all.

    Errors: VitalcoreError where it can't be written.
    """
    text = render(results)
    draft = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise VitalcoreError(f"{path}: can't be written ({error.strerror or error})") from None


def render(results: Results) -> str:
    """Make the page: one file, nothing to be fetched."""
    body = [*_head(results)]
    for result in results.analysed:
        body += _section(result)
    body += _events(results)
    body += _left_out(results)
    body.append(_HOW_TO_READ)
    body.append(f"<footer>{escape(f'vitalcore {version()}')}. Not a medical device.</footer>")
    return _PAGE.format(name=escape(results.recording.name), body="\n".join(body))


def excerpts(result: Result) -> list[tuple[str, float]]:
    """Choose the strips to show: why, and where each begins in s. Overlapping ones are shown once, for both reasons."""
    end = max(result.track.duration_s - STRIP_S, 0.0)
    seconds = result.track.seconds
    wanted: list[tuple[str, float]] = []
    t, score, bits = figures.quality_of(result)
    width = int(STRIP_S)
    if len(score) >= width:
        windows = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(score), width)
        usable = np.flatnonzero(windows.min(axis=1) >= 0.5)
        wanted.append(
            ("First usable signal", float(t[usable[0]]) - 1) if len(usable) else ("Begin of the recording", 0.0)
        )
        # seconds without samples have nothing to show
        there = np.lib.stride_tricks.sliding_window_view((bits >> _MISSING_BIT & 1) == 0, width).mean(axis=1) > 0.5
        mean = np.where(there, windows.mean(axis=1), 1.0)
        poorest = int(mean.argmin())
        worst = float(mean[poorest])
    else:
        wanted.append(("Begin of the recording", 0.0))
        poorest, worst = 0, 1.0
    averaged, _ = figures.RATES[result.track.kind]
    rate = result.feature(averaged)
    rate = rate[np.isfinite(rate["value"])]
    if len(rate) and np.ptp(rate["value"]) >= 5:
        for name, k in (("Fastest", int(rate["value"].argmax())), ("Slowest", int(rate["value"].argmin()))):
            wanted.append((f"{name}: {rate['value'][k]:.0f} /min", float(seconds(rate["t"])[k]) - STRIP_S))
    beats = result.beats
    longest = np.nan_to_num(result.sound_intervals_s, nan=-1.0)
    if len(beats) and longest.max() > 0:
        k = int(longest.argmax())
        begin = float(seconds(beats["t"])[k]) - longest[k] / 2 - STRIP_S / 2
        wanted.append((f"Longest interval: {longest[k]:.2f} s", begin))
    early = np.flatnonzero(beats["label"] == ord("V"))
    if len(early):
        wanted.append(("First ventricular beat", float(seconds(beats["t"])[early[0]]) - STRIP_S / 2))
    if worst < 0.9:
        wanted.append((f"Poorest signal: quality {worst:.2f}", float(t[poorest]) - 1))
    chosen: list[tuple[str, float]] = []
    for name, begin in wanted:
        begin = min(max(begin, 0.0), end)
        near = next((k for k, (_, other) in enumerate(chosen) if abs(other - begin) < STRIP_S / 2), None)
        if near is None:
            chosen.append((name, begin))
        else:
            chosen[near] = (f"{chosen[near][0]} · {name[0].lower()}{name[1:]}", chosen[near][1])
    return chosen


def _head(results: Results) -> Iterator[str]:
    recording = results.recording
    start = recording.start.isoformat(sep=" ", timespec="seconds") if recording.start else "start unknown"
    n_signals = "1 signal" if len(recording.tracks) == 1 else f"{len(recording.tracks)} signals"
    yield f"<h1>{escape(recording.name)}</h1>"
    yield f'<p class="lead">{_clock(recording.duration_s)} · {escape(start)} · {n_signals}</p>'
    yield (
        '<p class="note"><b>Research software, not a medical device.</b> These are estimates by a program, '
        "not a diagnosis, and not to be used for treatment.</p>"
    )
    yield "<h2>Summary</h2><table>"
    yield "<tr><th>signal</th><th>found</th><th>rate</th><th>usable</th><th>known after</th></tr>"
    for result in results.analysed:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in _summary(result))}</tr>"
    yield "</table>"


def _summary(result: Result) -> list[str]:
    track, beats = result.track, result.beats
    rate = f"{float(track.fs_hz):.6g} Hz" if track.fs_hz is not None else "variable rate"
    channels = ", ".join(track.channels) if len(track.channels) <= 12 else f"{len(track.channels) // 3} points"
    cells = [f"<b>{escape(track.stream)}</b><br>{escape(channels)}, {rate}", _found(result)]
    if track.kind in figures.RATES:
        values = result.feature(figures.RATES[track.kind][0])["value"]
        values = values[np.isfinite(values)]
        spread = f"{values.min():.0f} to {values.max():.0f}" if len(values) else ""
        cells.append(f"median {np.median(values):.0f} /min<br>{spread}" if len(values) else "none")
    elif track.kind == "face":
        rates = [(name, result.feature(codes.BLINK_RATE, side)["value"]) for side, name, _ in figures_face.SIDES]
        told = [f"{name} {np.nanmedian(v):.0f} /min" for name, v in rates if np.isfinite(v).any()]
        cells.append("<br>".join(told) or "none")
    else:
        cells.append("")
    lost = sum(stop - start for start, stop in figures.unusable(result))
    cells.append(f"{max(1 - lost / track.duration_s, 0.0):.0%}" if track.duration_s else "")
    delay = track.seconds(beats["t_known"] - beats["t"])
    cells.append(f"{np.median(delay):.2f} s, at most {delay.max():.2f} s" if len(delay) else "")
    return cells


def _found(result: Result) -> str:
    beats = result.beats
    what = {"ecg": "beats", "ppg": "pulses", "abp": "pulses"}.get(result.track.kind, "blinks")
    names = _CLASSES_OF_BLINKS if what == "blinks" else figures_ecg.CLASSES
    lines = []
    for channel in np.unique(beats["channel"]) if what == "blinks" else [None]:
        mine = beats if channel is None else beats[beats["channel"] == channel]
        label = "" if channel is None else f" {channel_name(result, int(channel))}"
        counts = {letter: letters(mine["label"]).count(letter) for letter in names}
        told = ", ".join(f"{n} {names[letter]}" for letter, n in counts.items() if n)
        shown = f" ({told})" if told and set(letters(mine["label"])) != {"Q"} else ""
        noun = what if len(mine) != 1 else what.removesuffix("s")
        lines.append(f"{len(mine)} {noun}{label}{shown}")
    return escape("\n".join(lines) or f"no {what}").replace("\n", "<br>")


def _section(result: Result) -> Iterator[str]:
    track = result.track
    yield f"<h2>{_TITLES[track.kind]} <small>{escape(track.stream)}</small></h2>"
    if track.kind in figures.RATES:
        yield _figure("Rate", figures.rate_trend(result), "Grey: no usable signal. A hole: no rate could be given.")
        paper = track.kind == "ecg" and figures_ecg.is_millivolts(result)
        if track.kind == "ecg":
            yield from _page(result, paper)
        for name, begin in excerpts(result):
            span = f"{_clock(begin)} to {_clock(min(begin + STRIP_S, track.duration_s))}"
            yield _figure(name, figures.strip(result, begin, begin + STRIP_S), span)
        if len(track.channels) > 1 and not paper:
            begin = excerpts(result)[0][1]
            yield _figure("All channels", figures.leads(result, begin, begin + STRIP_S), "Red lines: beats.")
        if track.kind == "ecg":
            yield from _beats(result)
        yield _figure(
            "Intervals", figures.intervals(result), "Left: how often; right: each against the next (Poincaré)."
        )
        if track.kind == "ecg":
            yield from _variability(result)
    else:
        begin = _most_blinks(result)
        stop = min(begin + 20, track.duration_s)
        yield _figure(
            "Eyes", figures_face.eyes(result, 0, track.duration_s), "Triangles: blinks; open ones are partial."
        )
        if track.duration_s > 40:
            yield _figure("Most blinks", figures_face.eyes(result, begin, stop), f"{_clock(begin)} to {_clock(stop)}")
    if track.kind == "face":
        title = "Movement from rest and its symmetry"
        if figures_face.moved(result):
            yield _figure(title, figures_face.motion(result), "Movement in distances between the eyes at rest.")
        else:
            yield f"<h3>{title}</h3><p>Not measured: see the reasons below.</p>"
    if len(figures.quality_of(result)[0]):
        yield _figure("Signal quality", figures.quality(result), "Below: reasons, and the share of time they held.")


def _page(result: Result, paper: bool) -> Iterator[str]:
    if len(result.events) or len(result.alarms):
        yield _figure("Rhythms and alarms", figures_ecg.timeline(result), "Alarms: red high, orange medium, blue low.")
    if paper:
        begin = excerpts(result)[0][1]
        span = f"{_clock(begin)} to {_clock(begin + figures_ecg.PAPER_S)}"
        yield _figure(
            f"On paper: {span}",
            figures_ecg.paper(result, begin),
            "As recorded. Letters: classes. Bars below the last row: P wave green, QRS complex blue, T wave orange. "
            "Dotted: pulses of a pacemaker.",
        )


def _beats(result: Result) -> Iterator[str]:
    yield _figure(
        "Average beats",
        figures_ecg.average_beats(result),
        "Black: mean; shaded: 10th to 90th percentile. Bars: median bounds of the waves. QTc by Fridericia.",
    )
    yield _figure("Intervals over time", figures_ecg.tachogram(result), "Colours: class of the beat that ends it.")


def _variability(result: Result) -> Iterator[str]:
    names = catalogue.by_id()
    yield "<h3>Heart rate variability</h3>"
    rows = []
    for code in range(codes.HRV_SDNN, codes.HRV_LF_HF + 1):
        values = result.feature(code)["value"]
        values = values[np.isfinite(values)]
        if len(values):
            unit = names[code].ucum
            number = ".2f" if unit in ("", "1") else ".1f"
            cells = [names[code].en, "" if unit == "1" else unit, f"{np.median(values):{number}}"]
            cells += [f"{values.min():{number}} to {values.max():{number}}", str(len(values))]
            rows.append(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    if not rows:
        reasons = int(np.bitwise_or.reduce(result.feature(codes.HRV_SDNN)["reasons"], initial=0))
        why = ", ".join(catalogue.by_name()[name].en for name in catalogue.reasons(reasons))
        yield f"<p>None could be given{escape(f' ({why})' if why else '')}: it needs a minute of normal beats.</p>"
        return
    yield "<table><tr><th>measure</th><th>unit</th><th>median</th><th>range</th><th>windows</th></tr>"
    yield from rows
    yield "</table><p>Over the last 5 min (fewer at the begin), every 10 s, from normal beats only.</p>"


def _most_blinks(result: Result) -> float:
    apex = result.track.seconds(result.beats["t"])
    if not len(apex):
        return 0.0
    crowd = np.searchsorted(apex, apex + 18) - np.arange(len(apex))
    return float(min(max(apex[int(crowd.argmax())] - 1, 0.0), max(result.track.duration_s - 20, 0.0)))


def _events(results: Results) -> Iterator[str]:
    rows = []
    names = catalogue.by_id()
    for result in results.analysed:
        seconds = result.track.seconds
        for event in result.events:
            onset, end = float(seconds(event["t"])), float(seconds(event["t_end"]))
            until = _clock(end) if np.isfinite(end) else "the end"
            why = ", ".join(catalogue.by_name()[name].en for name in catalogue.reasons(int(event["reasons"])))
            rows.append((onset, result.track.stream, names[int(event["code"])].en, f"{_clock(onset)} to {until}", why))
    if not rows:
        return
    yield "<h2>Events</h2><table><tr><th>when</th><th>signal</th><th>what</th><th>why</th></tr>"
    for _, stream, what, when, why in sorted(rows)[:100]:
        yield f"<tr><td>{when}</td><td>{escape(stream)}</td><td>{escape(what)}</td><td>{escape(why)}</td></tr>"
    yield "</table>"
    if len(rows) > 100:
        yield f"<p>The first 100 of {len(rows)}; all are in events.parquet.</p>"


def _left_out(results: Results) -> Iterator[str]:
    if results.left_out:
        yield "<h2>Left out</h2><table>"
        for track, reason in results.left_out:
            name = f"<b>{escape(track.stream)}</b> {escape(', '.join(track.channels))}"
            yield f"<tr><td>{name}</td><td>{escape(reason)}</td></tr>"
        yield "</table>"


def _figure(title: str, svg: str, caption: str) -> str:
    label = escape(f"{title}. {caption}", quote=True)
    picture = f'<figure role="img" aria-label="{label}">{svg}<figcaption>{escape(caption)}</figcaption></figure>'
    return f"<h3>{escape(title)}</h3>{picture}"


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h" if minutes >= 60 else f"{minutes}:{rest:02} min"
