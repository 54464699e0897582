"""Respiration from R amplitudes: the right rate, no look into the future, and nothing where there is nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lombscargle

from vitalcore.fixtures.ecg_signals import chain, feature, wave
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import AMPLITUDE, BEAT, FEATURE, FINDING, LABEL, VALUE
from vitalcore.kernels.leads import edr

Floats = NDArray[np.float64]
FS = 250.0


def rows(t_s: Floats, amplitude: Floats, label: str = "N", quality: float = 1.0, lead: int = 0) -> Any:
    x = np.zeros(len(t_s), FINDING)
    x["what"], x["code"], x["t"], x["quality"], x["channel"] = BEAT, codes.HEART_BEAT, t_s * FS, quality, lead
    x["body"][:, AMPLITUDE], x["body"][:, LABEL] = amplitude, ord(label)
    return x


def follow(x: Any, seconds: int) -> Floats:
    """Tell the value of each second; beats are known 0.25 s after they were."""
    params, state = np.zeros(1, edr.PARAMS), np.zeros(1, edr.STATE)
    params["fs_hz"] = FS
    row, out, k = np.zeros(1, FINDING), np.full(seconds, np.nan), 0
    for second in range(1, seconds + 1):
        while k < len(x) and x["t"][k] + 0.25 * FS <= second * FS:
            edr.beat(state[0], x[k])
            k += 1
        edr.tell(params[0], state[0], second * FS, 1.0, 0, row[0])
        out[second - 1] = row["body"][0, VALUE]
        assert bool(row["reasons"][0] & codes.TOO_FEW_BEATS) == np.isnan(out[second - 1])
    return out


def breaths(value: Floats, about_s: Floats) -> float:
    """Find the strongest rhythm between 5 and 28 /min."""
    known = np.isfinite(value)
    rates = np.arange(5, 28, 0.25)
    y = value[known] - np.median(value[known])
    return float(rates[lombscargle(about_s[known], y, 2 * np.pi * rates / 60).argmax()])


@pytest.mark.parametrize("per_min", [8, 12, 18, 24])
@pytest.mark.parametrize("heart", [60, 75, 110])
def test_the_breathing_of_an_amplitude_is_found(per_min: float, heart: float) -> None:
    t_s = np.arange(0.5, 90, 60 / heart)
    x = rows(t_s, 1.2 * (1 + 0.08 * np.sin(2 * np.pi * per_min / 60 * t_s)))
    value = follow(x, 90)
    about_s = np.linspace(1, 90, 90) - edr.DELAY_S
    assert breaths(value[20:], about_s[20:]) == pytest.approx(per_min, abs=0.5)
    expected = 0.08 * np.sin(2 * np.pi * per_min / 60 * about_s[30:])
    assert np.corrcoef(value[30:], expected)[0, 1] > 0.9
    if heart >= 4 * per_min:  # with fewer beats a breath the line between them cuts its tops off
        assert np.ptp(value[30:]) == pytest.approx(0.16, rel=0.2)


def test_the_value_does_not_hang_on_the_unit_or_the_sign() -> None:
    t_s = np.arange(0.5, 40, 0.8)
    amplitude = 1 + 0.1 * np.sin(t_s)
    one, other = follow(rows(t_s, amplitude), 40), follow(rows(t_s, -3000 * amplitude), 40)
    np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("bad", [{"label": "V"}, {"quality": 0.3}])
def test_beats_of_another_class_and_poor_ones_are_passed_over(bad: dict[str, Any]) -> None:
    t_s = np.arange(0.5, 60, 0.8)
    good = rows(t_s, 1 + 0.1 * np.sin(t_s))
    odd = rows(t_s[::7] + 0.3, np.full(len(t_s[::7]), 2.5), **bad)
    both = np.concatenate([good, odd])
    np.testing.assert_array_equal(follow(both[np.argsort(both["t"])], 60), follow(good, 60))


def test_after_the_last_beat_the_value_does_not_stay() -> None:
    value = follow(rows(np.arange(0.5, 30, 0.8), np.ones(37)), 45)
    assert np.isfinite(value[3:34]).all()
    assert np.isnan(value[35:]).all()


def test_another_lead_and_a_turned_axis_begin_anew() -> None:
    t_s = np.arange(0.5, 20, 0.8)
    first = rows(t_s, np.full(len(t_s), 1.0))
    for second in (rows(t_s + 20, np.full(len(t_s), 0.3), lead=1), rows(t_s + 20, np.full(len(t_s), -0.8))):
        value = follow(np.concatenate([first, second]), 40)
        assert np.nanmax(np.abs(value)) < 1e-12


def test_a_single_beat_that_points_the_other_way_is_passed_over() -> None:
    t_s = np.arange(0.5, 60, 0.8)
    amplitude = 1 + 0.1 * np.sin(t_s)
    kept = np.arange(len(t_s)) % 20 != 10
    turned = rows(t_s, np.where(kept, amplitude, -0.9))
    np.testing.assert_array_equal(follow(turned, 60), follow(rows(t_s[kept], amplitude[kept]), 60))


def test_the_chain_says_it_each_second() -> None:
    fs_hz, t_s = 250, np.arange(0.5, 70, 0.8)
    x = np.zeros(70 * fs_hz)
    for r_s in t_s:
        x += wave(np.arange(len(x)) / fs_hz, np.array([r_s]), 1 + 0.1 * np.sin(2 * np.pi * 0.25 * r_s))
    found = chain(x, fs_hz)
    said = found[(found["what"] == FEATURE) & (found["code"] == codes.ECG_RESPIRATION)]
    assert len(said) == 69  # the last second is still running
    value = feature(found, codes.ECG_RESPIRATION)
    assert breaths(value[10:], said["t"][10:] / fs_hz) == pytest.approx(15, abs=0.5)


def test_real_breathing_is_seen_in_most_minutes(data: Path) -> None:
    near = []
    for name in ("02", "05", "09", "14", "18"):
        path = data / "bidmc" / f"bidmc_{name}_Signals.csv"
        columns = [column.strip() for column in path.open().readline().split(",")]
        x = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(columns.index("II"),))[: 240 * 125]
        marks = np.genfromtxt(data / "bidmc" / f"bidmc_{name}_Breaths.csv", delimiter=",", skip_header=1)[:, 0] / 125
        found = chain(x, 125)
        said = found[(found["what"] == FEATURE) & (found["code"] == codes.ECG_RESPIRATION)]
        about_s, value = said["t"] / 125, said["body"][:, VALUE]
        for begin in range(10, 180, 30):
            here = (about_s >= begin) & (about_s < begin + 60)
            inside = marks[(marks >= begin) & (marks < begin + 60)]
            near.append(abs(breaths(value[here], about_s[here]) - 60 / np.median(np.diff(inside))) <= 2)
    assert np.mean(near) >= 0.9
