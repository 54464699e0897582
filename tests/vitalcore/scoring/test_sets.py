"""Tests of folders of results against folders of references."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.vitalcore.scoring.sources import annotate
from vitalcore.errors import ReadError
from vitalcore.scoring.records import Rules
from vitalcore.scoring.report import Report
from vitalcore.scoring.sets import Sources, score

WHOLE = Rules(skip_s=0.0)


def beats(folder: Path, t_s: list[float], classes: str) -> None:
    folder.mkdir(parents=True)
    table = {"stream": ["ecg"] * len(t_s), "t_s": t_s, "t_known_s": [t + 0.25 for t in t_s], "class": list(classes)}
    pq.write_table(pa.table(table), folder / "beats.parquet")


def figure(report: Report, record: str, section: str, item: str) -> float:
    (value,) = [f.value for f in report.figures if (f.record, f.section, f.item) == (record, section, item)]
    return value


def test_results_of_analyze_are_compared_with_annotations_of_the_same_name(tmp_path: Path) -> None:
    annotate(tmp_path / "ref/100", "NVNN")
    annotate(tmp_path / "ref/101", "NNNN")
    beats(tmp_path / "out/100", [1.0, 2.0, 3.0, 3.5], "NVNN")
    beats(tmp_path / "out/other", [1.0], "N")
    seen: list[Any] = []
    report = score(Sources(tmp_path / "out", tmp_path / "ref", rules=WHOLE), lambda *each: seen.append(each))
    assert seen == [("100", 0, 1)]
    assert figure(report, "100", "QRS", "Se") == 0.75
    assert figure(report, "gross", "V", "Se") == 1.0
    assert figure(report, "100", "matrix", "Vv") == 1
    assert report.left_out == ("no reference of this name: other", "no results of this name: 101")
    told = dict(report.rules)
    assert told["recordings"] == "1: 100"
    assert told["class map"].startswith("ec57: N: N L R B")


def test_final_classes_come_from_the_waves(tmp_path: Path) -> None:
    annotate(tmp_path / "ref/100", "NVNN")
    beats(tmp_path / "out/100", [1.0, 2.0, 3.0, 4.0], "NSNN")
    waves = {"stream": ["ecg"], "channel": ["II"], "t_s": [2.0], "class": ["V"]}
    sources = Sources(tmp_path / "out", tmp_path / "ref", final=True, rules=WHOLE)
    with pytest.raises(ReadError, match=r"no waves\.parquet"):
        score(sources)
    pq.write_table(pa.table(waves), tmp_path / "out/100/waves.parquet")
    report = score(sources)
    assert figure(report, "gross", "V", "Se") == 1.0
    assert dict(report.rules)["classes"].startswith("as said last")


def test_annotations_of_any_detector_are_compared(tmp_path: Path) -> None:
    annotate(tmp_path / "ref/a", "NNNN")
    annotate(tmp_path / "det/a", "NNNN", extension="qrs", late=2)
    (tmp_path / "det/a.hea").unlink()
    report = score(Sources(tmp_path / "det", tmp_path / "ref", results_ext="qrs", rules=WHOLE))
    assert figure(report, "a", "QRS", "F1") == 1.0
    assert figure(report, "a", "time", "error median") == pytest.approx(0.02)


def test_a_record_shorter_than_the_learning_period_says_what_to_do(tmp_path: Path) -> None:
    annotate(tmp_path / "ref/a", "NNNN")
    beats(tmp_path / "out/a", [1.0], "N")
    with pytest.raises(ReadError, match="--skip 0"):
        score(Sources(tmp_path / "out", tmp_path / "ref"))


def test_delineations_are_compared_lead_by_lead_in_what_people_marked(tmp_path: Path) -> None:
    for lead in ("ii", "avl"):
        annotate(tmp_path / "ref/1", "(p)(N)(t)", extension=lead)
    table = {"stream": ["ecg"] * 2, "channel": ["II", "II"], "t_s": [5.0, 20.0]}
    points = ("p_on", "p_peak", "p_off", "qrs_on", "qrs_off", "t_on", "t_peak", "t_off")
    table |= {f"{name}_s": [np.nan, 15.0] for name in points}
    table["p_peak_s"] = [2.01, 15.0]
    (tmp_path / "out/1").mkdir(parents=True)
    pq.write_table(pa.table(table), tmp_path / "out/1/waves.parquet")
    report = score(Sources(tmp_path / "out", tmp_path / "ref"))
    assert figure(report, "1 ii", "P peak", "mean") == pytest.approx(0.01)
    assert figure(report, "1 ii", "P peak", "+P") == 1.0
    assert figure(report, "1 ii", "QRS peak", "Se") == 1.0
    assert figure(report, "gross", "T off", "Se") == 0
    assert report.left_out == ("1: no results of lead avl",)
    one = score(Sources(tmp_path / "out", tmp_path / "ref", "ii"))
    assert one.left_out == ()
    same = score(Sources(tmp_path / "ref", tmp_path / "ref", results_ext="LEAD"))
    assert figure(same, "gross", "T off", "Se") == 1.0


def test_alarms_are_scored_from_tables_and_from_answers(tmp_path: Path) -> None:
    (tmp_path / "ref").mkdir()
    (tmp_path / "ref/ALARMS").write_text("a1,Asystole,1\na2,Asystole,0\na3,Tachycardia,1\n")
    for name, code in (("a1", "asystole"), ("a2", "asystole")):
        (tmp_path / "out" / name).mkdir(parents=True)
        rows = {"code": [code], "t_condition_s": [290.0], "t_end_s": [np.nan], "t_decided_s": [294.0]}
        pq.write_table(pa.table(rows), tmp_path / "out" / name / "alarms.parquet")
    report = score(Sources(tmp_path / "out", tmp_path / "ref"))
    assert figure(report, "gross", "all", "score") == 50
    assert report.left_out == ("no results of this name: a3",)
    (tmp_path / "out/answers.txt").write_text("a1,1\na2,0\na3,0\n")
    report = score(Sources(tmp_path / "out", tmp_path / "ref"))
    assert figure(report, "gross", "all", "score") == pytest.approx(100 * 2 / 7)


@pytest.mark.parametrize(
    ("results", "reference", "message"),
    [
        ("nowhere", "ref", "no such folder"),
        ("out", "empty", "no annotations .atr, no delineations as LUDB has them, no ALARMS"),
        ("empty", "ref", "no results of `vitalcore analyze`"),
        ("out", "ref", "no recording has the same name in both: .* has b; .* has a"),
    ],
)
def test_what_cant_be_compared_is_said_with_what_is_there(
    tmp_path: Path, results: str, reference: str, message: str
) -> None:
    annotate(tmp_path / "ref/a", "NNNN")
    beats(tmp_path / "out/b", [1.0], "N")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match=message):
        score(Sources(tmp_path / results, tmp_path / reference, rules=WHOLE))


def test_classes_are_missed_in_a_record_where_none_is_told_but_in_others_are(tmp_path: Path) -> None:
    for name in ("a", "b"):
        annotate(tmp_path / "ref" / name, "NVNN")
    beats(tmp_path / "out/a", [1.0, 2.0, 3.0, 4.0], "NVNN")
    beats(tmp_path / "out/b", [1.0, 2.0, 3.0, 4.0], "NNNN")
    report = score(Sources(tmp_path / "out", tmp_path / "ref", rules=WHOLE))
    assert figure(report, "gross", "V", "Se") == 0.5


def test_two_records_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        annotate(tmp_path / "ref" / folder / "a", "NNNN")
    beats(tmp_path / "out/a", [1.0], "N")
    with pytest.raises(ReadError, match="two of one name"):
        score(Sources(tmp_path / "out", tmp_path / "ref"))


def test_one_damaged_file_stops_no_other(tmp_path: Path) -> None:
    annotate(tmp_path / "ref/a", "NNNN")
    annotate(tmp_path / "ref/b", "NNNN")
    beats(tmp_path / "out/a", [1.0], "N")
    (tmp_path / "out/b").mkdir()
    (tmp_path / "out/b/beats.parquet").write_bytes(b"nothing")
    report = score(Sources(tmp_path / "out", tmp_path / "ref", rules=WHOLE))
    assert dict(report.rules)["recordings"] == "1: a"
    assert len(report.left_out) == 1
    assert "b/beats.parquet: can't be read" in report.left_out[0]
