"""Tests of the scores of recordings, one and many."""

from dataclasses import replace

import numpy as np
import pytest

from vitalcore.scoring.marks import Marks
from vitalcore.scoring.records import Figure, Rules, average, compare, figures, gross

WHOLE = Rules(skip_s=0.0)


def marks(symbols: str, late_s: float = 0.0) -> Marks:
    t_s = np.arange(len(symbols), dtype=np.float64) + late_s
    return Marks("r", t_s, np.array(list(symbols), "<U1"), t_s + 0.25)


def found(items: list[Figure]) -> dict[tuple[str, str], float]:
    return {(each.section, each.item): each.value for each in items}


def test_a_perfect_test_scores_one_everywhere() -> None:
    reference = marks("NNVNSNVVNNVVVNVVVVVVN" * 3)
    values = found(figures(compare(reference, reference, WHOLE)))
    shares = {key: value for key, value in values.items() if key[1] in ("Se", "+P", "F1")}
    assert len(shares) == 3 + 4 + 6
    assert all(value == 1.0 for value in shares.values())
    assert values["RR", "rms error"] == 0


def test_times_and_delays_are_told() -> None:
    values = found(figures(compare(marks("N" * 20), marks("N" * 20, 0.01), WHOLE)))
    assert values["time", "error median"] == pytest.approx(0.01)
    assert values["time", "delay p95"] == pytest.approx(0.25)


def test_the_default_skips_five_minutes() -> None:
    score = compare(marks("N" * 400), marks("N" * 400))
    assert score.beat.matrix.sum() == 100


@pytest.mark.parametrize(("reference", "test"), [("NVN/", "NVNN"), ("NVNN", "NNNN")])
def test_no_classes_are_compared_with_paced_beats_or_a_test_that_tells_none(reference: str, test: str) -> None:
    score = compare(marks(reference), marks(test), WHOLE)
    assert score.classes is None
    assert ("V", "Se") not in found(figures(score))


def test_gross_counts_beats_alike_and_average_records_alike() -> None:
    good = compare(marks("NV" * 50), marks("NV" * 50), WHOLE)
    poor = compare(marks("NV" * 5), marks("SN" * 5), WHOLE)
    paced = compare(marks("NV/" * 5), marks("SNN" * 5), WHOLE)
    whole = gross([good, poor, paced])
    values = found(figures(whole))
    assert values["V", "Se"] == pytest.approx(50 / 55)
    assert values["QRS", "Se"] == 1.0
    mean = found(average([*figures(good), *figures(poor), *figures(paced)]))
    assert mean["V", "Se"] == pytest.approx(0.5)


def test_a_record_in_which_nothing_was_said_has_figures_of_what_was_missed() -> None:
    values = found(figures(compare(marks("NN"), Marks("r", np.empty(0), np.empty(0, "<U1")), WHOLE)))
    assert values["QRS", "Se"] == 0
    assert np.isnan(values["QRS", "+P"])


def test_a_test_that_tells_classes_elsewhere_has_missed_those_it_calls_normal_here() -> None:
    values = found(figures(compare(marks("NVNN"), marks("NNNN"), WHOLE, told=True)))
    assert values["V", "Se"] == 0


def test_without_marked_beats_episodes_are_compared_alone() -> None:
    reference = Marks("r", np.empty(0), np.empty(0, "<U1"), episodes={"VF": ((2.0, 6.0),)})
    score = compare(reference, replace(marks("NVVVVN"), episodes={"VF": ((3.0, 6.0),)}), WHOLE)
    assert not score.beat.matrix.any()
    assert found(figures(score))["VF", "duration Se"] == 0.75
