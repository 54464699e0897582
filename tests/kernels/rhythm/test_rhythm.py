"""Rhythm from beats: each rule by the beats that meet it, onsets and ends, and silence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.alarms import limits_of
from vitalcore.fixtures.ecg_signals import chain, rhythm, wave
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import EVENT, EVIDENCE_TO, FINDING, INTERVAL_S, LABEL, T_END
from vitalcore.kernels.rhythm import rhythm as kernel
from vitalcore.operators.ecg import rhythm_params

FS = 250.0
Spans = list[tuple[float, float]]


def follow(intervals_s: Sequence[float], labels: str | None = None, quality: float = 1.0) -> NDArray[Any]:
    """Give the events of beats with these intervals, the first at 1 s; each is said 0.2 s after its R peak."""
    params, state = rhythm_params(FS, limits_of("adult"))[0], np.zeros(1, kernel.STATE)[0]
    kernel.begin(state, -1.0)
    out, row = np.zeros(20, FINDING), np.zeros(1, FINDING)[0]
    said = []
    t_s = 1 + np.concatenate([[0.0], np.cumsum(intervals_s)])
    for i, t in enumerate(t_s):
        row["t"], row["t_known"], row["quality"] = t * FS, np.ceil((t + 0.2) * FS), quality
        row["body"][INTERVAL_S] = intervals_s[i - 1] if i else np.nan
        row["body"][LABEL] = ord(labels[i]) if labels else ord("N")
        said.append(out[: kernel.beat(params, state, row, out, 0)].copy())
    return np.concatenate(said)


def spans(events: NDArray[Any], code: int) -> Spans:
    """Give the episodes of one code in s; inf where one has not ended."""
    found: dict[float, float] = {}
    for row in events[(events["what"] == EVENT) & (events["code"] == code)]:
        end = row["body"][T_END] / FS
        found[row["t"] / FS] = np.inf if np.isnan(end) else end
    return list(found.items())


def near(onset: float, end: float) -> list[Any]:
    """Give what spans of one episode must be."""
    return [(pytest.approx(onset), pytest.approx(end))]


def test_a_steady_heart_has_one_rhythm_from_its_first_beat() -> None:
    for bpm, code in ((50, codes.SINUS_BRADYCARDIA), (75, codes.SINUS_RHYTHM), (120, codes.SINUS_TACHYCARDIA)):
        events = follow([60 / bpm] * 60)
        assert events["code"].tolist() == [code]
        assert events["t"][0] == FS


def test_a_rhythm_ends_where_the_next_begins() -> None:
    events = follow([60 / 75] * 30 + [60 / 130] * 60)
    (slow,), (fast,) = spans(events, codes.SINUS_RHYTHM), spans(events, codes.SINUS_TACHYCARDIA)
    assert slow[1] == pytest.approx(fast[0])
    assert 1 + 25 * 0.8 <= fast[0] <= 1 + 30 * 0.8 + 8 * 60 / 130
    assert fast[1] == np.inf


def test_a_rate_about_its_limit_does_not_flicker() -> None:
    rng = np.random.default_rng(2)
    events = follow((60 / 100 * (1 + 0.01 * rng.normal(size=300))).tolist())
    assert len(events) <= 5


def test_five_fast_ventricular_beats_are_a_tachycardia_and_slow_ones_a_rhythm() -> None:
    for interval_s, code in ((0.4, codes.VENTRICULAR_TACHYCARDIA), (0.8, codes.VENTRICULAR_RHYTHM)):
        events = follow([0.7] * 9 + [interval_s] * 9 + [0.7] * 9, "N" * 10 + "V" * 9 + "N" * 9)
        onset = 1 + 9 * 0.7 + interval_s
        assert spans(events, code) == near(onset, onset + 8 * interval_s)
        said = events[events["code"] == code][0]
        assert said["body"][EVIDENCE_TO] == pytest.approx((onset + 4 * interval_s) * FS, abs=1)
    assert not spans(follow([0.4] * 13, "N" * 8 + "V" * 4 + "NN"), codes.VENTRICULAR_TACHYCARDIA)


def test_a_long_interval_is_a_pause() -> None:
    events = follow([0.8] * 10 + [3.4] + [0.8] * 10)
    assert spans(events, codes.PAUSE) == near(9.0, 12.4)
    assert not spans(follow([1.9] * 10), codes.PAUSE)


def test_extreme_rates_need_their_number_of_beats() -> None:
    events = follow([0.8] * 5 + [1.6] * 8 + [0.8] * 12)
    ((onset, end),) = spans(events, codes.EXTREME_BRADYCARDIA)
    assert onset == pytest.approx(1 + 5 * 0.8)
    assert 1 + 4 + 8 * 1.6 <= end + 1e-9 <= 1 + 4 + 8 * 1.6 + 4 * 0.8
    assert not spans(follow([0.8] * 5 + [1.6] * 3 + [0.8] * 5), codes.EXTREME_BRADYCARDIA)
    events = follow([0.6] * 5 + [0.4] * 20 + [0.6] * 20)
    assert len(spans(events, codes.EXTREME_TACHYCARDIA)) == 1
    assert not spans(follow([0.6] * 5 + [0.4] * 10 + [0.6] * 20), codes.EXTREME_TACHYCARDIA)


def test_beats_of_poor_quality_have_no_ventricular_rhythm() -> None:
    assert not spans(follow([0.4] * 29, "V" * 30, quality=0.1), codes.VENTRICULAR_TACHYCARDIA)


def test_fibrillating_ventricles_tell_nothing_of_the_atria() -> None:
    params, state = rhythm_params(FS, limits_of("adult"))[0], np.zeros(1, kernel.STATE)[0]
    kernel.begin(state, -1.0)
    out, row, n = np.zeros(200, FINDING), np.zeros(1, FINDING)[0], 0
    row["quality"], row["body"][LABEL] = 1.0, ord("N")
    rng, t_s = np.random.default_rng(5), 1.0
    for k in range(90):  # steady, then beats at random while the waves are those of a fibrillation, then steady
        wild = 30 <= k < 70
        row["body"][INTERVAL_S] = rng.uniform(0.3, 1.2) if wild else 0.8
        t_s += row["body"][INTERVAL_S]
        row["t"], row["t_known"] = t_s * FS, np.ceil((t_s + 0.2) * FS)
        n = kernel.beat(params, state, row, out, n)
        code = codes.VENTRICULAR_FIBRILLATION if wild else 0
        n = kernel.tick(params, state, t_s * FS, False, code, (t_s - 1) * FS, out, n)
    assert codes.VENTRICULAR_FIBRILLATION in out["code"][:n]
    assert codes.ATRIAL_FIBRILLATION not in out["code"][:n]


def quiet(seconds: float, mv: float, seed: int = 3) -> NDArray[np.float64]:
    return mv * np.random.default_rng(seed).normal(size=round(seconds * FS))


@pytest.fixture(scope="module")
def standstill() -> NDArray[Any]:
    _, before = rhythm(FS, 30, seed=1)
    r_s, after = rhythm(FS, 20, seed=2)
    assert r_s[0] >= 0.5
    return chain(np.concatenate([before, quiet(15, 0.01), after]), FS)


def test_an_asystole_is_decided_within_four_and_a_half_seconds_of_the_last_beat(standstill: NDArray[Any]) -> None:
    rows = standstill[(standstill["what"] == EVENT) & (standstill["code"] == codes.ASYSTOLE)]
    assert len(rows) == 2
    assert 28 * FS < rows["t"][0] < 30 * FS
    assert rows["t_known"][0] <= rows["t"][0] + 4.5 * FS
    assert 45 * FS < rows["body"][1, T_END] < 47 * FS


def test_beats_come_back_to_a_rhythm_after_an_asystole(standstill: NDArray[Any]) -> None:
    first, second = spans(standstill, codes.SINUS_RHYTHM)
    assert first[1] <= 30
    assert 45 <= second[0] <= 48
    assert not spans(standstill, codes.PAUSE)


@pytest.mark.parametrize("off", ["dead", "missing", "noise"])
def test_no_usable_signal_is_never_an_asystole(off: str) -> None:
    _, before = rhythm(FS, 30)
    n = round(20 * FS)
    lost = {"dead": np.zeros(n), "missing": np.full(n, np.nan), "noise": quiet(20, 1.0)}[off]
    events = chain(np.concatenate([before, lost]), FS)
    events = events[events["what"] == EVENT]
    assert codes.ASYSTOLE not in events["code"]
    (sinus,) = spans(events, codes.SINUS_RHYTHM)
    assert sinus[1] <= 36


def test_small_beats_are_no_asystole() -> None:
    r_s = np.arange(0.5, 60, 0.8)
    t_s = np.arange(round(60 * FS)) / FS
    x = wave(t_s, r_s[r_s < 30]) + wave(t_s, r_s[r_s >= 30], 0.12) + quiet(60, 0.003)
    assert codes.ASYSTOLE not in chain(x, FS)["code"]
