"""Intervals of the ECG: PR, QRS, QT, and QT corrected for the heart rate by named formulas."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ParameterError

Array = NDArray[np.float64]

# of QT and RR in s, numbers or arrays
CORRECTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "bazett": lambda qt, rr: qt / rr**0.5,
    "fridericia": lambda qt, rr: qt / rr ** (1 / 3),
    "framingham": lambda qt, rr: qt + 0.154 * (1 - rr),
    "hodges": lambda qt, rr: qt + 0.00175 * (60 / rr - 60),
}
FORMULAS = tuple(CORRECTIONS)
RR_RANGE_S = (60 / 350, 60 / 15)  # outside it a correction means nothing


def qtc_s(qt_s: Any, rr_s: Any, formula: str) -> Array:
    """Correct QT for the interval before the beat; NaN where one of them is missing or RR is no heart's.

    qt_s, rr_s : s
    formula    : bazett      QT / RR^(1/2)
                 fridericia  QT / RR^(1/3)
                 framingham  QT + 0.154 s (1 - RR)
                 hodges      QT + 0.00175 s (60/RR - 60)

    Errors: ParameterError

    Source: H. Bazett, Heart 7 (1920) 353; L. Fridericia, Acta Med. Scand. 53 (1920) 469; A. Sagie et al., Am. J.
    Cardiol. 70 (1992) 797; M. Hodges et al., J. Am. Coll. Cardiol. 1 (1983) 694.
    """
    if formula not in CORRECTIONS:
        raise ParameterError(f"formula is {formula!r}; it must be one of {', '.join(FORMULAS)}")
    return np.asarray(CORRECTIONS[formula](np.asarray(qt_s, float), _heart(np.asarray(rr_s, float))))


def intervals_s(waves: NDArray[Any], fs_hz: float) -> dict[str, Array]:
    """Measure delineated beats: pr_s, qrs_s and qt_s, and qtc_<formula>_s; NaN where a boundary is absent.

    waves : rows of `findings.waves`, times in samples of fs_hz
    """
    rr_s = _heart(waves["rr_s"])
    return measured_s(waves["p_on"], waves["qrs_on"], waves["qrs_off"], waves["t_off"], rr_s, fs_hz)


def measured_s(p_on: Any, qrs_on: Any, qrs_off: Any, t_off: Any, rr_s: Any, fs_hz: float) -> dict[str, Any]:
    """Measure as `intervals_s`, numbers or arrays; rr_s must be NaN where it is no heart's."""
    qt_s = (t_off - qrs_on) / fs_hz
    return {
        "pr_s": (qrs_on - p_on) / fs_hz,
        "qrs_s": (qrs_off - qrs_on) / fs_hz,
        "qt_s": qt_s,
        **{f"qtc_{formula}_s": correct(qt_s, rr_s) for formula, correct in CORRECTIONS.items()},
    }


def _heart(rr_s: Any) -> Array:
    low, high = RR_RANGE_S
    return np.where((rr_s >= low) & (rr_s <= high), rr_s, np.nan)
