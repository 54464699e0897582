from fractions import Fraction

import numpy as np
import pytest
from scipy.signal import butter, iirnotch, lfilter, sosfilt, sosfilt_zi

from vitalcore import Plan, source
from vitalcore.errors import ParameterError
from vitalcore.operator import Operator
from vitalcore.operators.filters import (
    Bandpass,
    Baseline,
    Derivative,
    Fir,
    Highpass,
    LinearPhase,
    Lowpass,
    Notch,
    Resample,
)


def run(operator: Operator, x: np.ndarray, fs_hz: float = 250) -> np.ndarray:
    return Plan(y=source("ecg", fs_hz) | operator).run(ecg=x)["y"][:, 0]


def walk(n: int = 3000) -> np.ndarray:
    return 1000 + np.random.default_rng(0).normal(size=n).cumsum()


NOTCH = np.concatenate(iirnotch(60, 30, fs=250))[None, :]


@pytest.mark.parametrize(
    ("operator", "sections"),
    [
        (Bandpass(0.5, 40), butter(2, [0.5, 40], "bandpass", fs=250, output="sos")),
        (Bandpass(5, 15, order=3), butter(3, [5, 15], "bandpass", fs=250, output="sos")),
        (Lowpass(40), butter(2, 40, fs=250, output="sos")),
        (Highpass(0.5), butter(2, 0.5, "highpass", fs=250, output="sos")),
        (Notch(60), NOTCH),
    ],
)
def test_cascades_are_scipys_from_the_steady_state_of_the_first_sample(
    operator: Operator, sections: np.ndarray
) -> None:
    x = walk()
    expected, _ = sosfilt(sections, x, zi=sosfilt_zi(sections) * x[0])
    np.testing.assert_allclose(run(operator, x), expected, rtol=0, atol=1e-7)  # of 1,000, through a pole at 0.998


def test_a_notch_silences_its_mains() -> None:
    for mains_hz in (50, 60):
        hum = np.sin(2 * np.pi * mains_hz * np.arange(2500) / 250)
        assert np.abs(run(Notch(mains_hz), hum)[1250:]).max() < 1e-3


def test_own_taps_are_convolved_with() -> None:
    x = walk()
    taps = (0.25, 0.5, -0.125)
    np.testing.assert_allclose(run(Fir(taps), x)[2:], lfilter(taps, 1, x)[2:], atol=1e-9)


def test_only_taps_that_delay_all_frequencies_alike_declare_a_delay() -> None:
    signal = source("ecg", 100).signal
    assert Fir((1, 2, 1)).design(signal).output.delay_s == 0.01
    assert Fir((-1, 0, 1)).design(signal).output.delay_s == 0.01
    assert Fir((1, 2, 3)).design(signal).output.delay_s == 0


def test_linear_phase_delays_its_band_by_what_it_declares_and_stops_the_rest() -> None:
    band = LinearPhase(5, 15, transition_hz=2)
    delay = round(band.design(source("ecg", 250).signal).latency_s * 250)
    t = np.arange(5000) / 250
    inside, outside = np.sin(2 * np.pi * 10 * t), np.sin(2 * np.pi * 20 * t)
    assert np.abs(run(band, inside)[3 * delay :] - inside[2 * delay : -delay]).max() < 2e-3
    assert np.abs(run(band, outside)[3 * delay :]).max() < 2e-3


def test_the_derivative_of_a_ramp_is_its_slope() -> None:
    assert run(Derivative(), np.arange(100.0) / 250)[2:] == pytest.approx(1)
    assert Derivative().design(source("ecg", 250, unit="mV").signal).output.unit == "mV/s"


def test_the_baseline_comes_off_after_the_declared_delay() -> None:
    x = np.full(1000, 3.0)
    x[500:505] += 1
    y = run(Baseline(), x)
    assert np.isnan(y[:100]).all()
    assert np.flatnonzero(y[100:]).tolist() == list(range(500, 505))
    assert Plan(y=source("ecg", 250) | Baseline()).latency_s("y") == 0.4


@pytest.mark.parametrize(
    ("fs_hz", "target"), [(360, 250), (250, 360), (Fraction(2500, 21), 100), (100, 100), (500, 50)]
)
def test_resampling_keeps_the_time_of_a_slow_wave(fs_hz: float | Fraction, target: float) -> None:
    node = source("ecg", fs_hz) | Resample(target)
    t = np.arange(3000) / float(fs_hz)
    y = Plan(y=node).run(ecg=np.sin(2 * np.pi * t))["y"][:, 0]
    assert node.signal.fs_hz == target
    assert len(y) == -(-3000 * Fraction(target) // Fraction(fs_hz))
    expected = np.sin(2 * np.pi * (np.arange(len(y)) / target - node.signal.delay_s))
    settled = slice(round(3 * node.signal.delay_s * target), None)
    assert np.abs(y - expected)[settled].max() < 5e-3


def test_delays_of_a_chain_add_up() -> None:
    node = source("ecg", 250) | Baseline() | Resample(125) | Derivative()
    assert node.signal.delay_s == pytest.approx(0.4 + 20 / 250 + 1 / 125)
    assert node.latency_s == pytest.approx(node.signal.delay_s)


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        (Bandpass(0.5, 140), "high_hz is 140 Hz; at fs_hz = 250 it must lie below 125 Hz"),
        (Bandpass(40, 0.5), "low_hz is 40 Hz"),
        (Bandpass(float("nan"), 10), "low_hz is nan Hz"),
        (Bandpass(0.5, 40, order=0), "order is 0"),
        (Highpass(1e-7, order=8), "too near 0"),
        (Lowpass(125), "high_hz is 125 Hz"),
        (Highpass(0), "low_hz is 0 Hz"),
        (Notch(55), "mains_hz is 55 Hz; it must be 50 or 60 Hz"),
        (Notch(50, q=0), "q is 0"),
        (Fir(()), "taps has 0 numbers"),
        (Fir((1, float("inf"))), r"taps\[1\] is not finite"),
        (LinearPhase(None, None, 1), "both None"),
        (LinearPhase(1, 20, 1e-4), "needs"),
        (LinearPhase(1, 20, 0), "transition_hz is 0 Hz"),
        (Baseline(first_s=-1), "first_s is -1 s"),
        (Resample(0), "fs_hz is 0 Hz"),
        (Resample(250.0001), "whose parts must not exceed 10000"),
    ],
)
def test_what_cannot_be_designed_is_refused_by_name_limit_and_value(operator: Operator, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        _ = source("ecg", 250) | operator


def test_mains_above_half_the_rate_is_refused() -> None:
    with pytest.raises(ParameterError, match="mains_hz is 60 Hz; at fs_hz = 100"):
        _ = source("ecg", 100) | Notch(60)


def test_a_variable_rate_is_refused() -> None:
    with pytest.raises(ParameterError, match="needs a fixed rate"):
        _ = source("face", None, 3) | Lowpass(1)
