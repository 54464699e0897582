"""The ECG chain: laws, rates, and honesty where there is no signal."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfilt_zi

from vitalcore.fixtures.ecg import rhythms
from vitalcore.fixtures.ecg.script import Layer, Script
from vitalcore.fixtures.ecg_signals import chain, feature, matched, rhythm, run, signal, splits
from vitalcore.kernels import ecg
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import ALARM, BEAT, EVENT, EVIDENCE_FROM, EVIDENCE_TO, FEATURE, FINDING, T_END
from vitalcore.operators.ecg import Ecg


def stormy(fs_hz: float = 250, n_leads: int = 1):  # type: ignore[no-untyped-def]  # an array
    """A signal with everything in it: beats, short and long gaps, noise, a rail, a glitch."""
    _, x = rhythm(fs_hz, 16, jitter=0.3)
    rng = np.random.default_rng(8)
    many = np.column_stack([x * (1 + 0.5 * k) + 0.02 * rng.normal(size=len(x)) for k in range(n_leads)])
    s = int(fs_hz)
    many[5 * s : 5 * s + s // 50, 0] = np.nan
    many[6 * s : 7 * s, 0] = np.nan
    many[8 * s : 11 * s, 0] = 5.0
    many[12 * s, 0] = 1e300
    many[13 * s : 14 * s, -1] += rng.normal(size=s)
    return many


@pytest.mark.parametrize("n_leads", [1, 3])
def test_any_split_gives_the_same_findings_and_wave(n_leads: int) -> None:
    rng = np.random.default_rng(9)
    x = stormy(250, n_leads)
    design = Ecg().design(signal(250, n_leads))
    whole = [part.tobytes() for part in run(design, [x])]
    for _ in range(500):
        assert [part.tobytes() for part in run(design, np.split(x, splits(len(x), rng, 10)))] == whole
    assert [part.tobytes() for part in run(design, np.split(x, len(x)))] == whole


def test_a_copied_memory_goes_on_bit_for_bit() -> None:
    x = stormy(360)
    design = Ecg().design(signal(360))
    state, buffer = design.memory
    assert design.capacity is not None
    wave, out = np.empty_like(x), np.zeros(design.capacity(len(x)), FINDING)
    n = design.kernel(design.params, state[0], buffer, x[:2000], wave[:2000], out)
    again, ring = np.frombuffer(bytearray(state.tobytes()), state.dtype), buffer.copy()
    rest = []
    for s, b in ((state, buffer), (again, ring)):
        w, o = np.empty_like(x[2000:]), np.zeros(len(out), FINDING)
        m = design.kernel(design.params, s[0], b, np.ascontiguousarray(x[2000:]), w, o)
        rest.append((w.tobytes(), o[:m].tobytes()))
    assert n > 0
    assert rest[0] == rest[1]


def test_streams_of_a_table_do_not_feel_each_other() -> None:
    rng = np.random.default_rng(10)
    signals = [stormy(250), stormy(250)[::-1].copy(), np.full((4000, 1), np.nan)]
    design = Ecg().design(signal(250))
    assert design.capacity is not None
    alone = [run(design, [x]) for x in signals]
    states = np.repeat(design.memory[0], 5)
    buffers = np.repeat(design.memory[1][None, :], 5, axis=0)
    params, kinds = np.array([design.params]), np.zeros(5, np.int64)
    slots_of = [3, 0, 4]
    at = [0, 0, 0]
    finds: list[NDArray[Any]] = []
    waves: list[list[NDArray[np.float64]]] = [[], [], []]
    while min(at) < 4000:
        order = rng.permutation(3)[: rng.integers(1, 4)]
        sizes = [min(int(rng.integers(0, 700)), 4000 - at[k]) for k in order]
        x = np.concatenate([signals[k][at[k] : at[k] + m] for k, m in zip(order, sizes, strict=True)])
        wave, out = np.empty_like(x), np.zeros(3 * design.capacity(700), FINDING)
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        slots = np.array([slots_of[k] for k in order])
        n = ecg.step_many(params, kinds, states, buffers, slots, offsets, x, wave, out)
        finds.append(out[:n].copy())
        for k, a, b in zip(order, offsets[:-1], offsets[1:], strict=True):
            waves[k].append(wave[a:b].copy())
            at[k] += int(b - a)
    found = np.concatenate(finds)
    for k, slot in enumerate(slots_of):
        mine = found[found["slot"] == slot]
        mine["slot"] = 0
        assert mine.tobytes() == alone[k][0].tobytes()
        assert np.concatenate(waves[k]).tobytes() == alone[k][1].tobytes()
    assert states[1].tobytes() == design.memory[0][0].tobytes()  # an unused slot stays as it was


def test_the_wave_is_the_filter_of_scipy() -> None:
    _, x = rhythm(250, 10)
    _, wave = run(Ecg().design(signal(250)), [x])
    sections = butter(2, (0.5, 40), "bandpass", fs=250, output="sos")
    expected, _ = sosfilt(sections, x, zi=sosfilt_zi(sections) * x[0])
    np.testing.assert_allclose(wave[:, 0], expected, atol=1e-9)  # rounding of a start from steady state only


@pytest.mark.parametrize("fs_hz", [100, 128, 250, 360, 1000])
def test_features_come_every_second_at_the_sample_that_ends_it(fs_hz: int) -> None:
    found = chain(rhythm(fs_hz, 20.5)[1], fs_hz)
    rows = found[(found["what"] == FEATURE) & (found["code"] == codes.HEART_RATE)]
    assert rows["t"].tolist() == [k * fs_hz for k in range(1, 21)]
    assert (rows["t_known"] == rows["t"]).all()


@pytest.mark.parametrize("rate", [20, 45, 75, 180, 300])
def test_the_rate_is_right_within_ten_seconds(rate: int) -> None:
    _, x = rhythm(250, 40, rate=rate, jitter=0.01) if rate < 200 else quick(rate)
    values = feature(chain(x, 250), codes.HEART_RATE)
    assert not np.isnan(values[9:]).any()
    assert values[14:] == pytest.approx(rate, rel=0.02)


def quick(rate: int):  # type: ignore[no-untyped-def]  # beat times and samples
    t_s = np.arange(40 * 250) / 250
    r_s = np.arange(0.5, 39.9, 60 / rate)
    return r_s, np.exp(-0.5 * (((t_s - 0.5 + 30 / rate) % (60 / rate) - 30 / rate) / 0.011) ** 2)


@pytest.mark.parametrize("off", ["flat", "rail", "missing", "mains"])
def test_ten_seconds_without_a_lead_give_no_beats_no_rate_and_one_event(off: str) -> None:
    _, x = rhythm(250, 40)
    n = 2500
    x[n : 2 * n] = {
        "flat": np.zeros(n),
        "rail": np.full(n, 5.0),
        "missing": np.full(n, np.nan),
        "mains": 3 * np.sin(2 * np.pi * 50 * np.arange(n) / 250),
    }[off]
    found = chain(x, 250)
    inside = found[(found["t_known"] > n + 1500) & (found["t_known"] < 2 * n)]
    assert not (inside["what"] == BEAT).any()
    assert np.isnan(feature(inside, codes.HEART_RATE)).all()
    assert np.isnan(feature(inside, codes.HEART_RATE_INSTANT)).all()
    assert inside[inside["code"] == codes.HEART_RATE]["reasons"].all()
    events = found[(found["what"] == EVENT) & (found["code"] == codes.NO_USABLE_SIGNAL)]
    assert len(events) == 2
    assert np.isnan(events["body"][0, T_END])
    assert 2 * n - 250 <= events["body"][1, T_END] <= 2 * n + 750
    after = feature(found[found["t"] > 2 * n + 10 * 250], codes.HEART_RATE)
    assert after == pytest.approx(75, rel=0.05)


def test_a_signal_that_begins_dead_says_so() -> None:
    found = chain(np.full(1250, np.nan), 250)
    assert (found["what"] == EVENT).sum() == 1
    event = found[found["what"] == EVENT][0]
    assert (event["t"], event["t_known"]) == (251, 500)
    assert event["body"][[EVIDENCE_FROM, EVIDENCE_TO]].tolist() == [0, 500]
    assert np.isnan(feature(found, codes.HEART_RATE)).all()


@pytest.mark.parametrize("n_leads", [2, 12])
def test_the_chain_goes_on_when_a_lead_goes_off(n_leads: int) -> None:
    r_s, one = rhythm(250, 60)
    for lead in (0, n_leads - 1):
        x = np.column_stack([one * (1.0 if k % 2 == 0 else -0.6) for k in range(n_leads)])
        x[5000:10000, lead] = 5.0
        found = chain(x, 250)
        rates = feature(found, codes.HEART_RATE)
        assert rates[10:] == pytest.approx(75, rel=0.06)
        t_s = found[found["what"] == BEAT]["t"] / 250
        assert np.isnan(matched(t_s, r_s[r_s > 2])).sum() <= 1
        assert (feature(found, codes.SIGNAL_QUALITY, lead)[21:39] == 0).all()
        assert (found[found["what"] == EVENT]["code"] == codes.SINUS_RHYTHM).all()


def test_white_noise_has_no_good_beats() -> None:
    found = chain(np.random.default_rng(11).normal(0, 0.5, 250 * 60), 250)
    assert (found[(found["what"] == BEAT) & (found["t"] > 1000)]["quality"] < 0.5).mean() > 0.95
    assert np.isnan(feature(found, codes.HEART_RATE)).mean() > 0.8


@pytest.mark.parametrize(("wander_mv", "at_s", "told"), [(0.0, 65, True), (0.7, 65, False), (0.7, 95, True)])
def test_a_run_behind_drowning_noise_counts_when_the_lead_has_proved_itself(
    wander_mv: float, at_s: float, told: bool
) -> None:
    script = Script(0, at_s + 20)
    rhythms.sinus(script, at_s, 75)
    rhythms.run(script, at_s + 10, 150, n=7)
    rhythms.sinus(script, at_s + 22, 75)
    script.layers += [
        Layer(25, 60, lambda t: script.fresh("noise").normal(len(t)), "LL"),
        Layer(0, at_s + 22, lambda t: wander_mv * np.sin(2 * np.pi * 0.4 * t), "LL"),
    ]
    script.cut()
    found = chain(script.render(Fraction(250), ["II"]), 250)
    said = found[found["what"] == ALARM]["code"]
    assert codes.NO_USABLE_SIGNAL in said
    assert (codes.VENTRICULAR_TACHYCARDIA in said) == told
