"""Complexes of one kind are alike at any gain and at small shifts; another kind is not, and does not take its place."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.fixtures.ecg_signals import wave
from vitalcore.kernels.qrs import energy, likeness
from vitalcore.operators.ecg import qrs_params

Array = NDArray[np.float64]


class Bench:
    """The band-pass of a signal and what is remembered of complexes in it."""

    def __init__(self, fs_hz: float = 250, n_leads: int = 1) -> None:
        self.params = qrs_params(fs_hz, n_leads)[0]["energy"]
        self.front = np.zeros(1, energy.STATE)[0]
        self.buffer = np.zeros(int(self.params["stride"]) * n_leads)
        self.state = np.zeros(1, likeness.STATE)[0]
        energy.begin(self.params, self.front, self.buffer)

    def show(self, x: Array, middle_s: float, learn: bool = False) -> float:
        """Take 0.4 s of signal with a complex in it; returns its likeness to the usual kind."""
        work_hz = self.params["fs_hz"] / self.params["block"]
        begun = self.front["n_taken"] // self.params["block"]
        i = 0
        while i < len(x):
            i += energy.take(self.params, self.front, self.buffer, x, i, len(x))
        middle_w = int(begun + middle_s * work_hz) + int(self.params["n_half"])
        likeness.compare(self.params, self.front, self.state, self.buffer, middle_w)
        r = float(self.state["r"][self.state["usual"]])
        if learn:
            likeness.learn(self.params, self.front, self.state, self.buffer, middle_w)
        return r


def narrow(fs_hz: float, gain: float = 1.0, late_s: float = 0.0, n_leads: int = 1) -> Array:
    t_s = np.arange(int(0.4 * fs_hz)) / fs_hz
    x = gain * wave(t_s, np.array([0.2 + late_s]))
    return np.column_stack([x * (1 if c == 0 else -0.4) for c in range(n_leads)])


def wide(fs_hz: float) -> Array:
    t_s = np.arange(int(0.4 * fs_hz)) / fs_hz - 0.2
    return np.ascontiguousarray((-1.5 * np.sin(2 * np.pi * 4 * t_s) * np.exp(-((t_s / 0.1) ** 2)))[:, None])


@pytest.mark.parametrize("fs_hz", [100, 187, 250, 360, 1000])
@pytest.mark.parametrize("n_leads", [1, 2, 12])
def test_the_same_complex_is_alike_at_any_gain_and_small_shift(fs_hz: float, n_leads: int) -> None:
    bench = Bench(fs_hz, n_leads)
    assert bench.show(narrow(fs_hz, n_leads=n_leads), 0.2, learn=True) == 0
    for gain, late_s in ((1, 0), (0.2, 0.01), (5, -0.01)):
        assert bench.show(narrow(fs_hz, gain, late_s, n_leads), 0.2, learn=True) > 0.9
    assert bench.show(-narrow(fs_hz, n_leads=n_leads), 0.2) < 0.6


def test_another_kind_is_remembered_beside_the_usual_and_becomes_it_when_it_stays() -> None:
    bench = Bench()
    for _ in range(5):
        bench.show(narrow(250), 0.2, learn=True)
    assert bench.show(wide(250), 0.2, learn=True) < 0.8
    bench.show(wide(250), 0.2)
    assert bench.state["r"][1 - bench.state["usual"]] > 0.95
    assert bench.show(narrow(250), 0.2) > 0.95
    assert [bench.show(wide(250), 0.2, learn=True) for _ in range(30)][-1] > 0.95


def test_an_empty_memory_knows_nothing() -> None:
    bench = Bench()
    bench.show(narrow(250), 0.2, learn=True)
    likeness.forget(bench.state)
    assert bench.show(narrow(250), 0.2) == 0


def test_a_silent_lead_is_like_nothing() -> None:
    bench = Bench()
    bench.show(narrow(250), 0.2, learn=True)
    bench.show(np.zeros((100, 1)), 0.2)
    assert bench.show(np.zeros((100, 1)), 0.2) == 0
