"""Tests of heart rates as monitors show them."""

import numpy as np
import pytest

from vitalcore.scoring.marks import Marks
from vitalcore.scoring.rates import compare, monitored


def marks(t_s: np.ndarray, **options: object) -> Marks:
    return Marks("x", t_s, np.full(len(t_s), "N"), **options)  # type: ignore[arg-type]  # by name


def test_one_odd_interval_changes_nothing() -> None:
    t_s = np.cumsum([1.0] * 10 + [0.4, 1.6] + [1.0] * 8)
    assert monitored(t_s, np.array([t_s[-1]])) == pytest.approx([60.0])


def test_three_long_intervals_show_the_slow_rate_at_once() -> None:
    t_s = np.cumsum([0.75] * 15 + [1.5] * 4)
    assert monitored(t_s, np.array([t_s[-1]])) == pytest.approx([40.0])


def test_there_is_none_before_the_fifth_beat_and_long_after_the_last() -> None:
    t_s = np.arange(1.0, 11.0)
    assert np.isnan(monitored(t_s, np.array([0.0, 4.5, 16.0]))).all()
    assert np.isfinite(monitored(t_s, np.array([5.0, 14.9]))).all()


def test_rates_of_both_are_compared_each_second() -> None:
    found = compare(marks(np.arange(0, 60, 1.0)), marks(np.arange(0, 60, 0.5)), 30, 100)
    assert np.allclose(found, [60, 120])
    assert len(found) == 29


def test_the_rate_that_was_said_is_taken_where_there_is_one() -> None:
    said = (np.array([40.0, 41.0, 42.0]), np.array([61.0, np.nan, 63.0]))
    found = compare(marks(np.arange(0, 60, 1.0)), marks(np.arange(0, 60, 0.5), rate=said), 30, 100)
    assert found.tolist() == [[60.0, 61.0], [60.0, 63.0]]


def test_nothing_to_compare_is_nothing() -> None:
    assert len(compare(marks(np.empty(0)), marks(np.arange(9.0)), 0, 100)) == 0
