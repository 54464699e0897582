"""Tests of the pulse detector on signals with exact truth, on real ones, and under every kind of abuse."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.fixtures.pulsatile import Truth, ppg
from vitalcore.kernels.core.finding import AMPLITUDE, FINDING, INTERVAL_S, ONSET, WIDTH_S
from vitalcore.operator import Design, Signal
from vitalcore.operators.ppg import LATENCY_S, Pulses


def designed(fs_hz: int, inverted: bool = False) -> Design:
    return Pulses(inverted=inverted).design(Signal("ppg", Fraction(fs_hz)))


def run(design: Design, x: NDArray[np.float64], cuts: NDArray[np.int64] | None = None) -> NDArray[np.void]:
    memory = [part.copy() for part in design.memory]
    found = []
    for chunk in np.split(x.reshape(-1, 1), [] if cuts is None else cuts):
        assert design.capacity is not None
        out = np.zeros(design.capacity(len(chunk)), FINDING)
        n = design.kernel(design.params, memory[0][0], memory[1], np.ascontiguousarray(chunk), out)
        found.append(out[:n])
    return np.concatenate(found)


def steady(fs_hz: int, rate: float, n: int = 40, **more: float) -> Truth:
    return ppg(fs_hz, np.full(n, 60 / rate), **more)  # type: ignore[arg-type]  # level and size only


def uneven(fs_hz: int = 125, seconds: float = 60.0, seed: int = 0) -> Truth:
    rng = np.random.default_rng(seed)
    return ppg(fs_hz, rng.uniform(0.7, 1.0, int(seconds / 0.85)))


@pytest.mark.parametrize("rate", [15, 30, 60, 100, 180, 240, 300])
@pytest.mark.parametrize("fs_hz", [25, 50, 125, 300, 1000])
def test_every_pulse_from_15_to_300_a_minute_is_found_once_at_any_rate(fs_hz: int, rate: int) -> None:
    truth = steady(fs_hz, rate)
    t = run(designed(fs_hz), truth.x)["t"] / fs_hz
    expected = truth.peak_s[1:][truth.peak_s[1:] < len(truth.x) / fs_hz - LATENCY_S]  # the first foot is not seen
    settled = expected > 3 * 60 / rate
    t = t[t > 60 / rate]
    nearest = np.abs(t[:, None] - expected[settled]).min(axis=0)
    assert nearest.max() < max(0.02, 0.8 / fs_hz)
    assert settled.sum() <= len(t) <= len(truth.peak_s)


@pytest.mark.parametrize("fs_hz", [125, 300, 1000])
def test_350_pulses_a_minute_are_found_from_125_hz_on(fs_hz: int) -> None:
    truth = steady(fs_hz, 350)
    t = run(designed(fs_hz), truth.x)["t"] / fs_hz
    assert np.abs(t[:, None] - truth.peak_s[3:-1]).min(axis=0).max() < 0.01
    assert len(t) <= len(truth.peak_s)


def test_peak_foot_height_and_interval_are_those_of_the_exact_wave() -> None:
    truth = uneven(250)
    found = run(designed(250), truth.x)[2:]
    k = np.abs(found["t"][:, None] / 250 - truth.peak_s).argmin(axis=1)
    assert np.abs(found["t"] / 250 - truth.peak_s[k]).max() < 0.004
    assert np.abs(found["body"][:, ONSET] / 250 - truth.foot_s[k]).max() < 0.012
    assert np.allclose(found["body"][:, AMPLITUDE], truth.height, rtol=0.05)
    assert np.allclose(found["body"][:, INTERVAL_S], (truth.peak_s[k] - truth.peak_s[k - 1]), atol=0.006)
    assert np.median(found["quality"]) > 0.8


def test_nothing_is_said_later_than_the_declared_latency() -> None:
    for fs_hz, rate in ((25, 30), (125, 20), (125, 75), (1000, 200)):
        found = run(designed(fs_hz), steady(fs_hz, rate).x)
        late = (found["t_known"] - found["t"]) / fs_hz
        assert late.max() <= LATENCY_S
        assert late.min() > 0


def test_any_cut_gives_the_same_bytes() -> None:
    rng = np.random.default_rng(1)
    truth = uneven(seconds=20)
    x = truth.x + 0.05 * rng.standard_normal(len(truth.x))
    x[700:710] = np.nan
    x[1200:1400] = np.nan
    x[1800] = 1e300
    design = designed(125)
    whole = run(design, x).tobytes()
    for _ in range(200):
        cuts = np.sort(rng.integers(0, len(x), rng.integers(1, 40)))
        assert run(design, x, cuts).tobytes() == whole
    assert run(design, x, np.arange(len(x))).tobytes() == whole


@pytest.mark.parametrize(("level", "size"), [(0.0, 1e-3), (5e5, 1e6), (-3e3, 1.0), (2.0, 1e3)])
def test_level_and_scale_change_nothing_but_the_amplitude(level: float, size: float) -> None:
    truth = uneven(seconds=30)
    plain = run(designed(125), truth.x)
    scaled = run(designed(125), level + size * truth.x)
    assert len(plain) == len(scaled)
    assert np.allclose(plain["t"], scaled["t"], atol=1e-3)
    assert np.allclose(plain["body"][1:, AMPLITUDE] * size, scaled["body"][1:, AMPLITUDE], rtol=1e-5)
    assert np.allclose(plain["quality"], scaled["quality"], atol=1e-5)


def test_inverted_means_that_pulses_point_down() -> None:
    truth = uneven(seconds=20)
    assert run(designed(125, inverted=True), -truth.x).tobytes() == run(designed(125), truth.x).tobytes()


@pytest.mark.parametrize("x", [np.zeros(5000), np.full(5000, 7e5), np.full(5000, np.nan), np.full(5000, np.inf)])
def test_a_signal_without_pulses_gives_none(x: NDArray[np.float64]) -> None:
    assert len(run(designed(125), x)) == 0


def disturbed(name: str, x: NDArray[np.float64], a: int, b: int) -> None:
    rng = np.random.default_rng(5)
    if name == "gap":
        x[a:b] = np.nan
    elif name == "flat":
        x[a:b] = x[a]
    elif name == "up":
        x[a:] += 50.0
    elif name == "down":
        x[a:] -= 50.0
    elif name == "spikes":
        x[rng.integers(a, b, 20)] = 1e5
    elif name == "huge":
        x[rng.integers(a, b, 20)] = -1e300
    elif name == "fade":
        x[a:b] = x[a:b].mean() + (x[a:b] - x[a:b].mean()) * np.abs(np.linspace(-1, 1, b - a))
    elif name == "weaker":
        x[a:] *= 0.1
    elif name == "stronger":
        x[a:] *= 10.0
    elif name == "storm":
        x[a:b] += 30 * rng.standard_normal(b - a)
    elif name == "noise":
        x[a:b] += x.std() * 10**-0.5 * rng.standard_normal(b - a)


@pytest.mark.parametrize(
    "name", ["gap", "flat", "up", "down", "spikes", "huge", "fade", "weaker", "stronger", "storm", "noise"]
)
def test_a_disturbance_costs_no_pulse_outside_it(name: str) -> None:
    truth = uneven(seconds=120)
    x = truth.x.copy()
    a, b = 125 * 40, 125 * 50
    disturbed(name, x, a, b)
    t = run(designed(125), x)["t"] / 125
    after = 50.0 if name not in ("up", "down", "weaker", "stronger") else 44.0
    expected = truth.peak_s[(truth.peak_s > 0.1) & (truth.peak_s < 119)]
    outside = expected[(expected < 39.5) | (expected > after + 2.5)]
    assert np.abs(t[:, None] - outside).min(axis=0).max() < 0.02
    surplus = t[((t < 39.5) | ((t > after + 2.5) & (t < 119))) & (np.abs(t[:, None] - expected).min(axis=1) > 0.02)]
    assert len(surplus) == 0


def test_no_interval_spans_a_gap() -> None:
    truth = uneven(seconds=30)
    x = truth.x.copy()
    x[1500:1700] = np.nan
    found = run(designed(125), x)
    first = found[found["t"] > 1700][0]
    assert np.isnan(first["body"][INTERVAL_S])
    assert np.isfinite(found["body"][1:, INTERVAL_S]).sum() == len(found) - 2


def test_a_lost_sample_or_two_is_held_over() -> None:
    truth = uneven(seconds=30)
    x = truth.x.copy()
    x[100::97] = np.nan
    plain, held = run(designed(125), truth.x), run(designed(125), x)
    assert len(plain) == len(held)
    assert np.abs(plain["t"] - held["t"]).max() < 2


def test_width_is_measured_at_half_height() -> None:
    truth = steady(500, 60)
    found = run(designed(500), truth.x)[3:]
    x = truth.x[:500]
    above = (x > x.min() + truth.height / 2).sum() / 500
    assert np.allclose(found["body"][:, WIDTH_S], above, atol=0.02)


def test_noise_alone_is_never_taken_for_good_pulses() -> None:
    x = np.random.default_rng(3).standard_normal(125 * 60)
    found = run(designed(125), x)
    assert len(found) < 60
    assert (found["quality"] < 0.5).mean() > 0.7


def test_heart_rate_may_change_at_once() -> None:
    truth = ppg(125, np.concatenate([np.full(30, 1.0), np.full(60, 0.4), np.full(20, 1.5)]))
    t = run(designed(125), truth.x)["t"] / 125
    expected = truth.peak_s[truth.peak_s < len(truth.x) / 125 - LATENCY_S]
    missed = (np.abs(t[:, None] - expected).min(axis=0) > 0.02).sum()
    assert missed <= 1
    assert len(t) <= len(expected) + 1
    assert all(a < b for a, b in pairwise(t))
