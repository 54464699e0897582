"""Waves are found where they were put."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.kernels.beats import delineate as d
from vitalcore.kernels.models.perceptron import load

WEIGHTS, SHAPE = load("delineation")
T_S = (np.arange(d.N_SNIP) - d.R_AT) * d.GRID_S
WAVES = {"p": (0.12, -0.17, 0.022), "q": (-0.1, -0.025, 0.008), "r": (1.0, 0.0, 0.011), "s": (-0.2, 0.028, 0.009)}
T_WAVE = (0.28, 0.28, 0.045)


def beat(**changed: tuple[float, float, float]) -> NDArray[np.float64]:
    """Sum up waves: height in mV, time against R in s, sigma in s."""
    waves = WAVES | {"t": T_WAVE} | changed
    return np.asarray(sum(a * np.exp(-0.5 * ((T_S - m) / s) ** 2) for a, m, s in waves.values()))


def find(x: NDArray[np.float64], before_s: float = 0.9, after_s: float = 0.0) -> NDArray[np.float64]:
    """Return the times in s against R."""
    s = np.zeros(1, d.SCRATCH)[0]
    s["x"][:] = x
    s["before"], s["after"] = before_s / d.GRID_S, after_s / d.GRID_S
    d.find(WEIGHTS, SHAPE, s)
    return np.asarray((s["times"] - d.R_AT) * d.GRID_S)


@pytest.mark.parametrize("gain", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("offset", [-2.0, 0.0, 1.5])
def test_peaks_and_bounds_lie_where_the_waves_are_whatever_gain_and_offset(gain: float, offset: float) -> None:
    t = find(gain * beat() + offset)
    assert abs(t[d.P_PEAK] + 0.17) < 0.012
    assert abs(t[d.T_PEAK] - 0.28) < 0.016
    # the begin and end of a Gaussian is what a reader takes for it: between 1.3 and 3.4 sigmas from its peak
    for bound, (_, middle, sigma), side in (
        (d.P_ON, WAVES["p"], -1),
        (d.P_OFF, WAVES["p"], 1),
        (d.QRS_ON, WAVES["q"], -1),
        (d.QRS_OFF, WAVES["s"], 1),
        (d.T_OFF, T_WAVE, 1),
    ):
        assert 1.0 * sigma < side * (t[bound] - middle) < 3.6 * sigma, bound
    assert (np.diff(t) > 0).all()


@pytest.mark.parametrize("pr_s", [0.11, 0.14, 0.2, 0.26])
def test_p_is_found_near_and_far(pr_s: float) -> None:
    assert abs(find(beat(p=(0.12, -pr_s, 0.022)))[d.P_PEAK] + pr_s) < 0.015


@pytest.mark.parametrize(("rr_s", "t_s"), [(0.5, 0.2), (0.7, 0.25), (1.0, 0.3), (1.3, 0.36)])
def test_t_is_found_early_and_late(rr_s: float, t_s: float) -> None:
    assert abs(find(beat(t=(0.28, t_s, 0.045)), rr_s)[d.T_PEAK] - t_s) < 0.02


def test_upside_down_the_waves_lie_where_they_were() -> None:
    up, down = find(beat()), find(-beat())
    np.testing.assert_allclose(down[[d.P_PEAK, d.T_PEAK]], up[[d.P_PEAK, d.T_PEAK]], atol=0.016)
    np.testing.assert_allclose(down, up, atol=0.045)


def test_an_inverted_t_is_found() -> None:
    assert abs(find(beat(t=(-0.3, 0.28, 0.045)))[d.T_PEAK] - 0.28) < 0.02


def test_a_wide_complex_is_measured_wide() -> None:
    narrow = find(beat())
    wide = find(beat(q=(0.0, 0.0, 1.0), r=(1.2, -0.01, 0.026), s=(-0.8, 0.06, 0.022), t=(-0.4, 0.33, 0.05)))
    assert narrow[d.QRS_OFF] - narrow[d.QRS_ON] < 0.115
    assert 0.13 < wide[d.QRS_OFF] - wide[d.QRS_ON] < 0.22


def test_noise_moves_the_bounds_little() -> None:
    rng = np.random.default_rng(3)
    clean = find(beat())
    errors = np.array([find(beat() + 0.01 * rng.normal(size=d.N_SNIP)) - clean for _ in range(50)])
    assert (np.median(np.abs(errors), axis=0) < 0.012).all()


def test_smoothing_is_a_mean_of_five() -> None:
    s = np.zeros(1, d.SCRATCH)[0]
    x = np.random.default_rng(4).normal(size=d.N_SNIP)
    s["x"][:] = x
    d.smooth(s)
    np.testing.assert_allclose(s["y"][2:-2], np.convolve(x, np.ones(5) / 5, "valid"))
    assert math.isclose(s["amplitude"], np.ptp(x[d.R_AT - 40 : d.R_AT + 41]) + 1e-3)


def test_the_sharpest_extrema_are_offered_behind_the_peak_said_before() -> None:
    s = np.zeros(1, d.SCRATCH)[0]
    place = np.arange(d.N_SNIP)
    s["x"][:] = 0.3 * np.exp(-0.5 * ((place - 165) / 4) ** 2) - 0.5 * np.exp(-0.5 * ((place - 200) / 4) ** 2)
    d.smooth(s)
    s["times"][:] = (80, 90, 100, 110, 140, 150, 207.5, 230)
    n = d.list_peaks(s, d.T_CHOICE)
    assert s["peaks"][:3].tolist() == [207.5, 200, 165]
    assert 3 <= n <= d.MAX_PEAKS
    assert d.list_peaks(s, d.T_WIDE) == 1
