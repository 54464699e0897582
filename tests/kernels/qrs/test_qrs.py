"""QRS detection: laws, truth, and what must not be counted."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.fixtures.ecg_signals import beats, matched, rhythm, run, signal, splits, wave
from vitalcore.kernels.core.codes import LOOKED_BACK
from vitalcore.kernels.core.finding import AMPLITUDE, INTERVAL_S, LABEL
from vitalcore.operators.ecg import BEAT_LATENCY_S, RPeaks


@pytest.mark.parametrize("fs_hz", [100, 125, 187, 250, 360, 500, 1000])
def test_every_beat_is_found_once_and_where_it_is_at_every_rate(fs_hz: int) -> None:
    r_s, x = rhythm(fs_hz, 40)
    found = beats(x, fs_hz)
    error_s = matched(found["t"] / fs_hz, r_s[r_s > 2])
    assert not np.isnan(error_s).any()
    assert np.median(np.abs(error_s)) < 0.001
    assert abs(np.median(error_s)) < 0.0005
    assert len(found) <= len(r_s)
    np.testing.assert_allclose(found["body"][1:, INTERVAL_S], np.diff(found["t"]) / fs_hz)
    assert (found["body"][:, LABEL] == ord("Q")).all()


def test_beats_are_said_soon_and_never_later_than_declared() -> None:
    r_s, x = rhythm(250, 120, jitter=0.4)
    x[5000:9000] *= 0.3  # makes it look back
    found = beats(x, 250)
    late_s = (found["t_known"] - found["t"]) / 250
    assert np.percentile(late_s, 90) <= 0.3
    assert late_s.max() <= BEAT_LATENCY_S
    assert not np.isnan(matched(found["t"] / 250, r_s[r_s > 2])).any()


@pytest.mark.parametrize("height_mv", [0.2, 0.5, 2.0, 5.0, -1.0, -0.3])
def test_low_high_and_inverted_complexes_are_found(height_mv: float) -> None:
    r_s, _ = rhythm(250, 30)
    x = wave(np.arange(7500) / 250, r_s, height_mv)
    found = beats(x, 250)
    assert not np.isnan(matched(found["t"] / 250, r_s[r_s > 2])).any()
    assert len(found) <= len(r_s)
    assert (np.sign(found["body"][:, AMPLITUDE]) == np.sign(height_mv)).all()


def complex_of(t_s: NDArray[np.float64], onset_s: float, mv: float, width_s: float) -> NDArray[np.float64]:
    """The QRS of IEC 60601-2-27's test signals: R at 0.4375 of its width."""
    return np.interp(t_s - onset_s, np.array([0, 0.4375, 0.9375, 1]) * width_s, np.array([0, 0.875, -0.125, 0]) * mv)


@pytest.mark.parametrize("rate", [15, 30, 60, 120, 180, 250, 300, 350])
@pytest.mark.parametrize("mv", [0.5, 5.0])
def test_rates_from_15_to_350_are_counted_right(rate: int, mv: float) -> None:
    t_s = np.arange(40 * 250) / 250
    onsets_s = np.arange(0.5, 39, 60 / rate)
    x = np.sum([complex_of(t_s, a, mv, 0.07 if rate < 200 else 0.04) for a in onsets_s], axis=0)
    r_s = beats(x, 250)["t"] / 250
    later = r_s[r_s > 10]
    assert 60 / np.median(np.diff(later)) == pytest.approx(rate, abs=1)
    assert np.diff(later).max() < 1.2 * 60 / rate


def test_wide_complexes_at_a_high_rate_are_not_halved() -> None:
    for shift_s in np.arange(0.3, 0.7, 0.05):
        t_s = np.arange(30 * 500) / 500
        x = np.sum([complex_of(t_s, a, 2.0, 0.12) for a in np.arange(shift_s, 29, 0.3)], axis=0)
        r_s = beats(x, 500)["t"] / 500
        assert np.diff(r_s[r_s > 8]) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(("mv", "width_s"), [(0.15, 0.04), (0.15, 0.1), (0.15, 0.12), (1.0, 0.01)])
@pytest.mark.parametrize("fs_hz", [250, 500, 1000])
def test_tiny_and_very_narrow_complexes_are_not_counted(mv: float, width_s: float, fs_hz: int) -> None:
    t_s = np.arange(30 * fs_hz) / fs_hz
    x = np.sum([complex_of(t_s, a, mv, width_s) for a in np.arange(0.5, 29, 0.75)], axis=0)
    assert len(beats(x, fs_hz)) == 0


@pytest.mark.parametrize("t_mv", [0.25, 0.75, 1.0, 1.2])
@pytest.mark.parametrize("fs_hz", [100, 250, 500])
def test_tall_t_waves_are_not_counted(t_mv: float, fs_hz: int) -> None:
    t_s = np.arange(40 * fs_hz) / fs_hz
    x = np.zeros_like(t_s)
    onsets_s = np.arange(0.5, 39, 0.75)
    for a in onsets_s:
        x += complex_of(t_s, a, 1.0, 0.1)
        since = t_s - (a + 0.17)
        x += np.where((since > 0) & (since < 0.18), t_mv * np.sin(np.pi * since / 0.18), 0)
    found_s = beats(x, fs_hz)["t"] / fs_hz
    later = found_s[found_s > 3]
    assert np.diff(later) == pytest.approx(0.75, abs=0.01)
    assert np.median(matched(later, onsets_s[5:-2] + 0.04375)) == pytest.approx(0, abs=0.002)


def test_any_split_gives_the_same_bytes() -> None:
    rng = np.random.default_rng(5)
    _, x = rhythm(250, 12, jitter=0.3)
    x[1500:1520] = np.nan
    x[1800:2000] = np.nan
    design = RPeaks().design(signal(250))
    whole = run(design, [x])[0].tobytes()
    for _ in range(500):
        assert run(design, np.split(x, splits(len(x), rng, 12)))[0].tobytes() == whole
    assert run(design, np.split(x, len(x)))[0].tobytes() == whole


def test_beats_come_back_after_a_gap_and_none_is_made_up_in_it() -> None:
    r_s, x = rhythm(250, 40)
    x[2500:5000] = np.nan
    found = beats(x, 250)
    t_s = found["t"] / 250
    assert not ((t_s > 10) & (t_s < 20)).any()
    after = r_s[r_s > 20.4]
    assert not np.isnan(matched(t_s, after)).any()
    first = found[t_s > 20][0]
    assert np.isnan(first["body"][INTERVAL_S])


@pytest.mark.parametrize("glitch", [1e5, -1e300, 1e308, np.inf])
def test_a_glitch_is_forgotten(glitch: float) -> None:
    r_s, x = rhythm(250, 40)
    x[1000] = glitch
    found = beats(x, 250)
    assert not np.isnan(matched(found["t"] / 250, r_s[r_s > 16])).any()


def test_one_bad_lead_of_two_changes_nothing_much() -> None:
    r_s, x = rhythm(250, 60)
    rng = np.random.default_rng(6)
    for bad in (np.zeros_like(x), np.full_like(x, np.nan), 0.5 * rng.normal(size=len(x))):
        for two in (np.column_stack([x, bad]), np.column_stack([bad, x])):
            found = beats(two, 250)
            error_s = matched(found["t"] / 250, r_s[r_s > 3])
            assert np.isnan(error_s).mean() <= 0.02
            assert len(found) <= len(r_s) + 2


@pytest.mark.parametrize("nothing", [0.0, np.nan, 3.0])
def test_a_constant_has_no_beats(nothing: float) -> None:
    assert len(beats(np.full(10000, nothing), 250)) == 0


def test_mains_alone_has_no_beats() -> None:
    for hz in (50, 60):
        assert len(beats(np.sin(2 * np.pi * hz * np.arange(10000) / 250), 250)) == 0


def test_the_first_beat_of_a_recording_counts() -> None:
    r_s, x = rhythm(250, 20)
    for cut_s in (r_s[1] - 0.12, r_s[1] - 0.3, r_s[1] - 0.5):
        found_s = beats(x[int(cut_s * 250) :], 250)["t"] / 250 + int(cut_s * 250) / 250
        assert not np.isnan(matched(found_s, r_s[(r_s > cut_s) & (r_s < 19.5)])).any()


def test_a_beat_found_by_looking_back_says_so() -> None:
    _, x = rhythm(250, 60, jitter=0.2)
    x[5000:9000] *= 0.3
    found = beats(x, 250)
    late = found["t_known"] - found["t"] > 0.4 * 250
    assert ((found["reasons"] & LOOKED_BACK) != 0)[late].all()
    assert not ((found["reasons"] & LOOKED_BACK) != 0)[~late].any()


def test_beats_go_on_after_the_amplitude_falls_to_a_fifth_and_the_sign_changes() -> None:
    r_s, x = rhythm(250, 60)
    x[5000:] *= -0.2
    error_s = matched(beats(x, 250)["t"] / 250, r_s)
    assert not np.isnan(error_s[(r_s > 26) & (r_s < 59)]).any()
