"""R times lie between samples, on the dominant extremum, at every rate."""

import numpy as np
import pytest

from vitalcore.fixtures.ecg_signals import wave
from vitalcore.kernels.qrs import rpeak


def locate(fs_hz: float, r_s: float, sign: float = 1.0, off_s: float = 0.02, noise_mv: float = 0.0):  # type: ignore[no-untyped-def]  # a record
    n = round(0.65 * fs_hz)
    t_s = np.arange(2 * n) / fs_hz
    x = sign * wave(t_s, np.array([r_s])) + 0.7 + 0.3 * t_s + noise_mv * np.random.default_rng(3).normal(size=2 * n)
    peak = np.zeros(1, rpeak.PEAK)[0]
    ring = np.roll(x[-n:], 17)  # as a ring stands in the middle of its life
    rpeak.locate(ring, 17, 2 * n - 1, n, fs_hz, (r_s + off_s) * fs_hz, peak)
    return peak


@pytest.mark.parametrize("fs_hz", [100.0, 128.0, 250.0, 360.0, 500.0, 1000.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_r_peak_is_found_between_samples_over_a_sloping_baseline(fs_hz: float, sign: float) -> None:
    for r_s in 0.95 + np.linspace(0, 1 / fs_hz, 7):
        peak = locate(fs_hz, r_s, sign)
        assert peak["t"] / fs_hz == pytest.approx(r_s, abs=0.0006)
        assert np.sign(peak["amplitude"]) == sign
        assert abs(peak["amplitude"]) == pytest.approx(1.0, abs=0.35)
        assert peak["width_s"] == pytest.approx(2 * 1.177 * 0.011, abs=0.012)


def test_noise_moves_the_r_peak_by_little() -> None:
    assert locate(250.0, 0.951, noise_mv=0.05)["t"] / 250 == pytest.approx(0.951, abs=0.004)


def test_where_the_ring_does_not_reach_the_middle_itself_is_the_time() -> None:
    ring = np.zeros(100)
    peak = np.zeros(1, rpeak.PEAK)[0]
    rpeak.locate(ring, 0, 99, 100, 250.0, 5.0, peak)
    assert peak["t"] == 5.0
    assert np.isnan([peak["amplitude"], peak["width_s"]]).all()


def test_a_ramp_has_no_peak() -> None:
    peak = np.zeros(1, rpeak.PEAK)[0]
    rpeak.locate(np.arange(163.0), 0, 162, 163, 250.0, 80.0, peak)
    assert np.isnan(peak["amplitude"])
