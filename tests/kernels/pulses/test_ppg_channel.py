"""Tests of one wavelength alone."""

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.kernels.core import codes
from vitalcore.kernels.pulses import ppg_channel
from vitalcore.kernels.pulses.ppg_channel import AC, BASE, DC, N_AC, N_HEAD, N_MISSING
from vitalcore.operator import Signal
from vitalcore.operators.ppg import Ppg

N_RING = 250
PARAMS = Ppg().design(Signal("ppg", Fraction(125))).params


def fed(x: Iterable[float]) -> NDArray[np.float64]:
    memory = np.zeros(N_HEAD + N_RING)
    memory[BASE] = np.nan
    for i, v in enumerate(x):
        ppg_channel.tick(PARAMS, memory, i % N_RING, v)
    return memory


def test_the_level_follows_the_signal_and_is_not_moved_by_what_is_missing() -> None:
    assert fed(np.full(10, 7.0))[DC] == 7.0
    x = 7.0 + np.sin(np.arange(2500) / 10)
    assert fed(x)[DC] == pytest.approx(7.0, abs=0.05)
    assert fed([*x, np.nan, np.inf, 1e300])[DC] == fed(x)[DC]


def test_after_a_gap_the_level_begins_anew() -> None:
    assert fed([*np.full(500, 7.0), *np.full(100, np.nan), 900.0])[DC] == 900.0


def test_alive_and_dead() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=300)
    assert ppg_channel.alive(fed(noise), 125)
    for x in ([*noise, *np.full(250, 1.0)], [*noise, *np.full(250, np.nan)], np.full(250, np.nan)):
        assert ppg_channel.dead(fed(x), 250)
        assert not ppg_channel.alive(fed(x), 125)
        assert not ppg_channel.dead(fed(x[:-1]), 250)


def test_the_mean_around_a_sample_is_numpy_s_and_missing_beyond_the_ring() -> None:
    x = np.random.default_rng(1).normal(size=600)
    memory = fed(x)
    ring = memory[N_HEAD:]
    for at in (360, 420, 590):
        assert ppg_channel.mean_at(ring, 599, 599 % N_RING, at, 4) == pytest.approx(x[at - 4 : at + 5].mean())
    for at in (353, 596):
        assert np.isnan(ppg_channel.mean_at(ring, 599, 599 % N_RING, at, 4))


def test_perfusion_is_swing_over_level() -> None:
    x = np.full(200, 50.0)
    x[100:110] = 51.0
    memory = fed(x)
    for _ in range(2):
        ppg_channel.take_pulse(PARAMS, memory, 199, 199, 105, 90)
    index, reasons = ppg_channel.perfusion(memory)
    assert index == pytest.approx(2.0, rel=0.01)
    assert reasons == 0


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (N_MISSING, 1.0, codes.MISSING),
        (N_AC, 1.0, codes.TOO_FEW_BEATS),
        (AC, -0.1, codes.LOW_PERFUSION),
        (DC, 1.0, codes.NO_DC),
        (DC, -50.0, codes.NO_DC),
    ],
)
def test_what_forbids_a_perfusion_index(place: int, value: float, reason: int) -> None:
    memory = fed(np.full(100, 50.0))
    memory[AC], memory[N_AC] = 1.0, 5.0
    assert ppg_channel.perfusion(memory)[1] == 0
    memory[place] = value
    index, reasons = ppg_channel.perfusion(memory)
    assert np.isnan(index)
    assert reasons == reason


def test_little_perfusion_is_told_beside_its_number() -> None:
    memory = fed(np.full(100, 50.0))
    memory[AC], memory[N_AC] = 0.03, 5.0
    index, reasons = ppg_channel.perfusion(memory)
    assert index == pytest.approx(0.06)
    assert reasons == codes.LOW_PERFUSION
