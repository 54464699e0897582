"""Findings with their names: views of the one row in which kernels speak."""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import finding as raw
from vitalcore.kernels.core.finding import FINDING

Findings = NDArray[np.void]

_HEAD = [(name, FINDING.fields[name][0].str, FINDING.fields[name][1]) for name in FINDING.names or () if name != "body"]  # type: ignore[index]  # FINDING has fields
_BODY_AT = FINDING.fields["body"][1]  # type: ignore[index]  # as above


def _named(**body: int) -> np.dtype[np.void]:
    places = [*_HEAD, *((name, "<f8", _BODY_AT + 8 * place) for name, place in body.items())]
    names, formats, offsets = zip(*places, strict=True)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": FINDING.itemsize})


BEATS = _named(
    interval_s=raw.INTERVAL_S,
    amplitude=raw.AMPLITUDE,
    width_s=raw.WIDTH_S,
    onset=raw.ONSET,
    end=raw.END,
    completeness=raw.COMPLETENESS,
    label=raw.LABEL,
)
FEATURES = _named(value=raw.VALUE, window_s=raw.WINDOW_S, n_used=raw.N_USED, n_left_out=raw.N_LEFT_OUT)
EVENTS = _named(t_end=raw.T_END, evidence_from=raw.EVIDENCE_FROM, evidence_to=raw.EVIDENCE_TO)

WAVES = _named(
    p_on=raw.P_ON,
    p_peak=raw.P_PEAK,
    p_off=raw.P_OFF,
    qrs_on=raw.QRS_ON,
    qrs_off=raw.QRS_OFF,
    t_on=raw.T_ON,
    t_peak=raw.T_PEAK,
    t_off=raw.T_OFF,
    st_60=raw.ST_60,
    st_80=raw.ST_80,
    rr_s=raw.RR_S,
    label=raw.CLASS,
)
ALARMS = _named(
    t_end=raw.T_END,
    evidence_from=raw.EVIDENCE_FROM,
    evidence_to=raw.EVIDENCE_TO,
    state=raw.STATE,
    priority=raw.PRIORITY,
    latching=raw.LATCHING,
    measured=raw.MEASURED,
    limit=raw.LIMIT,
)


def beats(findings: Findings, code: int | None = None) -> Findings:
    """Pick the beats (of one code: heart beats, pulses or blinks), with their measurements by name."""
    return _pick(findings, raw.BEAT, BEATS, code)


def features(findings: Findings, code: int | None = None) -> Findings:
    """Pick the features (of one code), with their values by name."""
    return _pick(findings, raw.FEATURE, FEATURES, code)


def events(findings: Findings, code: int | None = None) -> Findings:
    """Pick the events (of one code), with their ends and evidence by name."""
    return _pick(findings, raw.EVENT, EVENTS, code)


def waves(findings: Findings, channel: int | None = None) -> Findings:
    """Pick the delineations of heart beats (in one lead), with their boundaries by name."""
    picked = _pick(findings, raw.WAVES, WAVES, None)
    return picked if channel is None else picked[picked["channel"] == channel]


def alarms(findings: Findings, code: int | None = None) -> Findings:
    """Pick what was said of alarms (of one code), with states and limits by name."""
    return _pick(findings, raw.ALARM, ALARMS, code)


def _pick(findings: Findings, what: int, dtype: np.dtype[np.void], code: int | None) -> Findings:
    rows = findings["what"] == what
    if code is not None:
        rows &= findings["code"] == code
    return findings[rows].view(dtype)


_TIMES = {
    raw.BEAT: (raw.ONSET, raw.END),
    raw.EVENT: (raw.T_END, raw.EVIDENCE_FROM, raw.EVIDENCE_TO),
    raw.WAVES: (raw.P_ON, raw.P_PEAK, raw.P_OFF, raw.QRS_ON, raw.QRS_OFF, raw.T_ON, raw.T_PEAK, raw.T_OFF),
    raw.ALARM: (raw.T_END, raw.EVIDENCE_FROM, raw.EVIDENCE_TO),
}


def to_source(findings: NDArray[Any], per_sample: Fraction, delay: float) -> None:
    """Count every time of the findings in samples of the source, in place.

    per_sample : samples of the source a sample of the wave that the findings are about
    delay      : of that wave behind the source, in samples of the source
    """
    findings["t"] = findings["t"] * float(per_sample) - delay
    arrivals = findings["t_known"].astype(np.int64)
    findings["t_known"] = arrivals * per_sample.numerator // per_sample.denominator
    for what, places in _TIMES.items():
        rows = findings["what"] == what
        for place in places:
            findings["body"][rows, place] = findings["body"][rows, place] * float(per_sample) - delay
    rows = (findings["what"] == raw.EVENT) | (findings["what"] == raw.ALARM)
    findings["body"][rows, raw.EVIDENCE_FROM] = np.floor(findings["body"][rows, raw.EVIDENCE_FROM])
    findings["body"][rows, raw.EVIDENCE_TO] = np.ceil(findings["body"][rows, raw.EVIDENCE_TO])


def shift(findings: NDArray[Any], origin: int, since: float = -np.inf, before: int = 0) -> None:
    """Move every time of the findings by `origin` samples, or by `before` where it lies before `since`, in place."""

    def moved(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(t + np.where(t < since, before, origin))

    findings["t"] = moved(findings["t"])
    findings["t_known"] = moved(findings["t_known"])
    for what, places in _TIMES.items():
        rows = findings["what"] == what
        for place in places:
            findings["body"][rows, place] = moved(findings["body"][rows, place])


def empty() -> NDArray[Any]:
    """Return no findings."""
    return np.empty(0, FINDING)
