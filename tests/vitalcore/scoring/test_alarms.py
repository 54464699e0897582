"""Tests of the score of the CinC 2015 challenge."""

from pathlib import Path

import pytest

from vitalcore.errors import ReadError
from vitalcore.scoring.alarms import AlarmScore, Said, Truth, compare, raised, truths

ASYSTOLE = Truth("a", "Asystole", True)
INF = float("inf")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (Said("asystole", 290, 296, 294), True),
        (Said("asystole", 200, INF, 204), True),  # still held
        (Said("asystole", 270, 285, 274), True),  # ended 15 s before
        (Said("asystole", 270, 283, 274), False),  # 17 s before
        (Said("asystole", 297, 305, 300.5), False),  # known too late
        (Said("extreme_bradycardia", 290, 296, 294), False),  # another one
    ],
)
def test_an_alarm_is_raised_by_what_held_shortly_before_and_was_known_in_time(said: Said, wanted: bool) -> None:
    assert raised(ASYSTOLE, [said]) is wanted


def test_a_true_alarm_called_false_costs_five() -> None:
    assert AlarmScore(tp=2, fn=1, fp=3, tn=4).score == pytest.approx(100 * 6 / (9 + 5))


def test_calls_are_counted_by_kind_and_a_record_without_a_call_is_left_out() -> None:
    tachy = [Truth(name, "Tachycardia", true) for name, true in (("b", True), ("c", False), ("d", False))]
    found = compare([ASYSTOLE, *tachy, Truth("e", "Asystole", True)], {"a": False, "b": True, "c": True, "d": False})
    assert found == {"Asystole": AlarmScore(fn=1), "Tachycardia": AlarmScore(tp=1, fp=1, tn=1)}


def test_the_list_of_alarms_is_read_and_a_broken_line_named(tmp_path: Path) -> None:
    assert truths(tmp_path) == []
    (tmp_path / "ALARMS").write_text("a1l,Asystole,0\nt1s,Tachycardia,1\n")
    assert truths(tmp_path) == [Truth("a1l", "Asystole", False), Truth("t1s", "Tachycardia", True)]
    (tmp_path / "ALARMS").write_text("a1l,Asystole,0\nt1s,Fever,1\n")
    with pytest.raises(ReadError, match="line 2"):
        truths(tmp_path)


def test_the_real_list_is_whole(data: Path) -> None:
    assert len(truths(data / "cinc2015")) == 98
