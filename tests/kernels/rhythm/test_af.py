"""Atrial fibrillation: found in irregular rhythms without order, not in ordered ones."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.kernels.rhythm import af

Array = NDArray[np.float64]


def odds(rr: Array) -> Array:
    """Give the log-odds after each beat."""
    state = np.zeros(1, af.STATE)[0]
    af.begin(state)
    said = []
    for t, interval_s in zip(np.nancumsum(rr), rr, strict=True):
        af.beat(state, t, interval_s)
        said.append(float(state["log_odds"]))
    return np.array(said)


def fibrillating(n: int, mean: float = 0.7, seed: int = 1) -> Array:
    rng = np.random.default_rng(seed)
    return 0.5 * mean + rng.gamma(6.0, mean / 12, n)


def steady(n: int, mean: float = 0.8, seed: int = 2) -> Array:
    rng = np.random.default_rng(seed)
    return mean * (1 + 0.05 * np.sin(np.arange(n) / 4 * 2 * np.pi) + 0.01 * rng.normal(size=n))


def ordered(n: int) -> Iterator[tuple[str, Array]]:
    rng = np.random.default_rng(3)
    yield "sinus rhythm that breathes", steady(n)
    for name, pattern in (("bigeminy", (0.55, 1.05)), ("trigeminy", (0.8, 0.55, 1.05)), ("four", (0.8, 0.8, 0.5, 1.1))):
        yield name, np.resize(pattern, n) * (1 + 0.01 * rng.normal(size=n))
    early = steady(n)
    early[5::11], early[6::11] = 0.5, 1.1
    yield "early beats", early


@pytest.mark.parametrize("mean", [0.45, 0.7, 1.0])
def test_fibrillation_is_seen_at_any_rate(mean: float) -> None:
    said = odds(fibrillating(200, mean))
    assert np.isnan(said[: af.N_LEAST - 1]).all()
    assert (said[30:] > 0).mean() > 0.95


@pytest.mark.parametrize(("name", "rr"), list(ordered(200)))
def test_order_is_no_fibrillation(name: str, rr: Array) -> None:
    assert (odds(rr)[30:] < 0).all(), name


def test_an_episode_begins_and_ends_near_the_beats_with_which_it_does() -> None:
    rr = np.concatenate([steady(100), fibrillating(100), steady(100)])
    t = np.cumsum(rr)
    state = np.zeros(1, af.STATE)[0]
    af.begin(state)
    on = []
    for time, interval_s in zip(t, rr, strict=True):
        af.beat(state, time, interval_s)
        on.append(int(state["on"]))
    assert np.abs(np.diff(on)).sum() == 2
    assert abs(np.searchsorted(t, state["onset"]) - 100) <= 10
    assert abs(np.searchsorted(t, state["end"]) - 200) <= 10
    assert 100 < on.index(1) <= 100 + af.N_WINDOW


def test_unknown_intervals_are_passed_over() -> None:
    rr = fibrillating(200)
    rr[::5] = np.nan
    assert (odds(rr)[40:] > 0).mean() > 0.9
    assert np.isnan(odds(np.full(100, np.nan))).all()


def test_p_waves_speak_against_fibrillation() -> None:
    state = np.zeros(1, af.STATE)[0]
    af.begin(state)
    rr = fibrillating(200)
    for time, interval_s in zip(np.cumsum(rr), rr, strict=True):
        af.see(state, True)
        af.beat(state, time, interval_s)
    assert state["on"] == 0
    for time, interval_s in zip(np.cumsum(rr) + 1000, rr, strict=True):
        af.see(state, False)
        af.beat(state, time, interval_s)
    assert state["on"] == 1
