"""Clocks: exact fractions, jitter smoothed, steps told."""

from fractions import Fraction

import numpy as np

from vitalcore.clock import NS, Clock

T0 = 1_700_000_000 * NS


def test_times_of_a_fractional_rate_are_exact_after_a_day() -> None:
    clock = Clock(Fraction(125, 2))
    clock.update(0, T0)
    assert clock.t_ns(86_400 * 62 + 43_200) == T0 + 86_400 * NS


def test_a_place_between_two_samples_has_its_time() -> None:
    clock = Clock(Fraction(250))
    clock.update(0, T0)
    assert clock.t_ns(1.5) == T0 + 6_000_000


def test_before_any_time_stamp_time_counts_from_the_start() -> None:
    assert Clock(Fraction(250)).t_ns(250) == NS


def test_jitter_of_time_stamps_is_smoothed() -> None:
    clock = Clock(Fraction(250))
    jitter = np.random.default_rng(3).normal(0, 5e6, 2000).astype(int)
    for k, late in enumerate(jitter.tolist()):
        assert clock.update(10 * k, T0 + 40_000_000 * k + late) == 0
    assert abs(clock.t_ns(0) - T0) < 2_000_000


def test_a_step_is_told_and_followed_at_once() -> None:
    clock = Clock(Fraction(250))
    clock.update(0, T0)
    assert clock.update(250, T0 + NS + 3600 * NS) == 3600 * NS
    assert clock.t_ns(250) == T0 + NS + 3600 * NS
    assert clock.update(500, T0 + 2 * NS) == -3600 * NS
