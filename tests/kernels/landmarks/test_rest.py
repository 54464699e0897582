"""Learning the rest shape."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.kernels.test_face import fresh, run
from vitalcore.fixtures.face import EYES_APART, SimulatedFace, simulate_face
from vitalcore.kernels.landmarks import rest
from vitalcore.operator import Signal
from vitalcore.operators.face import SCHEMAS, Face, frames

DESIGN = Face("ibug68").design(Signal("face", None, ("",) * 204))


def state_after(made: SimulatedFace) -> tuple[Any, NDArray[np.float64]]:
    memory = fresh()
    run(frames(made.t_ns, made.points), memory)
    return memory[0][0], memory[1]


def learnt_at_s(made: SimulatedFace) -> float:
    wave, _ = run(frames(made.t_ns, made.points))
    return float(made.t_ns[np.flatnonzero(~np.isnan(wave[:, 2]))[0]] / 1e9)


def test_two_seconds_of_stillness_are_enough() -> None:
    made = simulate_face(6, 30, "ibug68", yaw_deg=0, blinks_per_min=0)
    assert 2.0 < learnt_at_s(made) < 2.2


def test_a_blink_is_left_out_and_its_time_is_not_counted() -> None:
    plain = simulate_face(6, 30, "ibug68", yaw_deg=0, blinks_per_min=0)
    blinking = simulate_face(6, 30, "ibug68", yaw_deg=0, blinks_per_min=18)
    assert learnt_at_s(plain) < learnt_at_s(blinking) < 3.0
    a, b = state_after(plain)[0], state_after(blinking)[0]
    np.testing.assert_allclose(a["height"], b["height"], rtol=0.03)


def test_a_stream_that_begins_in_a_blink_learns_the_open_eye() -> None:
    made = simulate_face(8, 30, "ibug68", yaw_deg=0, blinks_per_min=18)
    begin = int(np.searchsorted(made.t_ns, made.blink_ns[0][0]))
    x = frames(made.t_ns, made.points)[begin:]
    memory = fresh()
    run(x, memory)
    assert memory[0]["height"][0] == pytest.approx(np.array([8.4, 8.4]) / EYES_APART, rel=0.05)


def test_a_stare_in_the_first_frame_does_not_hold_up_learning() -> None:
    made = simulate_face(8, 30, "ibug68", yaw_deg=0, blinks_per_min=0)
    for eye in SCHEMAS["ibug68"].eyes:
        made.points[0, list(eye[1:3]), 1] -= 10
    assert learnt_at_s(made) < 4.0


@pytest.mark.parametrize("moving", ["head", "mouth", "size"])
def test_stillness_begins_anew_after_a_movement(moving: str) -> None:
    made = simulate_face(6, 30, "ibug68", yaw_deg=0, blinks_per_min=0)
    late = made.t_ns > 1e9
    points = made.points.copy()
    if moving == "head":
        c, s = np.cos(0.3), np.sin(0.3)
        points[late] = points[late] @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    elif moving == "mouth":
        points[late, 48] += [-14, -6, 0]
    else:
        points[late] *= 1.3
    wave, _ = run(frames(made.t_ns, points))
    at = made.t_ns[np.flatnonzero(~np.isnan(wave[:, 2]))[0]]
    assert at > 3e9


def test_the_shape_is_in_distances_between_the_eyes_with_its_own_axes() -> None:
    made = simulate_face(6, 30, "ibug68", yaw_deg=0, blinks_per_min=0, jitter_mm=0.05)
    c, s = np.cos(0.5), np.sin(0.5)
    made.points[:] = made.points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])  # a tilted camera
    state, buffer = state_after(made)
    size = DESIGN.params["n_stable"] + rest.N_EXTRA
    shape = buffer[3 * size : 6 * size].reshape(size, 3)
    n = DESIGN.params["n_stable"]
    eyes = shape[n + rest.EYE] - shape[n + rest.EYE + 1]
    np.testing.assert_allclose(eyes, [1, 0, 0], atol=1e-12)
    corners = shape[n + rest.MOUTH] - shape[n + rest.MOUTH + 1]
    np.testing.assert_allclose(corners, [50 / EYES_APART, 0, 0], atol=0.005)
    axes = state["axes"].reshape(3, 3)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-3)  # a mean of rotations that differ a little
    assert np.linalg.det(axes) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("yaw", [-9.0, -3.0, 4.0, 8.0])
def test_the_turn_of_the_head_is_the_true_one(yaw: float) -> None:
    made = simulate_face(8, 30, "ibug68", yaw_deg=0, smile_yaw_deg=yaw, blinks_per_min=0, smile_mm=(0, 0))
    held = np.flatnonzero((made.t_ns > 5e9) & (made.t_ns < 5.5e9))[-1]
    state, _ = state_after(
        SimulatedFace(made.t_ns[:held], made.points[:held], *[getattr(made, f) for f in REST_OF_FIELDS])
    )
    assert state["yaw"] == pytest.approx(yaw, abs=0.5)


REST_OF_FIELDS = ("blink_ns", "closure", "smile", "brow", "yaw_deg")
