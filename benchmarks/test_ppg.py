"""Speed of the pulse detector and of the PPG chain, alone and in a table of streams."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from vitalcore.kernels import ppg
from vitalcore.kernels.finding import FINDING
from vitalcore.plan import source
from vitalcore.ppg import Ppg, Pulses

FS_HZ = 125
STREAMS = 1000


def wave(n: int) -> NDArray[np.float64]:
    """A pulse and its reflection at 75 a minute, with a little noise."""
    t_s = np.arange(n) / FS_HZ % 0.8
    clean = np.exp(-0.5 * ((t_s - 0.2) / 0.07) ** 2) + 0.4 * np.exp(-0.5 * ((t_s - 0.42) / 0.09) ** 2)
    return (100 + clean + 0.01 * np.random.default_rng(0).normal(size=n))[:, None]


@pytest.mark.parametrize("n", [10, 250, 3600 * FS_HZ])
def test_detector(benchmark: BenchmarkFixture, n: int) -> None:
    design = Pulses().design(source("ppg", FS_HZ).signal)
    assert design.capacity is not None
    state, buffer = design.memory
    benchmark(design.kernel, design.params, state[0], buffer, wave(n), np.zeros(design.capacity(n), FINDING))


@pytest.mark.parametrize("n", [10, 250, 3600 * FS_HZ])
def test_chain(benchmark: BenchmarkFixture, n: int) -> None:
    design = Ppg().design(source("ppg", FS_HZ).signal)
    assert design.capacity is not None
    (state, buffer), x = design.memory, wave(n)
    out = np.zeros(design.capacity(n), FINDING)
    benchmark(design.kernel, design.params, state[0], buffer, x, np.empty_like(x), out)


@pytest.mark.parametrize("n", [10, 250])
def test_chain_in_a_table_of_1000(benchmark: BenchmarkFixture, n: int) -> None:
    design = Ppg().design(source("ppg", FS_HZ).signal)
    assert design.capacity is not None
    states = np.repeat(design.memory[0], STREAMS)
    buffers = np.repeat(design.memory[1][None, :], STREAMS, axis=0)
    params = np.repeat(np.array([design.params]), STREAMS)
    x = np.tile(wave(n), (STREAMS, 1))
    out = np.zeros(STREAMS * design.capacity(n), FINDING)
    slots, offsets = np.arange(STREAMS), np.arange(STREAMS + 1) * n
    benchmark(ppg.step_many, params, states, buffers, slots, offsets, x, np.empty_like(x), out)
