"""Tests of runs of ventricular beats."""

import numpy as np
import pytest

from vitalcore.scoring.marks import MAPS, Marks
from vitalcore.scoring.runs import compare, ratios
from vitalcore.scoring.spans import Span

EC57 = MAPS["ec57"][1]


def marks(symbols: str, fibrillation: tuple[Span, ...] = ()) -> Marks:
    there = [(k, symbol) for k, symbol in enumerate(symbols) if symbol != " "]
    t_s = np.array([k for k, _ in there], float)
    episodes = {"VF": fibrillation} if fibrillation else {}
    return Marks("x", t_s, np.array([symbol for _, symbol in there], "<U1"), episodes=episodes)


def lengths(reference: str, test: str, start_s: float = 0.0) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return (reference's length, test's length) of each run of the reference, and of each run of the test."""
    both = compare(marks(reference), marks(test), EC57, start_s)
    first, second = ([(i, j) for (i, j), n in np.ndenumerate(one) for _ in range(int(n))] for one in both)
    return first, second


@pytest.mark.parametrize(
    ("reference", "test", "wanted"),
    [
        ("NVVN", "NVVN", ([(2, 2)], [(2, 2)])),
        ("NVVN", "NVNN", ([(2, 1)], [(1, 1)])),
        ("NVVVN", "NVNVN", ([(3, 1)], [(1, 1), (1, 1)])),
        ("NVVVN", "NV VN", ([(3, 2)], [(3, 2)])),  # what the test doesn't mark doesn't end its run
        ("NNNNN", "NVVNN", ([], [(0, 2)])),
        ("NVFVN", "NVVVN", ([(3, 3)], [(3, 3)])),  # fusion beats belong to runs
        ("NVAVN", "NVSVN", ([(1, 1), (1, 1)], [(1, 1), (1, 1)])),  # supraventricular ones end them
        ("NVVVVVVVVN", "NVVVVVVNNN", ([(6, 6)], [(6, 6)])),  # six is as long as is told apart
        ("NVVN", "NVVVN", ([(2, 2)], [(2, 3)])),  # only what lies where the run is counts
    ],
)
def test_each_run_meets_the_longest_of_the_other_side(reference: str, test: str, wanted: object) -> None:
    assert lengths(reference, test) == wanted


def test_runs_before_the_period_dont_count() -> None:
    assert lengths("NVVNNVVN", "NVVNNVVN", start_s=4) == ([(2, 2)], [(2, 2)])


def test_a_run_that_the_learning_period_cuts_counts_from_its_end() -> None:
    assert lengths("NVVVVNN", "NVVVVNN", start_s=3) == ([(2, 2)], [(2, 2)])


def test_fibrillation_is_a_long_run() -> None:
    both = compare(marks("N      N", ((1.5, 6.5),)), marks("NNVVVVVN"), EC57, 0.0)
    assert both[0, 6, 5] == 1
    assert both[1, 6, 5] == 1
    both = compare(marks("NNVVVVVN"), marks("N      N", ((1.5, 6.5),)), EC57, 0.0)
    assert both[0, 5, 6] == 1


def test_ratios_take_runs_that_are_at_least_as_long_as_their_kind_begins() -> None:
    tables = np.zeros((2, 7, 7), np.int64)
    tables[0, 2] = [1, 2, 3, 4, 5, 6, 7]
    tables[0, 4] = [1, 2, 3, 4, 5, 6, 7]
    tables[0, 6] = [1, 2, 3, 4, 5, 6, 7]
    tables[1, :, 2] = [1, 2, 3, 4, 5, 6, 7]
    tables[1, :, 5] = [1, 2, 3, 4, 5, 6, 7]
    tables[1, :, 6] = [1, 2, 3, 4, 5, 6, 7]
    assert ratios(tables) == {
        ("couplet", "Se"): (25, 28),
        ("couplet", "+P"): (25, 28),
        ("short run", "Se"): (22, 28),
        ("short run", "+P"): (22, 28),
        ("long run", "Se"): (7, 28),
        ("long run", "+P"): (7, 28),
    }
