"""What is said of each second."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.kernels.test_face import run, value_of
from vitalcore.fixtures.face import SimulatedFace, simulate_face
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import FEATURE, LEFT, RIGHT, VALUE, WINDOW_S
from vitalcore.kernels.landmarks.face_report import N_FEATURES
from vitalcore.operators.face import frames


def report(**how: Any) -> tuple[SimulatedFace, NDArray[Any]]:
    made = simulate_face(how.pop("duration_s", 20), how.pop("fs_hz", 30), "ibug68", **how)
    return made, run(frames(made.t_ns, made.points))[1]


def test_each_second_is_reported_once_at_the_first_frame_after_it() -> None:
    made, out = report()
    features = out[out["what"] == FEATURE]
    marks = [made.t_ns[np.searchsorted(made.t_ns, k * 10**9)] for k in range(1, 20)]
    times, counts = np.unique(features["t"], return_counts=True)
    assert times.tolist() == marks
    assert (counts == N_FEATURES).all()
    assert (features["t_known"] == features["t"]).all()


def test_blink_rates_are_those_of_the_truth_after_ten_seconds() -> None:
    made, out = report(duration_s=70, seed=5)
    for side in (LEFT, RIGHT):
        rates = value_of(out, codes.BLINK_RATE, side)
        assert np.isnan(rates[:9]).all()
        end = made.t_ns[np.searchsorted(made.t_ns, 65 * 10**9)]
        true = np.sum((made.blink_ns[side] > end - 60e9) & (made.blink_ns[side] < end))
        assert rates[64] == pytest.approx(true, abs=1)
    early = out[(out["code"] == codes.BLINK_RATE) & (out["t"] < 9e9)]
    assert (early["reasons"] & codes.TOO_FEW_BEATS).all()


def test_the_window_of_a_blink_rate_grows_to_a_minute() -> None:
    _, out = report(duration_s=70)
    windows = out["body"][(out["code"] == codes.BLINK_RATE) & (out["channel"] == LEFT), WINDOW_S]
    assert windows.tolist() == [min(k, 60) for k in range(1, 70)]


@pytest.mark.parametrize(("left_mm", "right_mm"), [(12, 12), (12, 6), (4, 12), (12, 0), (0, 9)])
def test_excursion_and_symmetry_of_a_smile_are_the_true_ones(left_mm: float, right_mm: float) -> None:
    made, out = report(smile_mm=(left_mm, right_mm))
    for side in (LEFT, RIGHT):
        assert np.nanmax(value_of(out, codes.MOUTH_EXCURSION, side)) == pytest.approx(
            made.smile[:, side].max(), abs=0.012
        )
    smiling = value_of(out, codes.MOUTH_SYMMETRY, -1)[5]
    assert smiling == pytest.approx(min(left_mm, right_mm) / max(left_mm, right_mm), abs=0.06)


@pytest.mark.parametrize("yaw", [-9.5, -6.0, 6.0, 9.5])
def test_a_symmetric_smile_with_a_turned_head_is_no_palsy(yaw: float) -> None:
    _, out = report(smile_mm=(10, 10), smile_yaw_deg=yaw, yaw_deg=0)
    assert value_of(out, codes.MOUTH_SYMMETRY, -1)[5] > 0.9
    row = out[(out["code"] == codes.MOUTH_SYMMETRY)][5]
    assert row["reasons"] & codes.POSE
    assert row["quality"] < 0.6


@pytest.mark.parametrize("yaw", [-4.0, 4.0])
def test_without_depth_a_small_turn_still_is_no_palsy(yaw: float) -> None:
    made = simulate_face(10, 30, "ibug68", smile_mm=(10, 10), smile_yaw_deg=yaw, yaw_deg=0)
    _, out = run(frames(made.t_ns, made.points[:, :, :2]))
    assert value_of(out, codes.MOUTH_SYMMETRY, -1)[5] > 0.85
    assert abs(value_of(out, codes.HEAD_YAW, -1)[5] - yaw) < 1.5


@pytest.mark.parametrize("gain", [0.8, 1.2])
def test_a_detector_that_misjudges_depth_feigns_little(gain: float) -> None:
    made = simulate_face(10, 30, "ibug68", smile_mm=(10, 10), smile_yaw_deg=8.0, yaw_deg=0)
    _, out = run(frames(made.t_ns, made.points * [1, 1, gain]))
    assert value_of(out, codes.MOUTH_SYMMETRY, -1)[5] > 0.88


def test_a_head_turned_too_far_has_no_excursions_but_blinks() -> None:
    _, out = report(smile_yaw_deg=14, yaw_deg=0)
    turned = (out["what"] == FEATURE) & (out["t"] > 5.9e9) & (out["t"] < 6.1e9)
    for code in (codes.MOUTH_EXCURSION, codes.BROW_SYMMETRY, codes.LID_EXCURSION):
        rows = out[turned & (out["code"] == code)]
        assert np.isnan(rows["body"][:, VALUE]).all()
        assert (rows["reasons"] & codes.POSE).all()
    assert abs(value_of(out[turned], codes.HEAD_YAW, -1)[0] - 14) < 0.5
    assert np.isfinite(value_of(out[turned], codes.EYE_ASPECT_RATIO, LEFT)).all()


def test_a_face_at_rest_has_no_symmetry_and_says_why() -> None:
    _, out = report(smile_mm=(0, 0), blinks_per_min=0)
    for code in (codes.BROW_SYMMETRY, codes.LID_SYMMETRY, codes.MOUTH_SYMMETRY):
        rows = out[(out["code"] == code) & (out["t"] > 3e9)]
        assert np.isnan(rows["body"][:, VALUE]).all()
        assert (rows["reasons"] & codes.NOISE).all()
        assert (rows["quality"] == 0).all()


def test_brows_that_rise_unevenly_are_told() -> None:
    made, out = report(smile_mm=(0, 0), brow_mm=(8, 4))
    assert value_of(out, codes.BROW_SYMMETRY, -1)[5] == pytest.approx(0.5, abs=0.06)
    assert value_of(out, codes.BROW_EXCURSION, LEFT)[5] == pytest.approx(made.brow[:, 0].max(), abs=0.01)


def test_a_lid_that_closes_half_is_told() -> None:
    _, out = report(smile_mm=(0, 0), lids=(0.5, 1.0), fs_hz=60, seed=4)
    ratios = value_of(out, codes.LID_SYMMETRY, -1)
    assert np.nanmedian(ratios) == pytest.approx(0.5, abs=0.07)


def test_a_slow_camera_is_called_undersampled() -> None:
    _, out = report(fs_hz=12)
    quality = out[(out["code"] == codes.SIGNAL_QUALITY) & (out["t"] > 4e9)]
    assert (quality["reasons"] & codes.UNDERSAMPLED).all()
    assert (quality["body"][:, VALUE] <= 0.5).all()
