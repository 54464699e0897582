"""What the chain says of the waves of its beats: where they are, and nothing where they are not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.fixtures.ecg_signals import chain
from vitalcore.kernels.core import codes, finding

R_AT_S = 1.0
WAVES = ((0.12, -0.17, 0.022), (-0.1, -0.025, 0.008), (1.0, 0.0, 0.011), (-0.2, 0.028, 0.009), (0.28, 0.28, 0.045))
P, T = WAVES[0], WAVES[4]
NAMES = ("p_on", "p_peak", "p_off", "qrs_on", "qrs_off", "t_on", "t_peak", "t_off")


def ecg(
    fs_hz: float,
    waves: tuple[tuple[float, float, float], ...] = WAVES,
    rr_s: float = 0.8,
    n: int = 20,
    noise: float = 0.004,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Make R times and samples of equal beats."""
    r_s = np.asarray(R_AT_S + rr_s * np.arange(n), float)
    t = np.arange(int((r_s[-1] + 2.0) * fs_hz)) / fs_hz
    x = np.asarray(noise * np.random.default_rng(5).normal(size=len(t)))
    for a, m, s in waves:
        for r in r_s:
            x += a * np.exp(-0.5 * ((t - r - m) / s) ** 2)
    return r_s, x


def said(x: NDArray[np.float64], fs_hz: float) -> NDArray[Any]:
    found = chain(x, fs_hz)
    return found[found["what"] == finding.WAVES]


@pytest.mark.parametrize("fs_hz", [100.0, 250.0, 360.0, 500.0, 1000.0])
def test_at_any_rate_the_waves_lie_where_they_were_put(fs_hz: float) -> None:
    _r_s, x = ecg(fs_hz)
    rows = said(x, fs_hz)[-12:]
    times = (rows["body"][:, : finding.T_OFF + 1] - rows["t"][:, None]) / fs_hz
    assert np.isfinite(times).all()
    assert np.abs(times[:, finding.P_PEAK] - P[1]).max() < 0.015
    assert np.abs(times[:, finding.T_PEAK] - T[1]).max() < 0.02
    assert (np.diff(times, axis=1) > 0).all()
    assert np.abs(rows["body"][:, finding.RR_S] - 0.8).max() < 0.01


def test_waves_are_said_with_the_next_beat_or_soon_after() -> None:
    _, x = ecg(250.0, rr_s=0.8)
    rows = said(x, 250.0)
    delay = (rows["t_known"] - rows["t"]) / 250
    assert delay.max() <= 1.4
    assert np.median(delay) < 0.8 + 0.3


def test_where_there_is_no_p_wave_none_is_said() -> None:
    _, x = ecg(250.0, WAVES[1:])
    rows = said(x, 250.0)
    assert np.isnan(rows["body"][:, finding.P_PEAK]).mean() > 0.9
    assert np.isfinite(rows["body"][:, finding.T_PEAK]).mean() > 0.9


def test_where_t_is_flat_none_is_said() -> None:
    _, x = ecg(250.0, WAVES[:4], noise=0.003)
    rows = said(x, 250.0)
    assert np.isnan(rows["body"][:, finding.T_PEAK]).mean() > 0.9
    assert np.isfinite(rows["body"][:, finding.QRS_ON]).all()


def test_in_noise_no_boundary_is_said_and_it_says_why() -> None:
    _, x = ecg(250.0)
    x += 0.25 * np.random.default_rng(6).normal(size=len(x))
    rows = said(x, 250.0)
    mute = np.isnan(rows["body"][:, finding.QRS_ON])
    assert mute.mean() > 0.8
    assert (rows["reasons"][mute] != 0).all()


def test_what_reaches_into_a_gap_is_not_said() -> None:
    _, x = ecg(250.0)
    r_s = R_AT_S + 8 * 0.8
    x[int((r_s + 0.25) * 250) : int((r_s + 0.35) * 250)] = np.nan  # T of one beat
    x[int((r_s + 1.61) * 250) : int((r_s + 1.75) * 250)] = np.nan  # behind R of another
    rows = said(x, 250.0)
    first = rows[np.abs(rows["t"] / 250 - r_s).argmin()]["body"]
    assert np.isfinite(first[[finding.P_PEAK, finding.QRS_ON, finding.QRS_OFF]]).all()
    assert np.isnan(first[[finding.T_ON, finding.T_PEAK, finding.T_OFF]]).all()
    other = rows[np.abs(rows["t"] / 250 - r_s - 1.6) < 0.1]
    assert np.isnan(other["body"][:, : finding.RR_S]).all()
    assert (other["reasons"] & codes.MISSING > 0).all()
    far = rows[np.abs(rows["t"] / 250 - r_s - 0.8) > 1.7]
    assert np.isfinite(far["body"][:, finding.QRS_ON]).all()


def test_st_is_measured_against_the_level_before_qrs() -> None:
    r_s, x = ecg(500.0, noise=0.001)
    t = np.arange(len(x)) / 500
    for r in r_s:  # a step of -0.15 mV from J until T
        x -= 0.15 * ((t > r + 0.05) & (t < r + 0.24))
    rows = said(x + 0.7, 500.0)[-10:]
    t_part = T[0] * np.exp(-0.5 * ((0.06 + 0.045 - T[1]) / T[2]) ** 2)
    assert np.abs(rows["body"][:, finding.ST_60] + 0.15 - t_part).max() < 0.03


def test_early_beats_have_waves_too() -> None:
    r_s, x = ecg(250.0)
    first = said(x, 250.0)[0]
    assert first["t"] / 250 < r_s[3]
    assert np.isfinite(first["body"][finding.QRS_ON])


def test_real_beats_are_delineated_as_cardiologists_do(data: Path) -> None:
    import wfdb

    if not (data / "ludb").is_dir():
        pytest.skip("the LUDB records are absent")
    errors = []
    for name in ("1", "5", "11", "41"):
        record = wfdb.rdrecord(str(data / "ludb" / name))
        rows = said(record.p_signal[:, [n.lower() for n in record.sig_name].index("ii")].copy(), 500.0)
        note = wfdb.rdann(str(data / "ludb" / name), "ii")
        for k, kind in enumerate(note.symbol):
            place = {"p": 1, "N": 0, "t": 6}.get(kind)
            if place:
                e = rows["body"][:, place] - note.sample[k]
                errors.append(np.nanmin(np.abs(e)) / 500)
    assert np.median(errors) < 0.006
    assert np.percentile(errors, 90) < 0.02


def test_a_dwt_delineator_sees_the_same_peaks() -> None:
    nk = pytest.importorskip("neurokit2")
    r_s, x = ecg(250.0)
    _, theirs = nk.ecg_delineate(x, (r_s * 250).astype(int), sampling_rate=250, method="dwt")
    rows = said(x, 250.0)
    for place, name in ((finding.P_PEAK, "ECG_P_Peaks"), (finding.T_PEAK, "ECG_T_Peaks")):
        other = np.array(theirs[name], float)
        gap = [np.nanmin(np.abs(other - mine)) for mine in rows["body"][:, place] if np.isfinite(mine)]
        assert np.median(gap) / 250 < 0.02


def test_between_ventricular_beats_the_others_keep_their_p_waves() -> None:
    fs_hz, n = 250.0, 30
    t = np.arange(int((n * 0.9 + 2) * fs_hz)) / fs_hz
    x = np.asarray(0.004 * np.random.default_rng(7).normal(size=len(t)))
    normal_s = R_AT_S + 1.8 * np.arange(n // 2)
    for shape, at_s in (
        (WAVES, normal_s),
        (((1.3, 0.0, 0.03), (-0.7, 0.08, 0.025), (-0.4, 0.3, 0.06)), normal_s + 0.6),
    ):
        for a, m, s in shape:
            for r in at_s:
                x += a * np.exp(-0.5 * ((t - r - m) / s) ** 2)
    rows = said(x, fs_hz)
    has_p = np.isfinite(rows["body"][:, finding.P_PEAK])
    normal = np.abs(rows["t"][:, None] / fs_hz - normal_s).min(axis=1) < 0.1
    assert has_p[normal].mean() > 0.9
    assert has_p[~normal].mean() < 0.1
    widths = (rows["body"][:, finding.QRS_OFF] - rows["body"][:, finding.QRS_ON]) / fs_hz
    assert np.median(widths[~normal]) > 1.4 * np.median(widths[normal])


def test_in_noise_as_slow_as_t_waves_few_are_said() -> None:
    fs_hz = 250.0
    _, x = ecg(fs_hz, n=80)
    rng = np.random.default_rng(8)
    late = np.arange(len(x)) > 25 * fs_hz
    x[late] += 0.5 * np.convolve(rng.normal(size=len(x) + 19), np.hanning(20) / np.sqrt(7.1), "valid")[late]
    rows = said(x, fs_hz)
    has_t = np.isfinite(rows["body"][:, finding.T_PEAK])
    t_s = rows["t"] / fs_hz
    assert has_t[t_s < 24].all()
    assert has_t[t_s > 30].mean() < 0.5
