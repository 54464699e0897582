"""Intervals are remembered, and what is usual among them follows the heart and not its leaps."""

import numpy as np

from vitalcore.kernels.beats import beat_rhythm
from vitalcore.kernels.beats.beat_class import STATE


def test_the_median_is_the_lower_one() -> None:
    rng = np.random.default_rng(2)
    for n in range(1, 12):
        values = rng.normal(size=n)
        assert beat_rhythm.middle(values.copy(), n) == np.sort(values)[(n - 1) // 2]


def test_the_last_intervals_are_kept_in_order_of_size() -> None:
    rng = np.random.default_rng(3)
    state = np.zeros(1, STATE)[0]
    intervals = np.round(rng.uniform(0.4, 1.2, 200), 2)  # some of them equal
    for k, rr in enumerate(intervals):
        beat_rhythm.remember(state, float(rr))
        held = intervals[max(0, k + 1 - beat_rhythm.N_INTERVALS) : k + 1]
        np.testing.assert_array_equal(state["sorted"][: len(held)], np.sort(held))


def test_the_steady_interval_follows_a_change_and_no_leap() -> None:
    state = np.zeros(1, STATE)[0]

    def take(rr: float) -> float:
        beat_rhythm.remember(state, rr)
        beat_rhythm.settle(state, rr)
        return float(state["steady_s"])

    steady = 0.0
    for rr in np.linspace(1.0, 0.7, 60):
        steady = take(float(rr))
    assert abs(steady - 0.7) < 0.05
    for _ in range(beat_rhythm.STRAYED - 1):
        assert take(0.4) == steady
    assert take(0.4) == 0.4  # it has lasted long enough to be the rhythm
