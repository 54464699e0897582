"""Rates follow the monitors' rule and say nothing they don't know."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.kernels.rhythm import rate


def follow(intervals_s: list[float]) -> NDArray[np.float64]:
    out = np.empty((len(intervals_s), 2))
    assert rate.step(np.zeros(1, rate.RATE)[0], np.array(intervals_s), out) == len(intervals_s)
    return out


def naive(intervals_s: list[float]) -> float:
    if len(intervals_s) >= 3 and min(intervals_s[-3:]) > 1.2:
        return 60 / float(np.mean(intervals_s[-3:]))
    last = sorted(intervals_s[-12:])
    return 60 / float(np.mean(last[1:-1] if len(last) > 2 else last))


def test_average_agrees_with_the_sorted_twin_on_random_intervals() -> None:
    rng = np.random.default_rng(1)
    intervals_s = np.clip(rng.lognormal(np.log(0.9), 0.5, 2000), 0.2, 4.4).tolist()
    out = follow(intervals_s)
    expected = [naive(intervals_s[: i + 1]) for i in range(len(intervals_s))]
    np.testing.assert_allclose(out[:, 1], expected, rtol=1e-12)
    np.testing.assert_allclose(out[:, 0], 60 / np.array(intervals_s))


def test_one_early_and_one_late_beat_leave_the_average_alone() -> None:
    assert follow([0.8] * 10 + [0.4, 1.15])[-1, 1] == pytest.approx(75)


def test_slowing_from_80_to_40_shows_with_the_third_slow_beat() -> None:
    out = follow([0.75] * 12 + [1.5] * 3)
    assert out[-1, 1] == pytest.approx(40)


def test_quickening_from_80_to_120_shows_within_6_seconds() -> None:
    assert follow([0.75] * 12 + [0.5] * 11)[-1, 1] == pytest.approx(120)


def test_one_interval_is_enough_for_a_first_value() -> None:
    assert follow([4.0])[0].tolist() == [15, 15]


@pytest.mark.parametrize("broken", [np.nan, np.inf, -1.0, 0.0, 5.0])
def test_an_unknown_or_impossible_interval_begins_anew(broken: float) -> None:
    out = follow([0.5] * 12 + [broken, 1.0])
    assert np.isnan(out[12]).all()
    assert out[13].tolist() == [60, 60]


def test_a_rate_grows_stale() -> None:
    state = np.zeros(1, rate.RATE)[0]
    rate.add(state, 0.8)
    assert rate.averaged(state, 4.9) == rate.instant(state, 4.9) == pytest.approx(75)
    assert np.isnan([rate.averaged(state, 5.1), rate.instant(state, 5.1), rate.averaged(state, np.nan)]).all()


def test_cleared_memory_has_no_rate() -> None:
    state = np.zeros(1, rate.RATE)[0]
    rate.add(state, 0.8)
    rate.clear(state)
    assert np.isnan(rate.averaged(state, 0.0))
