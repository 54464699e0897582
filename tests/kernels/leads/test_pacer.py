"""Pacemaker pulses: found, measured, taken out, and told from what the heart and its surroundings make."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from vitalcore.fixtures.ecg import ec13
from vitalcore.fixtures.ecg_signals import beats, run, signal, splits
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import AMPLITUDE, WIDTH_S
from vitalcore.operators.ecg import PACER_LATENCY_S, PacerPulses

Floats = NDArray[np.float64]


def take_out(x: Floats, fs_hz: float) -> tuple[Any, Floats]:
    x = x.reshape(len(x), -1)
    return run(PacerPulses().design(signal(fs_hz, x.shape[1])), [x])


def paced(
    fs_hz: int, mv: float, width_s: float, second_s: float = 0.0, filtered: bool = False, overshoot: float = 0.0
) -> tuple[Floats, Floats, Floats, Floats]:
    """Make paced beats of 70 /min: the samples, the same without pulses, pulse times and R times.

    filtered : the converter has a filter of 0.27 fs; without, it averages over each sample. Its range is 10 mV.
    """
    wave = ec13.steady(fs_hz, 70, 12, t_mv=0.2)
    x, fine = np.zeros_like(wave.x), 40 if filtered else 1
    onsets = wave.r_s[1:] - 0.04375 - width_s - 0.004
    pulses = np.sort(np.r_[onsets, onsets - second_s] if second_s else onsets)
    for at_s in pulses:
        k = int(at_s * fs_hz) - 2
        pulse = ec13.pacer(fs_hz * fine, 300 * fine, at_s - k / fs_hz, mv, width_s, overshoot, 0.03)
        if filtered:
            pulse = sosfilt(butter(3, 0.27 * fs_hz, fs=fs_hz * fine, output="sos"), pulse)[::fine]
        x[k : k + 300] += pulse[: len(x) - k]
    noise = 0.006 * np.random.default_rng(0).normal(size=len(x))
    return np.clip(wave.x + x, -10, 10) + noise, wave.x, pulses, wave.r_s


@pytest.mark.parametrize("fs_hz", [500, 1000])
@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("second_s", [0.0, 0.15, 0.25])
@pytest.mark.parametrize("width_s", [0.0005, 0.001, 0.002])
def test_pulses_of_every_size_and_sign_are_found_and_never_counted(
    fs_hz: int, filtered: bool, second_s: float, width_s: float
) -> None:
    """Standards ask for 2 to 700 mV of either sign and 0.1 to 2 ms; what a converter leaves must reach 0.35 mV."""
    for mv in (2.0, -2.0, 10.0, -10.0, 100.0, -700.0, 700.0):
        x, clean, pulses, r_s = paced(fs_hz, mv, width_s, second_s, filtered)
        if np.abs(x - clean).max() < 0.35:
            continue
        found, y = take_out(x, fs_hz)
        assert len(found) == len(pulses), mv
        np.testing.assert_allclose(found["t"] / fs_hz, pulses + width_s / 2, atol=0.008)  # the ringing of 700 mV
        right = np.sign(found["body"][:, AMPLITUDE]) == np.sign(mv)
        assert right.all() if abs(mv) < 700 else right.mean() > 0.9  # clipped ringing hides the sign of some
        assert (found["quality"][1:] == 1).all()
        assert ((found["t_known"] - found["t"]) / fs_hz <= PACER_LATENCY_S).all()
        assert np.abs(y[:, 0] - clean).max() < 0.65, mv  # of an amplifier that rings
        assert len(beats(y[:, 0], fs_hz)) <= len(r_s)


@pytest.mark.parametrize("fs_hz", [500, 1000])
@pytest.mark.parametrize("mv", [10.0, -100.0])
def test_what_a_pulse_leaves_behind_is_taken_off(fs_hz: int, mv: float) -> None:
    x, clean, pulses, _ = paced(fs_hz, mv, 0.002, overshoot=2 / abs(mv))
    found, y = take_out(x, fs_hz)
    assert len(found) == len(pulses)
    assert np.abs(x - clean).max() > 2
    assert np.abs(y[:, 0] - clean).max() < 0.7


def test_height_and_width_are_those_of_the_samples() -> None:
    x, _, _, _ = paced(1000, 5.0, 0.002)
    found, _ = take_out(x, 1000)
    assert np.median(found["body"][:, AMPLITUDE]) == pytest.approx(5, rel=0.05)
    assert np.median(found["body"][:, WIDTH_S]) == pytest.approx(0.002, rel=0.2)


@pytest.mark.parametrize("fs_hz", [500, 1000])
@pytest.mark.parametrize("width_s", [0.04, 0.07, 0.12])
@pytest.mark.parametrize("mv", [0.5, 5.0])
def test_a_qrs_is_no_pulse(fs_hz: int, width_s: float, mv: float) -> None:
    x = ec13.steady(fs_hz, 80, 20, mv, width_s).x + 0.005 * np.random.default_rng(1).normal(size=20 * fs_hz)
    found, y = take_out(x, fs_hz)
    assert len(found) == 0
    assert np.abs(y[:, 0] - x).max() < 0.7 * mv


@pytest.mark.parametrize("fs_hz", [500, 1000])
def test_noise_muscle_and_mains_are_no_pulses(fs_hz: int) -> None:
    rng = np.random.default_rng(2)
    t_s = np.arange(120 * fs_hz) / fs_hz
    for mv in (0.01, 0.1, 0.5):
        found = take_out(mv * rng.normal(size=len(t_s)), fs_hz)[0]
        assert len(found) <= 2
        assert (found["quality"] < 0.5).all()
    bursts = 0.4 * rng.normal(size=len(t_s)) * (t_s % 5 < 1) + 0.01 * rng.normal(size=len(t_s))
    assert len(take_out(bursts, fs_hz)[0]) == 0
    mains = 0.5 * np.sin(2 * np.pi * 50 * t_s) * (t_s % 7 < 3)
    assert len(take_out(mains, fs_hz)[0]) == 0


def test_a_step_and_a_gap_are_no_pulses() -> None:
    x = 0.005 * np.random.default_rng(3).normal(size=10_000)
    x[2000:] += 3.0
    x[4000:] -= 8.0
    x[6000:6003] = np.nan
    x[7000:7500] = np.nan
    x[7500:] += 4.0
    found, y = take_out(x, 1000)
    assert len(found) == 0
    np.testing.assert_array_equal(np.isnan(y[:, 0]), np.isnan(x))


def test_of_many_leads_two_must_show_it() -> None:
    x, _, pulses, _ = paced(500, 4.0, 0.001)
    rng = np.random.default_rng(4)
    others = [0.005 * rng.normal(size=len(x)) for _ in range(2)]
    alone, _ = take_out(np.column_stack([x, *others]), 500)
    assert len(alone) == 0
    both, _ = take_out(np.column_stack([0.5 * x, x, others[0]]), 500)
    assert len(both) == len(pulses)
    assert (both["channel"] == 1).all()
    assert (both["code"] == codes.PACER_PULSE).all()


def test_a_pulse_without_another_is_doubtful() -> None:
    x = 0.005 * np.random.default_rng(5).normal(size=5000)
    x[2500] += 0.5
    found, _ = take_out(x, 500)
    assert len(found) == 1
    assert found["quality"][0] < 0.5
    assert found["reasons"][0] == codes.SPIKES


@pytest.mark.parametrize("n_leads", [1, 3])
def test_any_split_gives_the_same_findings_and_wave(n_leads: int) -> None:
    x, _, _, _ = paced(500, 4.0, 0.001, 0.15, overshoot=0.1)
    many = np.column_stack([x * (1 - 0.3 * k) for k in range(n_leads)])
    many[3000:3100, 0] = np.nan
    design = PacerPulses().design(signal(500, n_leads))
    whole = [part.tobytes() for part in run(design, [many])]
    rng = np.random.default_rng(6)
    for _ in range(50):
        assert [part.tobytes() for part in run(design, np.split(many, splits(len(many), rng, 12)))] == whole
    assert [part.tobytes() for part in run(design, np.split(many, len(many)))] == whole


def test_real_paced_and_unpaced_records(data: Path) -> None:
    """LUDB 45 and 95 are paced and show it; in the unpaced ones here no pulse is sure."""
    wfdb = pytest.importorskip("wfdb")
    for name, least in (("45", 8), ("95", 6)):
        found, _ = take_out(wfdb.rdrecord(str(data / "ludb" / name)).p_signal, 500)
        assert (found["quality"] == 1).sum() >= least - 1
    for name in ("1", "3", "5", "7", "9", "11", "13", "15", "17", "19"):
        found, _ = take_out(wfdb.rdrecord(str(data / "ludb" / name)).p_signal, 500)
        assert len(found) == 0, name
