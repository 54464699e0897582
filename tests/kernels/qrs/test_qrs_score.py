"""What speaks for a beat: features without units, and trees that know a QRS, its T wave and a P wave."""

import numpy as np
import pytest

from vitalcore.kernels.qrs import qrs, qrs_score, rpeak
from vitalcore.operators.ecg import qrs_params


def known() -> tuple[np.void, np.void]:
    """A detector that knows beats of energy 0.3 each 0.8 s, the last at work sample 1000."""
    state = np.zeros(1, qrs.STATE)[0]
    state["signal_level"], state["noise_level"], state["rr_level"] = 0.3, 0.04, 100
    state["slope_level"], state["amplitude_level"] = 0.2, 1.0
    state["last_w"], state["last_energy"], state["last_slope"] = 1000, 0.3, 0.2
    state["n_signal"], state["trust"], state["mean"], state["dip"] = 20, 0.98, 0.06, 0.004
    state["fused"][:] = 0.02
    return qrs_params(250, 1)[0], state


def peak_at(w: int, part: float) -> np.void:
    peak = np.zeros(1, rpeak.PEAK)[0]
    peak["w"], peak["t"], peak["width_s"] = w, 2 * w, 0.03
    peak["energy"], peak["slope"], peak["amplitude"] = 0.3 * part, 0.2 * part, part
    return peak


@pytest.mark.parametrize(("w", "part", "alike", "beat"), [(1100, 1.0, 0.98, True), (1035, 0.25, 0.3, False)])
def test_a_complex_like_the_others_is_a_beat_and_a_t_wave_is_not(w: int, part: float, alike: float, beat: bool) -> None:
    params, state = known()
    state["likeness"]["r"][0] = alike
    assert (qrs_score.at_once(params, state, peak_at(w, part)) > 0) == beat


def test_a_copy_of_the_usual_complex_is_a_beat_however_early() -> None:
    params, state = known()
    state["likeness"]["r"][0] = 0.99
    assert qrs_score.at_once(params, state, peak_at(1025, 1.0)) > 5


def test_features_know_no_unit() -> None:
    params, state = known()
    one, ten = peak_at(1090, 0.7), peak_at(1090, 0.7)
    qrs_score.describe(params, state, one)
    for name in ("signal_level", "noise_level", "slope_level", "amplitude_level", "last_energy", "last_slope"):
        state[name] *= 10
    for name in ("mean", "dip"):
        state[name] *= 10
    state["fused"][:] *= 10
    for name in ("energy", "slope", "amplitude"):
        ten[name] *= 10
    qrs_score.describe(params, state, ten)
    np.testing.assert_allclose(ten["x"], one["x"], rtol=1e-12)


def test_features_are_finite_when_nothing_is_known() -> None:
    params, state = qrs_params(250, 1)[0], np.zeros(1, qrs.STATE)[0]
    state["rr_level"] = 100
    peak = peak_at(10, 1e-12)
    peak["width_s"] = peak["amplitude"] = np.nan
    qrs_score.describe(params, state, peak)
    assert np.isfinite(peak["x"]).all()


def test_a_rejected_complex_in_the_middle_of_a_double_gap_is_a_beat_after_all() -> None:
    params, state = known()
    state["likeness"]["r"][0] = 0.9
    peak = peak_at(1100, 0.4)
    peak["score"] = qrs_score.at_once(params, state, peak)
    state["w"] = 1230
    assert qrs_score.looking_back(params, state, peak, 1200) > 0
