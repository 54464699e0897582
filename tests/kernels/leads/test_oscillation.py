"""Flutter and fibrillation oscillate as a whole; complexes with rest between them, noise, hum and gaps do not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.fixtures.ecg_signals import rhythm
from vitalcore.kernels.leads.oscillation import organised

T_S = np.arange(750) / 125
RNG = np.random.default_rng(3)


def told(x: NDArray[np.float64]) -> bool:
    """The answer for the last 4 s, with the ring turned as in the middle of its life."""
    ring = np.roll(x[-600:], len(x) % 600)
    return bool(organised(ring, len(x) - 1, 500, 1, 125.0))


@pytest.mark.parametrize("hz", [2.0, 3.0, 4.5, 6.0, 8.0])
def test_a_wandering_sine_over_a_baseline_is(hz: float) -> None:
    x = np.sin(2 * np.pi * (hz * T_S + 0.3 * np.sin(2 * np.pi * 0.5 * T_S))) * (1 + 0.4 * np.sin(2 * np.pi * 0.3 * T_S))
    assert told(x + 0.5 * T_S - 40.0)


@pytest.mark.parametrize(
    "x",
    [
        rhythm(125, 6)[1],
        RNG.normal(size=750),
        np.cumsum(RNG.normal(size=750)),
        2 * np.sin(2 * np.pi * 13 * T_S),
        np.sin(2 * np.pi * 0.4 * T_S),
        np.zeros(750),
        np.where(T_S > 5, np.nan, np.sin(2 * np.pi * 4 * T_S)),
    ],
    ids=["rhythm", "white", "random walk", "13 Hz", "baseline", "nothing", "gap"],
)
def test_what_is_no_oscillation_of_the_heart_is_not(x: NDArray[np.float64]) -> None:
    assert not told(x)


def test_before_there_is_enough_there_is_no_answer() -> None:
    assert not organised(np.sin(2 * np.pi * 4 * T_S), 300, 500, 1, 125.0)
