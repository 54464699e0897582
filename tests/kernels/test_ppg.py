"""The PPG chain: tables, wave, rates, perfusion, and honesty where there is no pulse."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from vitalcore.findings import beats, events, features
from vitalcore.fixtures.pulsatile import ppg as make
from vitalcore.kernels import ppg
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import FINDING
from vitalcore.operator import Design, Signal
from vitalcore.operators.ppg import Ppg

Array = NDArray[np.float64]


def designed(fs_hz: float = 125, n_channels: int = 1, **parameters: bool | str) -> Design:
    names = tuple("abcdefgh"[:n_channels])
    return Ppg(**parameters).design(Signal("ppg", Fraction(fs_hz), names))  # type: ignore[arg-type]  # as given


def run(design: Design, x: Array) -> tuple[NDArray[np.void], Array]:
    x = np.ascontiguousarray(x.reshape(len(x), -1))
    state, buffer = (part.copy() for part in design.memory)
    assert design.capacity is not None
    wave, out = np.empty_like(x), np.zeros(design.capacity(len(x)), FINDING)
    n = design.kernel(design.params, state[0], buffer, x, wave, out)
    return out[:n], wave


def value(found: NDArray[np.void], code: int, channel: int = 0) -> Array:
    rows = features(found, code)
    values: Array = rows["value"][rows["channel"] == channel]
    return values


def pulsing(
    rate: float = 75, seconds: float = 60, fs_hz: float = 125, level: float = 100.0, size: float = 1.0
) -> Array:
    return make(fs_hz, np.full(int(seconds * rate / 60) + 1, 60 / rate), level=level, size=size).x


def test_streams_of_a_table_do_not_feel_each_other() -> None:
    rng = np.random.default_rng(10)
    signals = [np.column_stack([pulsing(rate, 40), 3 * pulsing(rate, 40)])[:4000] for rate in (50, 90)]
    signals.append(np.full((4000, 2), np.nan))
    signals[0][1000:1500] = np.nan
    design = designed(n_channels=2)
    assert design.capacity is not None
    alone = [run(design, x) for x in signals]
    states = np.repeat(design.memory[0], 5)
    buffers = np.repeat(design.memory[1][None, :], 5, axis=0)
    params, kinds = np.array([design.params]), np.zeros(5, np.int64)
    slots_of, at = [3, 0, 4], [0, 0, 0]
    finds: list[NDArray[np.void]] = []
    waves: list[list[Array]] = [[], [], []]
    while min(at) < 4000:
        order = rng.permutation(3)[: rng.integers(1, 4)]
        sizes = [min(int(rng.integers(0, 700)), 4000 - at[k]) for k in order]
        x = np.concatenate([signals[k][at[k] : at[k] + m] for k, m in zip(order, sizes, strict=True)])
        wave, out = np.empty_like(x), np.zeros(3 * design.capacity(700), FINDING)
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        slots = np.array([slots_of[k] for k in order])
        n = ppg.step_many(params, kinds, states, buffers, slots, offsets, x, wave, out)
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


def test_the_wave_is_the_filter_of_scipy_that_begins_at_rest_on_the_first_sample() -> None:
    x = np.column_stack([pulsing(level=5000), -0.01 * pulsing()])
    _, wave = run(designed(n_channels=2), x)
    sections = butter(2, (0.5, 8), "bandpass", fs=125, output="sos")
    for c in range(2):
        np.testing.assert_allclose(wave[:, c], sosfilt(sections, x[:, c] - x[0, c]), atol=1e-12)


def test_the_wave_is_missing_where_samples_are_and_begins_anew_after_a_gap() -> None:
    x = pulsing()
    x[1000:1600] = np.nan
    x[1600:] += 1e4
    _, wave = run(designed(), x)
    assert np.isnan(wave[:, 0]).tolist() == np.isnan(x).tolist()
    assert np.abs(wave[1600:]).max() < 1.0


@pytest.mark.parametrize("fs_hz", [Fraction(25), Fraction(2500, 21), Fraction(125, 2), Fraction(1000)])
def test_features_come_once_a_second_at_the_sample_that_ends_it(fs_hz: Fraction) -> None:
    design = Ppg().design(Signal("ppg", fs_hz))
    found, _ = run(design, pulsing(seconds=12, fs_hz=float(fs_hz)))
    for code in (codes.PULSE_RATE, codes.PULSE_RATE_INSTANT, codes.PERFUSION_INDEX, codes.SIGNAL_QUALITY):
        rows = features(found, code)
        assert rows["t"].tolist() == [-(-k * fs_hz.numerator // fs_hz.denominator) for k in range(1, 13)]
        assert (rows["t_known"] == rows["t"]).all()


@pytest.mark.parametrize("rate", [18, 30, 60, 120, 200, 240, 300])
def test_the_rate_is_right_within_ten_seconds_or_six_pulses(rate: int) -> None:
    found, _ = run(designed(), pulsing(rate))
    settled = max(10, round(7 * 60 / rate))
    assert value(found, codes.PULSE_RATE)[settled:] == pytest.approx(rate, rel=0.01)
    assert value(found, codes.PULSE_RATE_INSTANT)[settled:] == pytest.approx(rate, rel=0.03)
    assert (value(found, codes.SIGNAL_QUALITY)[settled:] > 0.8).all()


def test_perfusion_is_pulse_over_mean_of_each_wavelength() -> None:
    truth = make(125, np.full(80, 0.8))
    beat = (truth.x - truth.mean) / truth.height
    x = np.column_stack([200 + 4 * beat, 1000 + 0.5 * beat])
    found, _ = run(designed(n_channels=2), x)
    assert value(found, codes.PERFUSION_INDEX, 0)[15:] == pytest.approx(2.0, rel=0.05)
    assert value(found, codes.PERFUSION_INDEX, 1)[15:] == pytest.approx(0.05, rel=0.05)
    weak = features(found, codes.PERFUSION_INDEX)
    weak = weak[weak["channel"] == 1][15:]
    assert (weak["reasons"] & codes.LOW_PERFUSION).all()


@pytest.mark.parametrize("level", [0.0, -50.0])
def test_without_a_mean_level_there_is_no_perfusion(level: float) -> None:
    found, _ = run(designed(), pulsing(level=level))
    rows = features(found, codes.PERFUSION_INDEX)[5:]
    assert np.isnan(rows["value"]).all()
    assert (rows["reasons"] & codes.NO_DC).all()


def test_transmitted_light_points_down_and_has_the_same_perfusion() -> None:
    x = pulsing()
    up, _ = run(designed(), x)
    down, _ = run(designed(inverted=True), 200 - x)
    assert len(beats(up)) == len(beats(down)) > 50
    assert value(down, codes.PERFUSION_INDEX)[10:] == pytest.approx(value(up, codes.PERFUSION_INDEX)[10:], rel=0.02)


def test_pulses_are_found_in_the_channel_asked_for() -> None:
    x = np.column_stack([np.full(7500, 3.0), pulsing()[:7500]])
    found, _ = run(designed(n_channels=2, channel="b"), x)
    assert len(beats(found)) > 60
    assert (beats(found)["channel"] == 1).all()
    assert np.isnan(value(found, codes.PERFUSION_INDEX, 0)).all()
    assert np.isfinite(value(found, codes.PERFUSION_INDEX, 1)[5:]).all()


@pytest.mark.parametrize("dead", [3.0, np.nan])
def test_where_the_first_wavelength_is_dead_pulses_are_found_in_another(dead: float) -> None:
    x = np.column_stack([5 * pulsing(), np.full(len(pulsing()), dead), pulsing()])
    x[3000:, 0] = dead
    found, _ = run(designed(n_channels=3), x)
    pulses = beats(found)
    assert sorted(set(pulses["channel"])) == [0, 2]
    later = pulses[pulses["t"] > 3000 + 125 * 5]
    assert (later["channel"] == 2).all()
    assert len(later) > 35
    assert value(found, codes.PULSE_RATE, 2)[-20:] == pytest.approx(75, rel=0.01)
    stays, _ = run(designed(n_channels=3, channel="a"), x)
    assert (beats(stays)["t"] < 3001).all()


@pytest.mark.parametrize(
    ("off", "reason"),
    [
        ("missing", codes.MISSING),
        ("flat", codes.FLAT | codes.LEAD_OFF),
        ("rail", codes.SATURATED),
        ("hum", codes.NOISE),
    ],
)
def test_fifteen_seconds_without_a_pulse_give_no_pulse_no_rate_and_one_event(off: str, reason: int) -> None:
    x = pulsing(seconds=80)
    a, b = 125 * 30, 125 * 45
    x[a:b] = {
        "missing": np.full(b - a, np.nan),
        "flat": np.full(b - a, x[a]),
        "rail": np.full(b - a, 140.0),
        "hum": 100 + 0.5 * np.sin(2 * np.pi * 50 * np.arange(b - a) / 125),
    }[off]
    found, _ = run(designed(), x)
    inside = found[(found["t_known"] > a + 125 * 5) & (found["t_known"] < b)]
    assert len(beats(inside)) == 0
    for code in (codes.PULSE_RATE, codes.PULSE_RATE_INSTANT, codes.PERFUSION_INDEX):
        rows = features(inside, code)
        assert np.isnan(rows["value"]).all()
        assert ((rows["reasons"] & reason) == reason).all()
    assert (features(inside, codes.SIGNAL_QUALITY)["value"] == 0).all()
    began, ended = events(found, codes.NO_USABLE_SIGNAL)
    assert a - 125 <= began["t"] <= a + 125 * 5
    assert np.isnan(began["t_end"])
    assert ended["t"] == began["t"]
    assert b <= ended["t_end"] <= b + 125 * 6
    after = found[found["t"] > b + 125 * 8]
    assert value(after, codes.PULSE_RATE) == pytest.approx(75, rel=0.01)


def test_a_recording_that_begins_dead_says_so() -> None:
    for dead in (0.0, np.nan):
        found, _ = run(designed(), np.full(1250, dead))
        (lost,) = events(found)
        assert lost["t"] == 0
        assert np.isnan(lost["t_end"])
        assert np.isnan(value(found, codes.PULSE_RATE)).all()


def test_clipped_tops_are_told_and_do_not_stop_the_rate() -> None:
    x = np.minimum(pulsing(60), 100.6)
    found, _ = run(designed(), x)
    rows = features(found, codes.SIGNAL_QUALITY)[10:]
    assert (rows["reasons"] & codes.SATURATED).mean() > 0.8 * codes.SATURATED
    assert value(found, codes.PULSE_RATE)[10:] == pytest.approx(60, rel=0.02)


def test_movement_and_noise_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    for disturbance, reason in (
        (6 * np.sin(2 * np.pi * 0.9 * np.arange(1250) / 125) * rng.uniform(0.5, 1, 1250), codes.MOTION),
        (0.3 * rng.normal(size=1250), codes.NOISE),
    ):
        x = pulsing()
        x[3000:4250] += disturbance
        found, _ = run(designed(), x)
        rows = features(found, codes.SIGNAL_QUALITY)
        during = rows[(rows["t"] > 3250) & (rows["t"] < 4250)]
        assert ((during["reasons"] & reason) != 0).mean() > 0.7
        assert during["value"].mean() < 0.6
        assert (rows[-5:]["value"] > 0.8).all()
        assert not rows[-5:]["reasons"].any()
