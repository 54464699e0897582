"""Tests of the measurements of one pulse against shapes whose answer is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.kernels.pulses import pulse_shape


def test_peak_of_a_parabola_is_exact_wherever_it_lies_in_the_ring() -> None:
    for top in (60.0, 71.3, 99.81, 130.5):
        j = np.arange(200)
        ring = np.zeros(100)
        held = j[100:] if top > 110 else j[40:140]
        ring[held % 100] = 5 - 0.01 * (held - top) ** 2
        t, value = pulse_shape.peak(ring, round(top) + 2, 6, 3, held[0], held[-1])
        assert t == pytest.approx(top, abs=1e-9)
        assert value == pytest.approx(5, abs=1e-9)


def test_peak_without_a_top_is_the_highest_sample_looked_at() -> None:
    ring = np.arange(50.0)
    assert pulse_shape.peak(ring, 20, 3, 2, 0, 49) == (23.0, 23.0)
    assert pulse_shape.peak(ring, 20, 3, 2, 20, 21) == (20.0, 20.0)  # too few samples for a fit


def test_foot_is_where_the_steepest_tangent_meets_the_floor() -> None:
    j = np.arange(100.0)
    ring = 2 + np.clip(0.5 * (j - 40.3), 0, 10)
    assert pulse_shape.foot(ring, 50, 8, 3, 2.0, 0, 99) == pytest.approx(40.3, abs=1e-9)
    assert np.isnan(pulse_shape.foot(-ring, 50, 8, 3, 2.0, 0, 99))


def test_slope_and_mean_are_those_of_numpy() -> None:
    ring = np.random.default_rng(0).normal(size=64)
    window = ring[(np.arange(60, 71)) % 64]
    assert pulse_shape.slope_at(ring, 65, 5) == pytest.approx(np.polyfit(np.arange(11), window, 1)[0])
    assert pulse_shape.mean_at(ring, 65, 5, 7, 70) == pytest.approx(window.mean())
    assert pulse_shape.mean_at(ring, 10, 5, 8, 12) == pytest.approx(ring[8:13].mean())


def test_between_samples_the_value_is_interpolated_and_beyond_them_it_stays() -> None:
    ring = np.random.default_rng(1).normal(size=32)
    places = np.linspace(-3, 40, 87)
    values = [pulse_shape.at(ring, t, 2, 30) for t in places]
    assert values == pytest.approx(np.interp(places, np.arange(2, 31), ring[2:31]))


def test_crossing_is_the_first_upward_one_or_none() -> None:
    ring = np.sin(np.arange(100) / 10)
    assert pulse_shape.crossing(ring, 0.5, 40, 99) == pytest.approx(10 * (2 * np.pi + np.arcsin(0.5)), abs=0.01)
    assert np.isnan(pulse_shape.crossing(ring, 2.0, 0, 99))


def test_likeness_is_the_correlation_with_the_mean_of_the_pulses_before() -> None:
    rng = np.random.default_rng(2)
    fs_hz = 1 / pulse_shape.TAP_S  # a tap a sample
    template = np.zeros(pulse_shape.N_TAPS)
    taps: list[NDArray[np.float64]] = []
    shape = np.hanning(pulse_shape.N_TAPS)
    for k in range(5):
        ring = np.zeros(100)
        ring[30 : 30 + len(shape)] = 3 * k + (k + 1) * (shape + 0.1 * rng.normal(size=len(shape)))
        t = 30 + pulse_shape.BEFORE_S * fs_hz
        same = pulse_shape.likeness(ring, t, fs_hz, 0, 99, template, k, 0.6, False)
        mine = ring[30 : 30 + len(shape)] - ring[30 : 30 + len(shape)].mean()
        if k:
            assert same == pytest.approx(np.corrcoef(mine, np.mean(taps, axis=0))[0, 1])
        else:
            assert np.isnan(same)
        taps.append(mine / np.linalg.norm(mine))
        assert template == pytest.approx(np.mean(taps, axis=0))


@pytest.mark.parametrize(("sign", "storm"), [(-1.0, False), (1.0, True)])
def test_what_is_unlike_or_comes_in_a_storm_is_not_mixed_in(sign: float, storm: bool) -> None:
    template = np.hanning(pulse_shape.N_TAPS) - 0.5
    before = template.copy()
    ring = sign * np.concatenate([np.zeros(30), np.hanning(pulse_shape.N_TAPS) + 0.01, np.zeros(49)])
    same = pulse_shape.likeness(ring, 43.0, 50.0, 0, 99, template, 5, 0.6, storm)
    assert same == pytest.approx(sign, abs=0.01)
    assert template.tobytes() == before.tobytes()


def test_a_pulse_without_shape_is_like_nothing() -> None:
    template = np.hanning(pulse_shape.N_TAPS)
    assert np.isnan(pulse_shape.likeness(np.full(100, 7.0), 50.0, 50.0, 0, 99, template, 5, 0.6, False))
