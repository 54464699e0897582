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
    qt, rr = np.asarray(qt_s, float), np.asarray(rr_s, float)
    low, high = RR_RANGE_S
    return np.asarray(CORRECTIONS[formula](qt, np.where((rr >= low) & (rr <= high), rr, np.nan)))


def intervals_s(waves: NDArray[Any], fs_hz: float) -> dict[str, Array]:
    """Measure delineated beats: pr_s, qrs_s and qt_s, and qtc_<formula>_s; NaN where a boundary is absent.

    waves : rows of `findings.waves`, times in samples of fs_hz
    """
    measured = {
        "pr_s": (waves["qrs_on"] - waves["p_on"]) / fs_hz,
        "qrs_s": (waves["qrs_off"] - waves["qrs_on"]) / fs_hz,
        "qt_s": (waves["t_off"] - waves["qrs_on"]) / fs_hz,
    }
    for formula in FORMULAS:
        measured[f"qtc_{formula}_s"] = qtc_s(measured["qt_s"], waves["rr_s"], formula)
    return measured
