"""Tests of the tables of a comparison."""

import numpy as np

from vitalcore.scoring import waves
from vitalcore.scoring.alarms import AlarmScore
from vitalcore.scoring.marks import Marks
from vitalcore.scoring.records import Rules, compare
from vitalcore.scoring.report import of_alarms, of_beats, of_waves


def marks(name: str, symbols: str) -> Marks:
    t_s = np.arange(len(symbols), dtype=np.float64)
    return Marks(name, t_s, np.array(list(symbols), "<U1"), episodes={"AF": ((1.0, 3.0),)})


def test_records_gross_and_average_stand_below_each_other() -> None:
    rules = Rules(skip_s=0.0)
    scores = [
        compare(marks(name, "NVVNNNN"), marks(name, said), rules) for name, said in (("a", "NVVNN"), ("b", "NNVN"))
    ]
    sections, _ = of_beats(scores)
    beats = sections[0]
    assert [row[0] for row in beats.rows] == ["a", "b", "gross", "average"]
    assert [row[1:4] for row in beats.rows] == [("7", "2", "0"), ("7", "3", "0"), ("14", "5", "0"), ("", "", "")]
    assert all(len(row) == len(section.head) for section in sections for row in section.rows)
    titles = [section.title for section in sections]
    assert "Classes, gross" in titles
    assert "Episodes, gross" in titles
    assert [section.title for section in sections if section.detail] == [
        "Classes, record a",
        "Classes, record b",
        "Episodes by record",
    ]


def test_without_classes_it_says_why_there_are_none() -> None:
    sections, _ = of_beats([compare(marks("a", "NVN"), marks("a", "NNN"), Rules(skip_s=0.0))])
    assert "tell no classes" in next(section.note for section in sections if section.title == "Classes")


def test_delineations_are_shown_in_one_pot_and_by_lead() -> None:
    one = {point: np.array([1.0, 2.0]) for point in waves.POINTS}
    score = waves.compare(one, {point: times + 0.01 for point, times in one.items()})
    sections, figures = of_waves({("r", "ii"): score, ("s", "ii"): score})
    assert sections[0].rows[0] == ("P on", "4", "+10.0", "0.0", "100.0", "100.0")
    assert [section.title for section in sections if section.detail] == ["Lead ii", "Mean error by record and lead, ms"]
    assert {figure.record for figure in figures} == {"gross", "r ii", "s ii"}


def test_alarms_are_shown_by_kind_and_together() -> None:
    (section,), _ = of_alarms({"Asystole": AlarmScore(1, 0, 1, 2), "Tachycardia": AlarmScore(1, 1, 0, 0)})
    assert [row[0] for row in section.rows] == ["Asystole", "Tachycardia", "all"]
    assert section.rows[0][-1] == "75.00"
