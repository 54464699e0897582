"""QRS energy: the filter of a slow twin, exact memory, and the weighing of leads."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.fixtures.ecg_signals import rhythm
from vitalcore.kernels.qrs import energy
from vitalcore.operators.ecg import qrs_params

Array = NDArray[np.float64]


class Front:
    """The energy of a signal, run chunk by chunk."""

    def __init__(self, fs_hz: float, n_leads: int = 1) -> None:
        self.params = qrs_params(fs_hz, n_leads)[0]["energy"]
        self.state = np.zeros(1, energy.STATE)[0]
        self.buffer = np.zeros(int(self.params["stride"]) * n_leads)
        energy.begin(self.params, self.state, self.buffer)

    def lead(self, c: int) -> Array:
        stride = int(self.params["stride"])
        return self.buffer[c * stride : (c + 1) * stride]

    def run(self, x: Array) -> Array:
        x = np.ascontiguousarray(x.reshape(len(x), -1))
        made, i = [], 0
        while i < len(x):
            i += energy.take(self.params, self.state, self.buffer, x, i, len(x))
            n = int(self.state["n_fresh"])
            made.append([self.lead(c)[energy.ENERGIES :][:n].copy() for c in range(x.shape[1])])
        return np.concatenate(made, axis=1)


def naive(params: np.void, x: Array) -> Array:
    block, half = int(params["block"]), int(params["n_half"])
    work = x[: len(x) // block * block].reshape(-1, block).mean(axis=1)
    taps = np.concatenate([params["taps"][half:0:-1], params["taps"][: half + 1]])
    rectified = np.abs(np.convolve(work, taps)[: len(work)])
    return np.convolve(rectified, np.full(int(params["n_energy"]), 1 / params["n_energy"]))[: len(work)]


@pytest.mark.parametrize("fs_hz", [100, 125, 150, 187, 250, 313, 360, 500, 1000])
def test_energy_is_that_of_the_slow_twin(fs_hz: int) -> None:
    front = Front(fs_hz)
    x = rhythm(fs_hz, 10)[1]
    made = front.run(x)[0]
    fill = int(2 * front.params["n_half"] + 1 + front.params["n_energy"])
    held = np.concatenate([np.full(fill * int(front.params["block"]), x[0]), x])  # as if it had been there for ever
    np.testing.assert_allclose(made, naive(front.params, held)[fill:], atol=2.0**-26)  # it rounds so far


@pytest.mark.parametrize("fs_hz", [100, 187, 250, 1000])
def test_a_sine_in_the_middle_of_the_band_passes_and_baseline_and_mains_do_not(fs_hz: int) -> None:
    t_s = np.arange(8 * fs_hz) / fs_hz
    for hz, low, high in ((12, 0.55, 0.7), (1, 0, 0.02), (0.3, 0, 0.002), (50, 0, 0.01), (60, 0, 0.03)):
        if 2 * hz < fs_hz:
            made = Front(fs_hz).run(np.sin(2 * np.pi * hz * t_s))[0]
            assert low <= np.median(made) <= high, hz  # the mean of a rectified sine is 0.64


def test_a_glitch_leaves_nothing_behind() -> None:
    x = rhythm(250, 10)[1]
    y = x.copy()
    y[1000:1003] = 9e5
    plain, glitched = Front(250).run(x)[0], Front(250).run(y)[0]
    assert (glitched[500:510] > 1e4).any()
    assert plain[540:].tobytes() == glitched[540:].tobytes()


def test_a_short_gap_is_bridged_and_a_long_one_makes_the_energy_unknown_for_a_while() -> None:
    x = rhythm(250, 10)[1]
    short, long = x.copy(), x.copy()
    short[1000:1010] = np.nan
    long[1000:1100] = np.nan
    assert (Front(250).run(short)[0][30:] >= 0).all()
    made = Front(250).run(long)[0]
    assert (made[30:549] >= 0).all()
    assert (made[550:575] == energy.UNKNOWN).all()
    assert (made[580:] >= 0).all()


def test_usable_leads_are_weighed_so_that_a_qrs_has_the_same_level() -> None:
    front = Front(250, 3)
    for c, (level, noise) in enumerate(((0.3, 0.1), (0.6, 0.1), (0.1, 0.09))):
        front.lead(c)[[energy.LEVEL, energy.NOISE]] = level, noise
    for usable in ((2, 2, 2), (2, 0, 2), (1, 0, 1), (2, 1, 0)):
        for c in range(3):
            front.lead(c)[energy.USABLE] = usable[c]
        energy.weigh(front.params, front.state, front.buffer)
        gains = np.array([front.lead(c)[energy.GAIN] for c in range(3)])
        assert gains @ [0.3, 0.6, 0.1] == pytest.approx(energy.FUSED_LEVEL)
        assert ((gains > 0) == (np.array(usable) == max(usable))).all()
        assert front.state["lead"] == usable.index(max(usable))


def test_one_lead_keeps_its_unit() -> None:
    front = Front(250)
    front.lead(0)[energy.LEVEL] = 0.7
    energy.weigh(front.params, front.state, front.buffer)
    assert front.lead(0)[energy.GAIN] == 1
    assert front.state["floor"] == front.params["floor"]


def test_rings_of_the_buffer_do_not_overlap() -> None:
    for fs_hz in range(100, 1001, 9):
        p = qrs_params(fs_hz, 1)[0]["energy"]
        assert p["n_half"] % 2 == 0
        assert p["n_half"] < energy.MAX_TAPS
        assert p["stride"] >= energy.N_HEAD + p["n_ring"] + 2 * (2 * p["n_half"] + 1) + p["n_energy"]
        assert p["n_ring"] == p["n_back"] + energy.SEGMENT * p["block"]
