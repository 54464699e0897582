"""Tests of the matrix of classes and what is read from it."""

from typing import Any

import numpy as np
import pytest

from vitalcore.scoring import beats
from vitalcore.scoring.beats import ORDER, compare, ratios
from vitalcore.scoring.marks import MAPS, Marks

EC57, RESEARCH = MAPS["ec57"][1], MAPS["research"][1]


def marks(symbols: str, at: list[float] | None = None, **options: Any) -> Marks:
    t_s = np.arange(len(symbols), dtype=float) if at is None else np.array(at, float)
    return Marks("x", t_s, np.array(list(symbols), "<U1"), **options)


def cells(reference: Marks, test: Marks, start_s: float = 0.0, classes: Any = EC57) -> dict[str, int]:
    """Return what the matrix holds, by the standard's names: reference large, test small."""
    matrix = compare(reference, test, classes, start_s).matrix
    return {ORDER[i] + ORDER[j].lower(): int(n) for (i, j), n in np.ndenumerate(matrix) if n}


def test_pairs_stand_where_both_classes_meet() -> None:
    assert cells(marks("NAVF/Q"), marks("NVSFQN")) == {"Nn": 1, "Sv": 1, "Vs": 1, "Ff": 1, "Qq": 1, "Qn": 1}


@pytest.mark.parametrize(
    ("classes", "wanted"), [(EC57, {"Nn": 4, "Sn": 7, "Vn": 3}), (RESEARCH, {"Nn": 7, "Sn": 4, "Vn": 3})]
)
def test_escape_beats_are_where_the_map_says(classes: Any, wanted: dict[str, int]) -> None:
    assert cells(marks("NLRBAaJSejnVrE"), marks("N" * 14), classes=classes) == wanted


def test_a_missed_beat_is_o_and_in_the_tests_shutdown_x() -> None:
    assert cells(marks("NVN"), marks("NN", [0, 2])) == {"Nn": 2, "Vo": 1}
    assert cells(marks("NVN"), marks("NN", [0, 2], shutdown=((0.5, 1.5),))) == {"Nn": 2, "Vx": 1}


def test_an_invented_beat_is_o_and_in_the_references_shutdown_x() -> None:
    assert cells(marks("NN", [0, 2]), marks("NVN")) == {"Nn": 2, "Ov": 1}
    assert cells(marks("NN", [0, 2], shutdown=((0.5, 1.5),)), marks("NVN")) == {"Nn": 2, "Xv": 1}


def test_fibrillation_is_not_compared() -> None:
    reference = marks("NVN", [0, 2, 4], uncounted=((0.5, 3.5),))
    assert cells(reference, marks("NVVVN", [0, 1, 2, 3, 4])) == {"Nn": 2}
    assert cells(reference, marks("NN", [0, 4])) == {"Nn": 2}


def test_the_learning_period_is_not_compared_and_a_pair_goes_with_its_reference() -> None:
    assert cells(marks("NNN"), marks("NNN", [0.1, 0.95, 2.0]), start_s=1.0) == {"Nn": 2}
    assert cells(marks("NNN"), marks("NNN", [0.1, 1.05, 2.0]), start_s=1.02) == {"Nn": 1}


def test_ratios_are_those_of_the_standard() -> None:
    matrix = np.arange(49).reshape(7, 7)
    m = {ORDER[i] + ORDER[j].lower(): int(matrix[i, j]) for i in range(7) for j in range(7)}
    found = ratios(matrix)
    both = sum(m[a + b] for a in "NSVFQ" for b in "nsvfq")
    assert found["QRS", "Se"] == (both, both + sum(m[a + b] for a in "NSVFQ" for b in "ox"))
    assert found["QRS", "+P"] == (both, both + sum(m[a + b] for a in "OX" for b in "nsvfq"))
    assert found["V", "Se"] == (m["Vv"], sum(m["V" + b] for b in "nsvfqox"))
    assert found["V", "+P"] == (m["Vv"], m["Vv"] + m["Nv"] + m["Sv"] + m["Ov"] + m["Xv"])
    assert found["S", "Se"] == (m["Ss"], sum(m["S" + b] for b in "nsvfqox"))
    assert found["S", "+P"] == (m["Ss"], m["Ss"] + m["Ns"] + m["Vs"] + m["Fs"] + m["Os"] + m["Xs"])


def test_errors_and_delays_are_those_of_what_is_compared() -> None:
    test = marks("NNN", [0.01, 1.02, 2.03], t_known_s=np.array([0.2, 1.3, 2.4]))
    found = compare(marks("NNN"), test, EC57, start_s=0.5)
    assert found.error_s == pytest.approx([0.02, 0.03])
    assert found.delay_s == pytest.approx([0.28, 0.37])


def test_intervals_are_compared_between_neighbours_on_both_sides_alone() -> None:
    found = compare(marks("NNNN"), marks("NNN", [0.0, 1.1, 3.0]), EC57, 0.0)
    assert found.rr_s.tolist() == [[1.0, pytest.approx(1.1)]]
    apart = compare(marks("NNNN", uncounted=((1.2, 1.8),)), marks("NNNN"), EC57, 0.0)
    assert len(apart.rr_s) == 2


def test_nothing_said_is_all_missed() -> None:
    assert cells(marks("NN"), marks("")) == {"No": 2}
    assert beats.ratios(compare(marks(""), marks("NN"), EC57, 0.0).matrix)["QRS", "+P"] == (0, 2)
