"""Tests of the pairing of beats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive
from vitalcore.scoring.pairing import pair

beats = st.lists(st.integers(0, 4000), max_size=40, unique=True).map(lambda ms: sorted(t / 1000 for t in ms))


def pairs(theirs: list[float], ours: list[float]) -> list[tuple[float, float]]:
    found = pair(np.array(theirs, float), np.array(ours, float))
    return [(theirs[i], ours[j]) for i, j in found]


@given(beats, beats)
def test_it_agrees_with_the_slow_twin(theirs: list[float], ours: list[float]) -> None:
    assert pairs(theirs, ours) == naive.pair(theirs, ours, 0.15)


@given(beats, beats)
def test_pairs_are_one_to_one_in_order_and_within_the_window(theirs: list[float], ours: list[float]) -> None:
    found = pairs(theirs, ours)
    assert all(abs(t - r) <= 0.15 + 1e-9 for r, t in found)
    assert found == sorted(set(found))
    assert len({r for r, _ in found}) == len({t for _, t in found}) == len(found)


@given(
    st.lists(st.integers(310, 2000), min_size=1, max_size=30),
    st.lists(st.integers(-140, 140), min_size=30, max_size=30),
    st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_beats_farther_apart_than_two_windows_pair_as_anyone_would(
    rr_ms: list[int], jitter_ms: list[int], kept: list[bool]
) -> None:
    theirs = (np.cumsum(rr_ms) / 1000).tolist()
    ours = [t + ms / 1000 for t, ms, keep in zip(theirs, jitter_ms, kept, strict=False) if keep]
    wanted = [(r, t) for r in theirs for t in sorted(ours) if abs(t - r) <= 0.15]
    if all(b - a > 0.3 for a, b in zip(sorted(ours)[:-1], sorted(ours)[1:], strict=True)):
        assert pairs(theirs, sorted(ours)) == wanted


@pytest.mark.parametrize(
    ("theirs", "ours", "wanted", "why"),
    [
        ([1.0], [1.0], [(1.0, 1.0)], "the same time"),
        ([1.0], [1.15], [(1.0, 1.15)], "150 ms late is within the window"),
        ([1.0], [0.85], [(1.0, 0.85)], "150 ms early too"),
        ([1.0], [1.151], [], "151 ms is not"),
        ([1.0], [0.9, 1.02], [(1.0, 1.02)], "an early duplicate stays alone"),
        ([1.0], [0.98, 1.1], [(1.0, 0.98)], "a late duplicate stays alone"),
        ([1.0], [0.875, 1.125], [(1.0, 1.125)], "at equal distances the later is taken"),
        ([1.0, 1.2], [1.15], [(1.2, 1.15)], "the nearer of two beats of the reference is taken"),
        ([1.0, 1.2], [1.05], [(1.0, 1.05)], "the nearer, when it is the earlier"),
        ([1.0, 1.2], [1.12, 1.22], [(1.0, 1.12), (1.2, 1.22)], "a neighbour that is better served leaves it"),
        ([1.12, 1.22], [1.0, 1.2], [(1.12, 1.0), (1.22, 1.2)], "and the other way round"),
        ([], [1.0], [], "nothing to pair with"),
        ([1.0], [], [], "nothing to pair"),
    ],
)
def test_cases_that_the_rule_decides(
    theirs: list[float], ours: list[float], wanted: list[tuple[float, float]], why: str
) -> None:
    assert pairs(theirs, ours) == wanted, why


def test_a_comparator_of_others_agrees_where_nothing_is_ambiguous() -> None:
    processing = pytest.importorskip("wfdb.processing")
    rng = np.random.default_rng(5)
    theirs = np.cumsum(rng.integers(200, 400, 500))
    kept = theirs[rng.random(500) < 0.9]
    extra = theirs[:-1][rng.random(499) < 0.1] + 100  # far from every beat
    ours = np.unique(np.r_[kept + rng.integers(-20, 21, len(kept)), extra])
    other = processing.compare_annotations(theirs, ours, 53)
    found = pair(theirs / 360, ours / 360)
    assert len(found) == other.tp
    assert len(ours) - len(found) == other.fp
    assert len(theirs) - len(found) == other.fn
