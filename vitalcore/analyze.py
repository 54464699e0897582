"""One recording through the chain of each of its signals."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore import findings as named
from vitalcore.alarms import limits_of, with_witnesses
from vitalcore.errors import NoSignalError, ParameterError
from vitalcore.findings import Findings
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import ALARM
from vitalcore.operator import Operator
from vitalcore.plan import Plan, source
from vitalcore.readers.recording import Recording, Track

SOUND = 0.5  # quality from which a beat is taken into statistics
_N_POINTS = {68: "ibug68", 468: "mp468", 478: "mp478"}


@dataclass(frozen=True, eq=False)
class Result:
    """Hold what was found in one track.

    findings  : rows of kernels.core.finding.FINDING, times in samples, or in ns at a variable rate
    wave      : the cleaned wave beside the track's samples; None where the operator has none
    latency_s : nothing about time t was said after t + latency_s
    """

    track: Track
    operator: Operator
    findings: Findings
    wave: NDArray[np.float64] | None
    wave_channels: tuple[str, ...]
    latency_s: float

    @property
    def beats(self) -> Findings:
        """Heart beats, pulses or blinks, in order of time."""
        found = named.beats(self.findings)
        found = found[found["code"] != codes.PACER_PULSE]
        return found[np.argsort(found["t"], kind="stable")]

    @property
    def pacer_pulses(self) -> Findings:
        """Pulses of a pacemaker, in order of time."""
        return named.beats(self.findings, codes.PACER_PULSE)

    @property
    def sound_intervals_s(self) -> NDArray[np.float64]:
        """Intervals to the beat before, where both are more likely right than not; NaN elsewhere."""
        beats = self.beats
        sound = beats["quality"] >= SOUND
        return np.where(sound & np.r_[False, sound[:-1]], beats["interval_s"], np.nan)

    @property
    def events(self) -> Findings:
        """Events, each once: with its end if it had one, and with the time at which it was first said."""
        found = named.events(self.findings)
        first: dict[tuple[int, int, float], int] = {}
        last: dict[tuple[int, int, float], int] = {}
        for k, row in enumerate(found):
            key = (int(row["code"]), int(row["channel"]), float(row["t"]))
            first.setdefault(key, k)
            last[key] = k
        out = found[list(last.values())].copy()
        begins = found[[first[key] for key in last]]
        out["t_known"] = begins["t_known"]
        out["reasons"] |= begins["reasons"]
        return out

    @property
    def alarms(self) -> Findings:
        """Alarms, each once: as last said, with the time at which it was first said."""
        found = named.alarms(self.findings)
        first: dict[tuple[int, float], int] = {}
        last: dict[tuple[int, float], int] = {}
        for k, row in enumerate(found):
            key = (int(row["code"]), float(row["t"]))
            first.setdefault(key, k)
            last[key] = k
        out = found[list(last.values())].copy()
        out["t_known"] = found["t_known"][[first[key] for key in last]]
        return out

    def feature(self, code: int, channel: int | None = None) -> Findings:
        """Pick one feature (of one channel) in order of time."""
        found = named.features(self.findings, code)
        return found if channel is None else found[found["channel"] == channel]


@dataclass(frozen=True, eq=False)
class Results:
    """Hold what was found in a recording, and why the other tracks were left out."""

    recording: Recording
    analysed: tuple[Result, ...]
    left_out: tuple[tuple[Track, str], ...] = ()


def analyze(recording: Recording, operators: Mapping[str, Operator] | None = None) -> Results:
    """Run each track through the chain of its signal.

    operators : by kind of signal, in place of the usual ones: Ecg(), Ppg() also for pressure, Face(), Blinks()

    Errors: NoSignalError where there is no track to analyse, saying why for each.
    """
    analysed: list[Result] = []
    left_out: list[tuple[Track, str]] = []
    for track in recording.tracks:
        reason = why_not(track)
        if reason is None:
            try:
                analysed.append(_run(track, (operators or {}).get(track.kind) or operator_for(track)))
            except ParameterError as error:  # such as a rate that the chain doesn't take
                reason = str(error)
        if reason is not None:
            left_out.append((track, reason))
    if not analysed:
        streams: dict[str, list[str]] = {}
        for track, reason in left_out:
            streams.setdefault(reason, []).append(track.stream)
        reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in streams.items()) or "no tracks"
        raise NoSignalError(f"{recording.name}: nothing to analyse ({reasons})")
    return Results(recording, tuple(_witnessed(analysed)), tuple(left_out))


def _witnessed(analysed: list[Result]) -> Iterator[Result]:
    """Let the pulses of the other tracks speak where an ECG's alarms are judged."""
    from vitalcore.operators.ecg import Ecg

    pulses = [
        (result.findings, float(result.track.fs_hz))
        for result in analysed
        if result.track.kind in ("ppg", "abp") and result.track.fs_hz is not None
    ]
    for result in analysed:
        if pulses and isinstance(result.operator, Ecg) and result.track.fs_hz is not None:
            limits = limits_of(result.operator.limits)
            judged = with_witnesses(result.findings, float(result.track.fs_hz), limits, pulses)
            others = result.findings[result.findings["what"] != ALARM]
            found = np.concatenate([others, judged])
            yield replace(result, findings=found[np.argsort(found["t_known"], kind="stable")])
        else:
            yield result


def why_not(track: Track) -> str | None:
    """Tell why a track isn't analysed; None: it is."""
    if track.kind == "other":
        return "not a signal that is analysed; if it is one, state it with --signal and --column"
    if track.kind == "resp":
        return "respiration is read but not analysed yet"
    if not np.isfinite(track.values).any():
        return "every sample is missing"
    return None


def operator_for(track: Track) -> Operator:
    """Choose the chain of a signal."""
    if track.kind == "ecg":
        from vitalcore.operators.ecg import Ecg

        return Ecg()
    if track.kind in ("ppg", "abp"):  # an arterial pressure is a pulse wave too
        from vitalcore.operators.ppg import Ppg

        return Ppg()
    from vitalcore.operators.face import Blinks, Face

    if track.kind == "ear":
        return Blinks()
    return Face(schema=_N_POINTS[_n_points(track)])


def _n_points(track: Track) -> int:
    return len({channel[1:] for channel in track.channels})


def _run(track: Track, operator: Operator) -> Result:
    channels, x = track.channels, track.samples
    if track.kind == "face" and track.times_ns is not None:
        from vitalcore.operators.face import frames

        n_points = _n_points(track)
        x = frames(track.times_ns, track.values.reshape(track.n_samples, n_points, -1))
        channels = tuple(f"{axis}{k}" for k in range(n_points) for axis in "xyz")
    node = source(track.kind, track.fs_hz, channels, track.unit) | operator
    outputs = {"findings": node}
    has_wave = node.step is not None and node.step.design.wave is not None
    if has_wave:
        outputs["wave"] = node.wave
    out: dict[str, NDArray[Any]] = Plan(**outputs).run(**{track.kind: x})
    found = out["findings"]
    if track.kind == "abp":
        found = found[found["code"] != codes.PERFUSION_INDEX]  # a pressure has none
    wave = out.get("wave")
    names = node.wave.signal.channels if has_wave else ()
    return Result(track, operator, found, wave, names, node.latency_s)
