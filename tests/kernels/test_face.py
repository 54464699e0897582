"""The chain of the face by itself: cuts, tables, mirror, missing frames."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.fixtures.face import simulate_face
from vitalcore.kernels import face
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import BEAT, FEATURE, FINDING, LEFT, RIGHT, VALUE
from vitalcore.operator import Signal
from vitalcore.operators import face as floor
from vitalcore.operators.face import Face, frames

Array = NDArray[np.float64]
Memory = tuple[NDArray[Any], Array]

IBUG = Face("ibug68").design(Signal("face", None, ("",) * 204))


def fresh() -> Memory:
    return IBUG.memory[0].copy(), IBUG.memory[1].copy()


def run(x: Array, memory: Memory | None = None) -> tuple[Array, NDArray[Any]]:
    state, buffer = memory if memory else fresh()
    wave, out = np.full((len(x), face.N_WAVE), 7.0), np.zeros(face.FINDINGS * len(x), FINDING)
    n = IBUG.kernel(IBUG.params, state[0], buffer, np.ascontiguousarray(x), wave, out)
    return wave, out[:n]


def simulated(duration_s: float = 12.0, seed: int = 3, **how: Any) -> Array:
    made = simulate_face(duration_s, 30, "ibug68", seed, **how)
    return frames(made.t_ns, made.points)


def value_of(out: NDArray[Any], code: int, channel: int) -> Array:
    values: Array = out["body"][(out["what"] == FEATURE) & (out["code"] == code) & (out["channel"] == channel), VALUE]
    return values


def test_any_cut_gives_the_same_and_an_empty_chunk_changes_nothing() -> None:
    x = simulated()
    x[100:103, 1:] = np.nan
    x[200:, 0] += 3e9
    wave, out = run(x)
    assert len(out) > 100
    rng = np.random.default_rng(0)
    for _ in range(15):
        memory = fresh()
        parts = [run(part, memory) for part in np.split(x, np.sort(rng.integers(0, len(x) + 1, 9)))]
        assert np.concatenate([w for w, _ in parts]).tobytes() == wave.tobytes()
        assert np.concatenate([f for _, f in parts]).tobytes() == out.tobytes()


def test_a_restored_row_goes_on_bit_for_bit() -> None:
    x = simulated()
    memory = fresh()
    run(x[:170], memory)
    saved = [part.tobytes() for part in memory]
    wave, out = run(x[170:], memory)
    again = (np.frombuffer(saved[0], face.STATE).copy(), np.frombuffer(saved[1]).copy())
    wave2, out2 = run(x[170:], again)
    assert (wave2.tobytes(), out2.tobytes()) == (wave.tobytes(), out.tobytes())


def test_rows_of_a_table_do_not_feel_each_other() -> None:
    one, two = simulated(seed=1), simulated(seed=2)
    params, kinds, states = (
        np.array([IBUG.params] * 2),
        np.array([0, 0, 1]),
        np.concatenate([fresh()[0] for _ in range(3)]),
    )
    buffers = np.zeros((3, fresh()[1].size))
    found = []
    for a in range(0, len(one), 30):
        x = np.ascontiguousarray(np.concatenate([one[a : a + 30], two[a : a + 30]]))
        wave, out = np.zeros((len(x), face.N_WAVE)), np.zeros(face.FINDINGS * len(x), FINDING)
        n = face.step_many(
            params, kinds, states, buffers, np.array([2, 0]), np.array([0, len(one[a : a + 30]), len(x)]), x, wave, out
        )
        found.append(out[:n].copy())
    table = np.concatenate(found)
    for slot, x in ((2, one), (0, two)):
        mine = table[table["slot"] == slot].copy()
        mine["slot"] = 0
        assert mine.tobytes() == run(x)[1].tobytes()
    assert states[1].tobytes() == fresh()[0][0].tobytes()


def test_the_input_is_not_changed() -> None:
    x = simulated(4.0)
    before = x.copy()
    run(x)
    assert x.tobytes() == before.tobytes()


MIRRORED = np.arange(68)
for left, right in floor.IBUG68.pairs:
    MIRRORED[[left, right]] = right, left
for lefts, rights in (floor.IBUG68.eyes, floor.IBUG68.brows, floor.IBUG68.mouth):
    MIRRORED[np.ravel(lefts)], MIRRORED[np.ravel(rights)] = np.ravel(rights), np.ravel(lefts)


@pytest.mark.parametrize("depth", [0.0, 1.0])
def test_the_mirror_image_gives_the_swapped_results_exactly(depth: float) -> None:
    x = simulated(20.0, smile_mm=(12, 5))
    points = x[:, 1:].reshape(len(x), 68, 3)
    points[:, :, 2] *= depth
    mirrored = frames(x[:, 0].astype(np.int64), points[:, MIRRORED] * [-1, 1, 1])
    (wave, out), (wave2, out2) = run(x), run(mirrored)
    np.testing.assert_array_equal(wave2, wave[:, [1, 0, 3, 2]])
    assert len(out2) == len(out)
    swapped = out.copy()
    swapped["channel"] = np.where(out["channel"] < 0, -1, 1 - out["channel"])
    swapped["body"][out["code"] == codes.HEAD_YAW, VALUE] *= -1
    order = ["t_known", "code", "channel"]
    a, b = np.sort(swapped, order=order), np.sort(out2, order=order)
    for field in FINDING.names or ():
        np.testing.assert_array_equal(a[field], b[field])


def test_a_side_that_moves_alone_leaves_the_other_as_it_is() -> None:
    base = simulated(12.0)
    other = base.copy()
    moved = 1 + 3 * np.array([48, 17, 18, 19, 20, 21])  # right corner of the mouth, right brow
    other[150:, moved] -= 9.0
    (wave, out), (wave2, out2) = run(base), run(other)
    np.testing.assert_array_equal(wave[:, 2], wave2[:, 2])
    assert (wave[150:, 3] != wave2[150:, 3]).all()
    for code in (codes.BROW_EXCURSION, codes.MOUTH_EXCURSION, codes.LID_EXCURSION):
        np.testing.assert_array_equal(value_of(out, code, LEFT), value_of(out2, code, LEFT))
    assert (value_of(out, codes.MOUTH_EXCURSION, RIGHT) != value_of(out2, codes.MOUTH_EXCURSION, RIGHT)).any()


def test_size_place_and_turn_of_the_image_do_not_matter() -> None:
    x = simulated(12.0)
    points = x[:, 1:].reshape(len(x), 68, 3)
    c, s = np.cos(0.7), np.sin(0.7)
    moved = (points - [320, 240, 0]) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) * 0.003 + 5
    (wave, out), (wave2, out2) = run(x), run(frames(x[:, 0].astype(np.int64), moved))
    np.testing.assert_allclose(wave2, wave, atol=1e-9)  # rounding at another place
    np.testing.assert_allclose(out2["body"], out["body"], rtol=1e-6, atol=1e-6)


def test_nothing_is_measured_before_the_rest_is_learnt() -> None:
    wave, out = run(simulated(1.9))
    assert np.isnan(wave[:, 2:]).all()
    assert not np.isnan(wave[:, :2]).any()
    rows = out[out["code"] == codes.MOUTH_EXCURSION]
    assert len(rows) == 2
    assert np.isnan(rows["body"][:, VALUE]).all()
    assert (rows["reasons"] & codes.NO_REST).all()
    assert (rows["quality"] == 0).all()


def test_frames_without_a_face_are_no_blink_and_are_told() -> None:
    x = simulated(20.0, blinks_per_min=0)
    x[300:400, 1:] = np.nan
    wave, out = run(x)
    assert np.isnan(wave[300:400]).all()
    assert not (out["what"] == BEAT).any()
    lost = (out["t"] > 11e9) & (out["t"] < 13e9) & (out["what"] == FEATURE)
    said = lost & (out["code"] != codes.SIGNAL_QUALITY)
    assert np.isnan(out["body"][said, VALUE]).all()
    assert (out["reasons"][lost] & codes.MISSING).all()
    assert (value_of(out[out["t"] > 15e9], codes.SIGNAL_QUALITY, -1) == 1).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e9])
def test_the_chain_recovers_from_any_frame(value: float) -> None:
    x = simulated(16.0)
    clean = run(x)[0]
    x[150:156, 1:] = value
    wave, out = run(x)
    assert np.isnan(wave[150:156]).all()
    np.testing.assert_allclose(wave[220:], clean[220:], atol=1e-6)  # the smoothing forgets
    assert np.isfinite(out["t"]).all()


def test_a_frame_whose_time_does_not_increase_is_skipped() -> None:
    x = simulated(6.0)
    again = np.repeat(np.arange(len(x)), 2)
    wave, out = run(x[again])
    plain, expected = run(x)
    assert out.tobytes() == expected.tobytes()
    np.testing.assert_array_equal(wave[::2], plain)
    assert np.isnan(wave[1::2]).all()


def test_a_leap_of_days_gives_one_report() -> None:
    x = simulated(6.0)
    x[100:, 0] += 50 * 86400e9
    _, out = run(x)
    at = out["t"] == x[100, 0]
    assert at.sum() == face.FINDINGS - 2
    assert np.isnan(out["body"][at & (out["code"] != codes.SIGNAL_QUALITY), VALUE]).all()


def test_a_frozen_picture_is_no_face() -> None:
    x = simulated(16.0)
    x[200:330, 1:] = x[200, 1:]
    wave, out = run(x)
    frozen = np.flatnonzero((x[:, 0] > x[200, 0] + 1e9) & (np.arange(len(x)) < 330))
    assert np.isnan(wave[frozen]).all()
    assert np.isfinite(wave[331:, :2]).all()
    rows = out[(out["what"] == FEATURE) & (out["t"] > 9e9) & (out["t"] < 10.9e9)]
    assert (rows["reasons"] & codes.FLAT).all()
