"""What QRS detection remembers: medians of the last beats, and the peaks for a look back."""

import numpy as np
import pytest

from vitalcore.kernels.qrs import qrs
from vitalcore.kernels.qrs import qrs_levels as levels
from vitalcore.kernels.qrs.rpeak import PEAK
from vitalcore.operators.ecg import qrs_params


def test_only_peaks_after_a_time_are_kept_in_their_order() -> None:
    state = np.zeros(1, qrs.STATE)[0]
    for k, w in enumerate((3, 9, 5, 12)):
        state["weak"][k]["w"] = w
        state["weak"][k]["energy"] = 10 * w
    state["n_weak"] = 4
    levels.forget_until(state, 5)
    assert state["n_weak"] == 2
    assert [(p["w"], p["energy"]) for p in state["weak"][:2]] == [(9, 90), (12, 120)]


def test_beats_make_the_levels_and_one_odd_beat_does_not_move_them() -> None:
    params, state = qrs_params(250, 1)[0], np.zeros(1, qrs.STATE)[0]
    peak = np.zeros(1, PEAK)[0]
    for k in range(12):
        peak["w"], peak["t"] = 100 * k, 200.0 * k
        peak["energy"], peak["slope"], peak["amplitude"] = (3, 30, -9) if k == 9 else (0.3, 0.1, 1.0)
        interval_s = levels.remember(params, state, peak, True)
        assert np.isnan(interval_s) if k == 0 else interval_s == pytest.approx(0.8)
    assert state["signal_level"] == 0.3
    assert state["slope_level"] == 0.1
    assert state["amplitude_level"] == 1.0
    assert state["rr_level"] == 100
    assert state["irregularity"] == 0
