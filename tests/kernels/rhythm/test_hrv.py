"""Heart rate variability: the definitions, what counts, and numbers only where the signal carries them."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lombscargle

from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import (
    BEAT,
    EVENT,
    FEATURE,
    FINDING,
    INTERVAL_S,
    LABEL,
    N_LEFT_OUT,
    N_USED,
    T_END,
    VALUE,
    WINDOW_S,
)
from vitalcore.kernels.rhythm import hrv

Floats = NDArray[np.float64]
FS = 360.0
SDNN, RMSSD, PNN50, SD1, SD2, LF, HF, LF_HF = range(8)


def waxing(seconds: float, lf_ms: float = 30.0, hf_ms: float = 20.0, rate: float = 75.0) -> Floats:
    """Make beat times whose intervals wax and wane at 0.1 and 0.25 Hz with two amplitudes."""
    times = [0.6]
    while times[-1] < seconds:
        t = times[-1]
        swing = lf_ms * np.sin(2 * np.pi * 0.1 * t) + hf_ms * np.sin(2 * np.pi * 0.25 * t)
        times.append(t + 60 / rate + 1e-3 * swing)
    return np.array(times)


def rows(t_s: Floats, labels: str | None = None, quality: Floats | float = 1.0, fs_hz: float = FS) -> Any:
    x = np.zeros(len(t_s), FINDING)
    x["what"], x["code"], x["quality"] = BEAT, codes.HEART_BEAT, quality
    x["t"] = t_s * fs_hz
    x["t_known"] = np.ceil(x["t"] + 0.2 * fs_hz)
    x["body"][:, INTERVAL_S] = np.diff(x["t"], prepend=np.nan) / fs_hz
    x["body"][:, LABEL] = [ord(letter) for letter in labels or "N" * len(t_s)]
    return x


def follow(x: Any, memory: Any = None, fs_hz: float = FS) -> Any:
    """Run the kernel; its features as [n, 8] rows."""
    params = np.zeros(1, hrv.PARAMS)
    params["fs_hz"] = fs_hz
    state = np.zeros(1, hrv.STATE) if memory is None else memory
    out = np.zeros(8 * len(x), FINDING)
    return out[: hrv.step(params[0], state[0], x, out)].reshape(-1, 8)


def values(told: Any) -> Floats:
    return np.asarray(told["body"][..., VALUE])


def twin(t: Floats, rr: Floats, normal: NDArray[np.bool_], fs_hz: float = FS) -> Floats:
    """Compute the features of a window, slowly: beat times and intervals in samples, and which intervals count."""
    x = rr[normal] / fs_hz * 1000
    both = normal[1:] & normal[:-1]
    first, second = rr[:-1][both] / fs_hz * 1000, rr[1:][both] / fs_hz * 1000
    d = second - first
    longer = np.abs(np.diff(rr)[both]) > 0.05 * fs_hz  # in samples: 18 of them at 360 Hz are not more than 50 ms
    out = [np.std(x, ddof=1), np.sqrt(np.mean(d**2)), 100 * longer.sum() / (len(d) + 1)]
    out += [np.std(d, ddof=1) / np.sqrt(2), np.std(first + second, ddof=1) / np.sqrt(2)]
    f = np.arange(12, 121) / 300
    at_s = t[normal] / fs_hz
    density = 2 * x.mean() / 1000 * lombscargle(at_s, x, 2 * np.pi * f, floating_mean=True)
    density[f * 2 * x.mean() / 1000 >= 1] = 0
    low, high = np.trapezoid(density[:34], f[:34]), np.trapezoid(density[33:], f[33:])
    return np.array([*out, low, high, low / high])


@pytest.mark.parametrize("rate", [50, 75, 150])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_features_are_those_of_the_slow_twin_whatever_is_left_out(rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    t_s = waxing(700, rate=rate) + rng.normal(0, 0.01, len(waxing(700, rate=rate)))
    labels = np.where(rng.random(len(t_s)) < 0.03, "V", "N")
    quality = np.where(rng.random(len(t_s)) < 0.01, 0.3, 1.0)
    x = rows(t_s, "".join(labels), quality)
    told = follow(x)
    sound = (labels == "N") & (quality > 0.5)
    for say in told[40::7]:
        k = np.flatnonzero((x["t"] > say["t"][0] - 300 * FS) & (x["t"] <= say["t"][0]) & (np.arange(len(x)) > 0))
        normal = sound[k] & sound[k - 1]
        np.testing.assert_allclose(values(say), twin(x["t"][k], np.diff(x["t"])[k - 1], normal), rtol=1e-9)
        assert (say["body"][:, N_USED] == normal.sum()).all()
        assert (say["body"][:, N_LEFT_OUT] == (~normal).sum()).all()
        assert say["reasons"][0] & codes.ECTOPY


@pytest.mark.parametrize(("lf_ms", "hf_ms"), [(10, 40), (20, 28), (28, 20), (40, 10)])
def test_power_is_that_of_the_swings(lf_ms: float, hf_ms: float) -> None:
    found = values(follow(rows(waxing(400, lf_ms, hf_ms))))[-1]
    assert found[LF] == pytest.approx(lf_ms**2 / 2, rel=0.06)
    assert found[HF] == pytest.approx(hf_ms**2 / 2, rel=0.06)
    assert found[LF] + found[HF] == pytest.approx(found[SDNN] ** 2, rel=0.01)
    assert found[LF_HF] == pytest.approx(found[LF] / found[HF], rel=1e-12)


def test_neurokit2_says_the_same() -> None:
    """Its Lomb-Scargle has another grid and scale (no 2 dt) and other band edges: only LF/HF compares, to 2 %."""
    nk = pytest.importorskip("neurokit2")
    pytest.importorskip("astropy")
    rng = np.random.default_rng(4)
    t_s = waxing(420)
    t_s = t_s + rng.normal(0, 0.01, len(t_s))
    told = follow(rows(t_s))[-1]
    found = dict(zip(("SDNN", "RMSSD", "pNN50", "SD1", "SD2", "LF", "HF", "LFHF"), values(told), strict=True))
    k = np.flatnonzero((t_s > told["t"][0] / FS - 300) & (t_s <= told["t"][0] / FS + 1e-6))
    series = {"RRI": np.diff(t_s)[k - 1] * 1000, "RRI_Time": t_s[k]}
    in_time = nk.hrv_time(series).iloc[0]
    plot: dict[str, float] = {}
    importlib.import_module("neurokit2.hrv.hrv_nonlinear")._hrv_nonlinear_poincare(series["RRI"], out=plot)
    for name in ("SDNN", "RMSSD", "pNN50"):
        assert found[name] == pytest.approx(in_time[f"HRV_{name}"], rel=1e-9), name
    for name in ("SD1", "SD2"):
        assert found[name] == pytest.approx(plot[name], rel=1e-9), name
    by_lomb = nk.hrv_frequency(series, psd_method="lomb", interpolation_rate=None, normalize=False).iloc[0]
    assert found["LFHF"] == pytest.approx(by_lomb["HRV_LFHF"], rel=0.02)


def test_after_a_day_the_bits_are_those_of_the_last_minutes_alone() -> None:
    rng = np.random.default_rng(5)
    t_s = 0.5 + rng.normal(0.8, 0.04, 108_000).cumsum()
    x = rows(t_s, "".join(np.where(rng.random(len(t_s)) < 0.02, "V", "N")))
    memory, fresh = np.zeros(1, hrv.STATE), np.zeros(1, hrv.STATE)
    told = follow(x, memory)
    again = follow(x[-600:], fresh)
    assert told[-1]["body"].tobytes() == again[-1]["body"].tobytes()
    assert memory["sums"].tobytes() == fresh["sums"].tobytes()


def test_any_split_gives_the_same_bytes() -> None:
    x = rows(waxing(400), "".join(np.where(np.arange(len(waxing(400))) % 31, "N", "S")))
    whole = follow(x).tobytes()
    rng = np.random.default_rng(6)
    for _ in range(20):
        memory = np.zeros(1, hrv.STATE)
        parts = np.split(x, np.sort(rng.integers(0, len(x) + 1, 30)))
        assert b"".join(follow(part, memory).tobytes() for part in parts) == whole
    memory = np.zeros(1, hrv.STATE)
    assert b"".join(follow(x[k : k + 1], memory).tobytes() for k in range(len(x))) == whole


def test_they_are_said_every_ten_seconds_from_one_minute_on_and_the_spectrum_from_four() -> None:
    told = follow(rows(waxing(700)))
    assert np.abs(np.diff(told["t"][:, 0]) / FS - 10).max() < 1
    assert (told["code"] == np.arange(codes.HRV_SDNN, codes.HRV_LF_HF + 1)).all()
    assert (told["what"] == FEATURE).all()
    window_s, known = told["body"][:, 0, WINDOW_S], np.isfinite(values(told))
    assert (known[:, :LF] == (window_s > 60)[:, None]).all()
    assert (known[:, LF:] == (window_s > 240)[:, None]).all()
    assert window_s.max() == 300
    assert (told["reasons"][~known] & codes.TOO_FEW_BEATS).all()
    assert (told["reasons"][known] == 0).all()
    assert (told["quality"][6:] > 0.99).all()


@pytest.mark.parametrize("letter", "SVFQ/")
def test_a_beat_that_is_not_normal_takes_both_of_its_intervals_out(letter: str) -> None:
    t_s = waxing(320)
    t_s[200] -= 0.15  # early, then a pause
    clean = values(follow(rows(waxing(320))))[-1]
    told = follow(rows(t_s, "N" * 200 + letter + "N" * (len(t_s) - 201)))[-1]
    assert (told["body"][:, N_LEFT_OUT] == 2).all()
    np.testing.assert_allclose(values(told), clean, rtol=0.05)


def test_a_missed_beat_and_an_invented_one_are_left_out() -> None:
    t_s = np.delete(waxing(320), 150)
    t_s = np.sort(np.r_[t_s, t_s[250] + 0.35])
    told = follow(rows(t_s))[-1]
    assert (told["body"][:, N_LEFT_OUT] == 3).all()
    assert told["reasons"][0] & codes.IRREGULAR
    np.testing.assert_allclose(values(told), values(follow(rows(waxing(320))))[-1], rtol=0.05)


def test_a_poor_signal_has_no_number_and_says_why() -> None:
    t_s = waxing(400)
    quality = np.where(t_s % 20 < 12, 0.2, 1.0)
    told = follow(rows(t_s, quality=quality))[-1]
    assert np.isnan(values(told)).all()
    assert (told["reasons"] & codes.NOISE != 0).all()
    assert (told["quality"] < 0.5).all()


def test_a_gap_is_not_an_interval() -> None:
    t_s = waxing(400)
    kept = (t_s < 200) | (t_s > 230)
    x = rows(t_s[kept])
    x["body"][np.flatnonzero(np.diff(x["t"]) > 20 * FS) + 1, INTERVAL_S] = np.nan
    told = follow(x)[-1]
    assert np.isfinite(values(told)).all()
    assert told["reasons"][0] & codes.MISSING
    assert told["quality"][0] == pytest.approx(0.9, abs=0.01)


def test_atrial_fibrillation_has_no_variability_and_what_came_before_it_was_known_goes_too() -> None:
    t_s = waxing(900)
    x = rows(t_s)
    onset, end = rows(t_s[[400]]), rows(t_s[[500]])
    for row in (onset, end):
        row["what"], row["code"], row["t"] = EVENT, codes.ATRIAL_FIBRILLATION, t_s[380] * FS
        row["body"][:, T_END] = np.nan
    end["body"][:, T_END] = t_s[500] * FS
    told = follow(np.concatenate([x[:400], onset, x[400:500], end, x[500:]]))
    at_s = told["t"][:, 0] / FS
    during = (at_s > t_s[399] + 0.1) & (at_s < t_s[500] - 0.1)
    assert np.isnan(values(told)[during]).all()
    assert (told["reasons"][during] & codes.IRREGULAR != 0).all()
    after = told[np.flatnonzero(at_s > t_s[500] - 0.1)[0]]
    assert (after["body"][:, N_LEFT_OUT] == 120).all()
    assert np.isfinite(values(after)[:LF]).all()
    assert np.isnan(values(after)[LF:]).all()


def test_without_classes_nothing_is_normal_unless_it_is_asked_for() -> None:
    x = rows(waxing(320), "Q" * len(waxing(320)))
    assert np.isnan(values(follow(x))).all()
    params = np.zeros(1, hrv.PARAMS)
    params["fs_hz"], params["unclassified"] = FS, 1
    out = np.zeros(8 * len(x), FINDING)
    n = hrv.step(params[0], np.zeros(1, hrv.STATE)[0], x, out)
    np.testing.assert_array_equal(values(out[:n]), values(follow(rows(waxing(320)))).ravel())


def test_a_heart_above_204_has_a_shorter_window() -> None:
    told = follow(rows(waxing(400, 2, 2, rate=230)))[-1]
    assert told["body"][0, N_USED] == pytest.approx(hrv.N_RING, abs=2)
    assert np.isfinite(values(told)).all()
    assert told["quality"][0] == pytest.approx(hrv.N_RING * 60 / 230 / 300, abs=0.01)


def test_compiled_is_interpreted_bit_for_bit() -> None:
    script = "from tests.kernels.rhythm.test_hrv import *; print(follow(rows(waxing(320))).tobytes().hex())"
    root = Path(__file__).resolve().parents[3]
    env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(root)}
    said = subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=root, env=env, capture_output=True)
    assert said.stdout.decode().strip() == follow(rows(waxing(320))).tobytes().hex()


def test_real_intervals_agree_with_the_slow_twin(data: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    for name in ("101", "119", "209"):
        marks = wfdb.rdann(str(data / "mitdb" / name), "atr")
        is_beat = np.isin(marks.symbol, list("NLRBejAaSJVEF/fQ"))
        t = marks.sample[is_beat].astype(float)
        labels = np.array(["N" if s in "NLRBej" else "V" for s in np.array(marks.symbol)[is_beat]])
        told = follow(rows(t / FS, "".join(labels)))
        say = told[np.flatnonzero(np.isfinite(values(told)[:, SDNN]))[-1]]
        k = np.flatnonzero((t > say["t"][0] - 300 * FS - 1e-6) & (t <= say["t"][0] + 1e-6))
        k = k[k > 0]
        rr = np.diff(t)
        n = (labels[k] == "N") & (labels[k - 1] == "N")
        normal_before = [int(j) for j in range(len(rr)) if labels[j] == labels[j + 1] == "N"]
        usual = {j: np.sort(rr[normal_before[max(0, i - 8) : i + 1]]) for i, j in enumerate(normal_before)}
        odd = [j in usual and abs(rr[j] / usual[j][(len(usual[j]) - 1) // 2] - 1) > 0.3 for j in (k - 1).tolist()]
        expected = twin(t[k], rr[k - 1], n & ~np.array(odd))
        known = np.isfinite(values(say))
        np.testing.assert_allclose(values(say)[known], expected[known], rtol=1e-9)
