"""Tests of the rate behind a column of times."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitalcore.errors import ReadError
from vitalcore.readers.rate import check_rate, grid, simplest

PATH = Path("x.csv")


@pytest.mark.parametrize("fs_hz", ["125", "360", "500", "62.5", "29.97", "1000", "250"])
def test_even_times_give_the_exact_rate(fs_hz: str) -> None:
    rate = Fraction(fs_hz)
    found = grid(PATH, np.arange(5000) / float(rate) + 1234.5)
    assert found.fs_hz == rate
    assert found.places.tolist() == list(range(5000))


@pytest.mark.parametrize("fs_hz", [100, 125, 250, 360, 500, 512])
def test_times_rounded_to_ms_give_the_exact_rate_and_no_gaps(fs_hz: int) -> None:
    found = grid(PATH, np.round(np.arange(20_000) / fs_hz, 3))
    assert found.fs_hz == fs_hz
    assert found.places[-1] == 19_999


@given(
    fs_hz=st.sampled_from([100, 125, 250, 360]),
    gaps=st.lists(st.tuples(st.integers(50, 1900), st.integers(1, 5000)), max_size=4, unique_by=lambda g: g[0] // 40),
    rounded=st.booleans(),
)
def test_every_missing_row_is_found(fs_hz: int, gaps: list[tuple[int, int]], rounded: bool) -> None:
    places = np.arange(2000)
    for at, lost in gaps:
        places[at:] += lost
    t = places / fs_hz
    found = grid(PATH, np.round(t, 3) if rounded else t)
    assert found.fs_hz == fs_hz
    assert np.array_equal(found.places, places)
    spread = found.spread(np.arange(2000.0))
    assert len(spread) == places[-1] + 1
    assert np.isnan(spread).sum() == len(spread) - 2000
    assert np.array_equal(spread[places], np.arange(2000.0))


def test_stamps_that_come_in_batches_keep_every_row() -> None:
    late = np.repeat(np.arange(500) * 0.04, 10).astype(
        np.float64
    )  # ten samples of 250 Hz with the time at which they arrived
    found = grid(PATH, late)
    assert abs(float(found.fs_hz) / 250 - 1) < 2e-3
    assert found.places[-1] == 4999


@pytest.mark.parametrize(
    ("t", "match"),
    [
        (np.array([0, 1, 2, 1.5, 3]) / 100, "goes back after row 3"),
        (np.array([0, 1, np.nan, 3]) / 100, "row 3 is missing"),
        (np.zeros(10), "don't advance"),
        (np.concatenate([np.arange(50) / 100, np.arange(50) / 100 + 1e6]), "jumps by"),
        (np.cumsum(np.random.default_rng(0).exponential(1.0, 300)), "uneven"),
        (np.arange(100) * 1e-7, "must lie between"),
        (np.arange(100) * 1e4, "must lie between"),
    ],
)
def test_times_without_an_even_line_are_refused(t: np.ndarray, match: str) -> None:
    with pytest.raises(ReadError, match=match):
        grid(PATH, t)


def test_a_stated_rate_must_fit_the_times() -> None:
    t = np.arange(1000) / 249.9
    assert grid(PATH, t, Fraction(250)).fs_hz == 250
    with pytest.raises(ReadError, match=r"--fs says 300 Hz, its times say 249\.9"):
        grid(PATH, t, Fraction(300))


@given(st.fractions(Fraction(1, 100), 10_000, max_denominator=1000))
def test_the_simplest_fraction_is_the_one_meant(rate: Fraction) -> None:
    width = 1e-9 * float(rate)
    found = simplest(float(rate) - width, float(rate) + width)
    assert found.denominator <= rate.denominator
    assert abs(float(found - rate)) <= 2 * width


def test_no_rate_below_or_above_what_signals_have() -> None:
    for rate in (Fraction(0), Fraction(1, 1000), Fraction(200_000)):
        with pytest.raises(ReadError, match="must lie between"):
            check_rate(PATH, rate)


def test_a_recording_that_is_mostly_gaps_is_refused_before_it_takes_memory() -> None:
    burst = np.arange(500) / 250
    t = np.concatenate([burst + k * 80_000 for k in range(20)])  # each gap is shorter than a day
    with pytest.raises(ReadError, match=r"its gaps come to 3[78]\d,\d{3},\d{3} samples, the limit is 20,000,000"):
        grid(PATH, t)


@pytest.mark.parametrize("value", [1e13, -1e300])
def test_a_time_that_no_clock_shows_is_refused(value: float) -> None:
    t = np.arange(100) / 250
    t[7] = value
    with pytest.raises(ReadError, match=r"the time in row 8 is .*; no clock shows that"):
        grid(PATH, t)
