"""Blinks in eye aspect ratios whose truth is known."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import AMPLITUDE, COMPLETENESS, END, FINDING, INTERVAL_S, LABEL, ONSET, WIDTH_S
from vitalcore.kernels.landmarks import blink
from vitalcore.operators.face import Blinks

Array = NDArray[np.float64]

PARAMS = Blinks().params()[0]


def ear(t: Array, apexes: Any, depths: Any, level: Any = 0.3) -> Array:
    v: Array = np.broadcast_to(level, len(t))
    for a, d in zip(apexes, depths, strict=True):
        v = v - d * np.exp(-0.5 * ((t - a) / np.where(t < a, 0.026, 0.057)) ** 2)
    return v


def find(t: Any, *eyes: Array) -> NDArray[Any]:
    state = np.zeros(1, blink.EYES)
    state["eyes"] = blink.fresh()[0]
    out = np.zeros(len(t) * len(eyes), FINDING)
    x = np.ascontiguousarray(np.column_stack([np.rint(np.asarray(t) * 1e9), *eyes]))
    return out[: blink.step(PARAMS, state[0], x, out)]


def times(fs: float, duration_s: float, seed: int = 0) -> Array:
    n = int(fs * duration_s)
    return (np.arange(n) + np.random.default_rng(seed).uniform(0, 0.2, n)) / fs


@pytest.mark.parametrize(("fs", "tolerance_s"), [(25, 0.02), (30, 0.015), (60, 0.01), (120, 0.006), (240, 0.006)])
def test_every_blink_is_found_at_its_apex_at_any_rate(fs: float, tolerance_s: float) -> None:
    apexes = np.arange(1, 28, 1.37)
    t = times(fs, 30)
    found = find(t, ear(t, apexes, np.full(len(apexes), 0.25)))
    assert len(found) == len(apexes)
    assert np.abs(found["t"] / 1e9 - apexes).max() < tolerance_s
    assert (found["code"] == codes.BLINK).all()
    assert (found["channel"] == -1).all()


def test_measurements_of_a_blink_are_those_of_its_shape() -> None:
    t = times(240, 6)
    first, second = find(t, ear(t, [2.0, 3.5], [0.25, 0.12]))
    half = np.sqrt(2 * np.log(2))
    assert first["body"][AMPLITUDE] == pytest.approx(0.25, abs=0.005)
    assert first["body"][WIDTH_S] == pytest.approx(half * (0.026 + 0.057), abs=0.004)
    assert 2.0 - first["body"][ONSET] / 1e9 == pytest.approx(0.026 * np.sqrt(-2 * np.log(0.14)), abs=0.01)
    assert first["body"][END] / 1e9 - 2.0 == pytest.approx(0.057 * np.sqrt(-2 * np.log(0.2)), abs=0.004)
    assert first["body"][COMPLETENESS] == pytest.approx((0.25 / 0.3) / 0.85, abs=0.02)
    assert chr(int(first["body"][LABEL])) == "C"
    assert chr(int(second["body"][LABEL])) == "P"
    assert second["body"][INTERVAL_S] == pytest.approx(1.5, abs=0.01)
    assert np.isnan(first["body"][INTERVAL_S])


def test_a_blink_is_said_within_its_limits() -> None:
    t = times(30, 60)
    apexes = np.arange(1, 58, 1.1)
    said = find(t, ear(t, apexes, np.full(len(apexes), 0.25)))
    late = said["t_known"] - said["t"]
    assert np.percentile(late, 95) <= 300e6
    assert late.max() <= 600e6


def test_noise_a_closure_a_slow_change_and_a_lower_gaze_are_no_blinks() -> None:
    t = times(30, 20)
    noise = np.random.default_rng(1).normal(0, 0.007, len(t))
    closed = np.where((t > 5) & (t < 8), 0.05, 0.3)
    slow = 0.25 + 0.1 * np.cos(2 * np.pi * 0.3 * t)
    gaze = np.interp(t, [0, 6, 6.15, 9, 9.15, 20], [0.3, 0.3, 0.17, 0.17, 0.3, 0.3])
    for level in (0.3, closed, slow, gaze):
        assert len(find(t, noise + level)) == 0


def test_blinks_of_a_lowered_gaze_are_found() -> None:
    t = times(30, 12)
    gaze = np.interp(t, [0, 4, 4.15, 12], [0.3, 0.3, 0.17, 0.17])
    assert len(find(t, ear(t, [5.0, 6.0, 7.0, 9.0], [0.12] * 4, gaze))) == 4


def test_one_frame_down_is_a_glitch() -> None:
    t = times(30, 6)
    v = np.full(len(t), 0.3)
    v[90] = 0.05
    assert len(find(t, v)) == 0


def test_two_blinks_in_a_row_are_two() -> None:
    t = times(60, 6)
    assert len(find(t, ear(t, [3.0, 3.4], [0.25, 0.25]))) == 2


def test_eyes_do_not_feel_each_other() -> None:
    t = times(30, 20)
    left, right = ear(t, [3.0, 9.0], [0.25, 0.2]), ear(t, [5.0, 15.0], [0.2, 0.25])
    both = find(t, left, right)
    for side, alone in ((0, find(t, left)), (1, find(t, right))):
        mine = both[both["channel"] == side].copy()
        mine["channel"] = -1
        assert mine.tobytes() == alone.tobytes()


def test_a_gap_ends_what_is_open_and_makes_no_blink() -> None:
    t = times(30, 20)
    v = ear(t, [5.0, 12.0], [0.25, 0.25])
    lost = (t > 4.97) & (t < 8)  # in the middle of the first
    assert len(find(t[~lost], v[~lost])) == 1
    missing = np.where(lost, np.nan, v)
    found = find(t, missing)
    assert len(found) == 1
    assert np.isnan(found["body"][0, INTERVAL_S])


def test_a_blink_already_seen_is_said_when_the_stream_falls_silent() -> None:
    t = np.append(np.arange(0, 3.1, 1 / 30), 9.0)
    v = np.append(ear(t[:-1], [3.0], [0.25]), np.nan)
    (found,) = find(t, v)
    assert np.isnan(found["body"][END])
    assert found["t_known"] - found["t"] <= 600e6


def test_huge_and_missing_values_are_forgotten() -> None:
    t = times(30, 12)
    v = ear(t, [8.0], [0.25])
    v[60:70] = [1e300, -1e300, np.inf, -np.inf, np.nan, 1e9, -1e9, 0, 0, 0]
    assert len(find(t, v)) == 1


def test_a_sample_whose_time_does_not_increase_is_skipped() -> None:
    t = times(30, 6)
    v = ear(t, [3.0], [0.25])
    again = np.repeat(np.arange(len(t)), 2)
    assert find(t[again], v[again]).tobytes() == find(t, v).tobytes()
    assert len(find([-1.0, np.nan, np.inf, 1e250], np.zeros(4))) == 0


def test_any_cut_gives_the_same() -> None:
    t = times(30, 30)
    rng = np.random.default_rng(2)
    v = ear(t, np.arange(1, 28, 0.9), rng.uniform(0.1, 0.3, 30)) + rng.normal(0, 0.01, len(t))
    x = np.column_stack([np.rint(t * 1e9), v, v[::-1]])
    whole = find(t, v, v[::-1])
    assert len(whole) > 20
    for _ in range(20):
        state = np.zeros(1, blink.EYES)
        state["eyes"] = blink.fresh()[0]
        parts = []
        for part in np.split(x, np.sort(rng.integers(0, len(t) + 1, 8))):
            out = np.zeros(2 * len(part), FINDING)
            parts.append(out[: blink.step(PARAMS, state[0], np.ascontiguousarray(part), out)])
            state = state.copy()
        assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_crossings_and_turns_lie_where_lines_and_parabolas_have_them() -> None:
    assert blink.crossing(0.0, 1.0, 2.0, 3.0, 2.5) == 1.5
    assert blink.crossing(0.0, 1.0, 2.0, 1.0, 1.0) == 2.0

    def f(t: float) -> float:
        return (t - 1.2) ** 2

    assert blink.turn(0.0, f(0.0), 1.0, f(1.0), 2.5, f(2.5)) == pytest.approx(1.2)
    assert blink.turn(0.0, 1.0, 1.0, 1.0, 2.0, 1.0) == 1.0


def test_a_blink_in_the_first_moments_of_a_glance_down_is_found() -> None:
    t = times(30, 12)
    gaze = np.interp(t, [0, 4, 4.15, 12], [0.3, 0.3, 0.18, 0.18])
    for apex in (4.6, 4.7, 4.8, 4.9, 5.0, 5.2):
        (found,) = find(t, ear(t, [apex], [0.14], gaze))
        assert abs(found["t"] / 1e9 - apex) < 0.02


def test_a_second_blink_that_begins_before_the_first_has_ended_is_found() -> None:
    t = times(60, 6)
    for apart in (0.2, 0.25, 0.3):
        found = find(t, ear(t, [3.0, 3.0 + apart], [0.24, 0.24]))
        np.testing.assert_allclose(found["t"] / 1e9, [3.0, 3.0 + apart], atol=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_blinks_of_a_wandering_noisy_eye_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    t = times(30, 120, seed)
    apexes = np.cumsum(rng.uniform(0.8, 6, 200))
    apexes = apexes[apexes < 118]
    depths = np.where(rng.random(len(apexes)) < 0.3, rng.uniform(0.5, 0.8, len(apexes)), 0.9)
    level = rng.uniform(0.2, 0.35) * (1 + 0.1 * np.sin(2 * np.pi * 0.05 * t) + 0.05 * np.sin(2 * np.pi * 0.21 * t))
    v = level * (1 - (1 - ear(t, apexes, depths, 1.0))) + rng.normal(0, 0.007, len(t))
    found = find(t, v)["t"] / 1e9
    hits = np.abs(found[:, None] - apexes).min(axis=0) < 0.15
    assert hits.mean() > 0.95
    assert len(found) < len(apexes) * 1.03
