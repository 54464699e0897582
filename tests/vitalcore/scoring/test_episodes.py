"""Tests of episodes."""

import numpy as np
import pytest

from vitalcore.scoring.episodes import EpisodeScore, compare, ratios
from vitalcore.scoring.marks import Marks
from vitalcore.scoring.spans import Span


def marks(**episodes: tuple[Span, ...]) -> Marks:
    return Marks("x", np.empty(0), np.empty(0, "<U1"), episodes=episodes)


def test_any_overlap_finds_an_episode_and_durations_are_shared_time() -> None:
    found = compare(marks(AF=((10, 20), (30, 40))), marks(AF=((18, 32), (50, 60))), "AF", 0, 100)
    assert found == EpisodeScore(2, 2, 20, 4, 2, 1, 24, 4)
    assert ratios(found) == {"Se": (2, 2), "+P": (1, 2), "duration Se": (4, 20), "duration +P": (4, 24)}


def test_the_period_cuts_episodes_and_those_without_end_last_to_its_end() -> None:
    found = compare(marks(VF=((10, 20), (90, np.inf))), marks(VF=((0, 12),)), "VF", 15, 100)
    assert (found.n_reference, found.reference_s, found.n_test) == (2, 15, 0)


def test_the_references_flutter_is_left_out_of_afs_predictivity_alone() -> None:
    reference = marks(AF=((10, 20),), AFL=((20, 30),))
    found = compare(reference, marks(AF=((15, 28), (21, 24))), "AF", 0, 100)
    assert (found.n_test, found.n_right, found.test_s, found.right_s) == (1, 1, 5, 5)
    assert (found.n_reference, found.reference_s) == (1, 10)


def test_tachycardia_and_fibrillation_are_compared_apart_and_together() -> None:
    reference, test = marks(VT=((10, 20),)), marks(VF=((10, 20),))
    assert compare(reference, test, "VT", 0, 100).n_found == 0
    assert compare(reference, test, "VT or VF", 0, 100).found_s == pytest.approx(10)
    assert compare(marks(VT=((10, 20),), VF=((20, 30),)), test, "VT or VF", 0, 100).n_reference == 1


def test_scores_add_up() -> None:
    one = EpisodeScore(1, 2, 3.0, 4.0, 5, 6, 7.0, 8.0)
    assert one + one == EpisodeScore(2, 4, 6.0, 8.0, 10, 12, 14.0, 16.0)
