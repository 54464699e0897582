"""The simulated face is what its truth says."""

import numpy as np
import pytest

from vitalcore.errors import ParameterError
from vitalcore.face import SCHEMAS
from vitalcore.simulate import EYES_APART, simulate_face


def test_the_same_seed_gives_the_same_face() -> None:
    assert simulate_face(3, seed=1).points.tobytes() == simulate_face(3, seed=1).points.tobytes()
    assert simulate_face(3, seed=1).points.tobytes() != simulate_face(3, seed=2).points.tobytes()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_corners_move_as_the_truth_says(schema: str) -> None:
    made = simulate_face(8, 30, schema, yaw_deg=0, jitter_mm=0, px_per_mm=1, blinks_per_min=0)
    corners = made.points[:, list(SCHEMAS[schema].mouth)] - made.points[:, [SCHEMAS[schema].nose]]
    way = np.linalg.norm(corners - corners[0], axis=2) / EYES_APART
    np.testing.assert_allclose(way, made.smile, atol=0.002)


def test_lids_shut_at_the_blinks() -> None:
    made = simulate_face(20, 240, "ibug68", yaw_deg=0, jitter_mm=0, px_per_mm=1, lids=(1.0, 0.5))
    for side, eye in enumerate(SCHEMAS["ibug68"].eyes):
        height = made.points[:, eye[5], 1] - made.points[:, eye[1], 1]
        at = np.searchsorted(made.t_ns, made.blink_ns[side])
        np.testing.assert_allclose(1 - height[at] / 8.4, 0.905 * made.closure[side], atol=0.05)


def test_times_increase_and_are_irregular() -> None:
    t = simulate_face(10, 30, "ibug68").t_ns
    assert (np.diff(t) > 0).all()
    assert t[0] >= 0
    assert np.diff(t).std() > 1e6


def test_an_unknown_schema_is_refused() -> None:
    with pytest.raises(ParameterError, match="schema is dlib"):
        simulate_face(1, schema="dlib")
