"""Geometry against scipy, and its exact mirror."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vitalcore.kernels.landmarks import geometry

Array = NDArray[np.float64]

RNG = np.random.default_rng(4)
MIRROR = np.array([-1.0, 1.0, 1.0])


def fit_of(points: Array, onto: Array, n_pairs: int = 0) -> Array:
    fit = np.zeros(geometry.FIT_SIZE)
    assert geometry.similarity(points, onto, len(points), n_pairs, fit) == 1
    return fit


@pytest.mark.parametrize("seed", range(40))
def test_the_fit_is_the_least_squares_one_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    onto = rng.normal(size=(12, 3))
    turn, scale = Rotation.random(random_state=seed).as_matrix(), 10 ** rng.uniform(-3, 3)
    points = (onto + rng.normal(0, 0.1, onto.shape)) @ turn * scale + scale * rng.normal(size=3)
    fit = fit_of(points, onto)
    p, q = points - points.mean(0), onto - onto.mean(0)
    expected = Rotation.align_vectors(q, p)[0].as_matrix()
    np.testing.assert_allclose(fit[1:10].reshape(3, 3), expected, atol=1e-12)  # rounding of a 4 x 4 determinant
    assert fit[geometry.SCALE] == pytest.approx(np.sum(q * (p @ expected.T)) / np.sum(p**2))


def test_a_flat_face_is_turned_in_its_plane_even_upside_down() -> None:
    onto = RNG.normal(size=(8, 3)) * [1, 1, 0]
    turn = Rotation.from_euler("z", 180, degrees=True).as_matrix()
    np.testing.assert_allclose(fit_of(onto @ turn.T, onto)[1:10].reshape(3, 3), turn.T, atol=1e-12)


def test_a_placed_point_lands_where_it_belongs() -> None:
    onto = RNG.normal(size=(8, 3))
    points = onto @ Rotation.random(random_state=1).as_matrix() * 7 + 3
    fit, out = fit_of(points, onto), np.zeros(3)
    for p, q in zip(points, onto, strict=True):
        geometry.place(fit, p, out)
        np.testing.assert_allclose(out, q, atol=1e-12)


@pytest.mark.parametrize("points", [np.zeros((5, 3)), np.outer(np.arange(5.0), [1, 2, 3]), np.full((5, 3), 1e200)])
def test_points_that_have_no_rotation_are_refused(points: Array) -> None:
    assert geometry.similarity(points, RNG.normal(size=(5, 3)), 5, 0, np.zeros(geometry.FIT_SIZE)) == 0


def test_the_mirror_image_has_the_mirrored_fit_to_the_last_bit() -> None:
    points, onto = RNG.normal(size=(9, 3)), RNG.normal(size=(9, 3))
    swapped = [1, 0, 3, 2, 5, 4, 6, 7, 8]
    plain = fit_of(points, onto, 3)
    mirrored = fit_of(points[swapped] * MIRROR, onto[swapped] * MIRROR, 3)
    turn, other = plain[1:10].reshape(3, 3), mirrored[1:10].reshape(3, 3)
    assert (other == turn * np.outer(MIRROR, MIRROR)).all()
    assert mirrored[geometry.SCALE] == plain[geometry.SCALE]
    assert (mirrored[geometry.CENTRE_FROM :][:3] == plain[geometry.CENTRE_FROM :][:3] * MIRROR).all()


def test_the_aspect_ratio_is_mean_height_by_width_in_any_pose() -> None:
    eye = np.array([[-3, 0, 0], [-1, -1, 0], [1, -1, 0], [3, 0, 0], [1, 1, 0], [-1, 1, 0]], float)
    turned = eye @ Rotation.random(random_state=2).as_matrix() * 9
    columns = np.arange(6) * 3
    assert geometry.eye_aspect_ratio(turned.ravel(), columns) == pytest.approx(1 / 3)
    assert geometry.eye_height(turned.ravel(), columns) == pytest.approx(18)


def test_an_eye_without_width_has_no_aspect_ratio() -> None:
    assert np.isnan(geometry.eye_aspect_ratio(np.zeros(18), np.arange(6) * 3))


def test_minors_and_determinants_are_those_of_numpy() -> None:
    m = RNG.normal(size=(4, 4))
    assert geometry.determinant(m.ravel()) == pytest.approx(np.linalg.det(m))
    for r in range(4):
        for c in range(4):
            expected = np.linalg.det(np.delete(np.delete(m, r, 0), c, 1))
            assert geometry.minor(m.ravel(), r, c) == pytest.approx(expected)


def test_a_fit_in_the_plane_needs_no_depth_and_not_even_height() -> None:
    onto = np.array([[-3.0, 0, 0], [-1, 0, 0], [1, 0, 0], [4, 0, 0]])
    turn = Rotation.from_euler("z", 0.4).as_matrix()
    points = onto @ turn.T * 5 + [7, 8, 0]
    fit = np.zeros(geometry.FIT_SIZE)
    assert geometry.similarity_in_plane(points, onto, 4, 2, fit) == 1
    np.testing.assert_allclose(fit[1:10].reshape(3, 3), turn.T, atol=1e-12)
    assert fit[geometry.SCALE] == pytest.approx(0.2)
    assert geometry.similarity_in_plane(np.zeros((4, 3)), onto, 4, 2, fit) == 0


def test_a_fit_in_the_plane_is_mirrored_to_the_last_bit() -> None:
    flat = np.array([1.0, 1.0, 0.0])
    points, onto = RNG.normal(size=(4, 3)) * flat, RNG.normal(size=(4, 3)) * flat
    plain, mirrored = np.zeros(geometry.FIT_SIZE), np.zeros(geometry.FIT_SIZE)
    geometry.similarity_in_plane(points, onto, 4, 2, plain)
    swapped = [1, 0, 3, 2]
    geometry.similarity_in_plane(points[swapped] * MIRROR, onto[swapped] * MIRROR, 4, 2, mirrored)
    assert (mirrored[1:10].reshape(3, 3) == plain[1:10].reshape(3, 3) * np.outer(MIRROR, MIRROR)).all()
    assert mirrored[geometry.SCALE] == plain[geometry.SCALE]
