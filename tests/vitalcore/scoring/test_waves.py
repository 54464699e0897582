"""Tests of the comparison of delineations."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vitalcore.scoring.waves import POINTS, Delineation, compare, gross, marked


def notes(text: str) -> Any:
    """Make annotations, one symbol each 10 samples."""
    return SimpleNamespace(sample=np.arange(len(text)) * 10, symbol=list(text))


def delineation(**points: list[float]) -> Delineation:
    return {point: np.array(points.get(point.replace(" ", "_"), []), float) for point in POINTS}


def test_a_wave_is_its_symbol_between_its_marks() -> None:
    found = marked(notes("(p)(N)(t)"), 100)
    assert [found[point].tolist() for point in POINTS] == [[k / 10] for k in range(9)]


def test_a_mark_that_lacks_is_absent() -> None:
    found = marked(notes("N)(tp)"), 100)
    assert found["QRS on"].tolist() == []
    assert found["QRS off"].tolist() == [0.1]
    assert (found["T on"].tolist(), found["T off"].tolist()) == ([0.2], [])
    assert (found["P on"].tolist(), found["P off"].tolist()) == ([], [0.5])


def test_errors_are_test_minus_reference_within_the_window() -> None:
    found = compare(delineation(P_peak=[1.0, 2.0, 3.0]), delineation(P_peak=[1.01, 2.2, 2.99]))
    score = found["P peak"]
    assert score.error_s == pytest.approx([0.01, -0.01])
    assert (score.n_reference, score.n_test) == (3, 3)


def test_waves_outside_the_stretch_that_people_marked_are_not_false() -> None:
    reference = delineation(QRS_on=[1.0, 2.0], T_off=[1.4, 2.4])
    test = delineation(T_off=[0.4, 0.99, 1.41, 1.8, 2.41, 3.4], P_peak=[0.9, 1.9])
    found = compare(reference, test)
    assert (found["T off"].n_test, len(found["T off"].error_s)) == (3, 2)
    assert found["P peak"].n_test == 1


def test_a_reference_without_marks_counts_nothing() -> None:
    found = compare(delineation(), delineation(P_peak=[1.0]))
    assert found["P peak"].n_test == 0


def test_many_make_one_pot() -> None:
    one = compare(delineation(P_peak=[1.0]), delineation(P_peak=[1.01]))
    both = gross([one, one])["P peak"]
    assert (both.n_reference, both.n_test, len(both.error_s)) == (2, 2, 2)


def test_a_real_record_is_read_whole(data: Path) -> None:
    import wfdb

    found = marked(wfdb.rdann(str(data / "ludb" / "1"), "ii"), 500)
    assert [len(found[point]) for point in POINTS] == [5, 5, 5, 6, 6, 6, 5, 5, 5]
