"""Tests of stretches of time."""

import numpy as np

from vitalcore.scoring.spans import clip, inside, merge, shared


def test_stretches_that_touch_become_one() -> None:
    assert merge([(5, 6), (1, 2), (2, 3), (2.5, 2.7)]) == ((1, 3), (5, 6))


def test_a_period_cuts_them() -> None:
    assert clip(((0, 2), (3, 4), (5, 9)), 1, 6) == ((1, 2), (3, 4), (5, 6))
    assert clip(((0, 1),), 1, 2) == ()


def test_shared_time_adds_up() -> None:
    assert shared((0, 10), ((-1, 2), (3, 4), (9, 20))) == 4


def test_ends_are_inside() -> None:
    assert inside(np.array([0.0, 1.0, 2.0, 3.0]), [(1.0, 2.0)]).tolist() == [False, True, True, False]
