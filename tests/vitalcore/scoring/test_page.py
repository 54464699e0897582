"""Tests of a comparison as files."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from vitalcore.errors import VitalcoreError
from vitalcore.scoring.page import render, write
from vitalcore.scoring.records import Figure
from vitalcore.scoring.report import Report, Section

REPORT = Report(
    "Beat by beat",
    (("class map", "ec57: N: <N L R B>"), ("period", "from 300 s")),
    (
        Section("Beats", ("", "Se %"), (("a & b", "99.9"),), "a note"),
        Section("Detail", ("", "n"), (("x", "1"),), detail=True),
    ),
    (Figure("a", "QRS", "Se", 0.999, "1", 999.0, 1000.0),),
    ("no results of this name: c",),
)


def test_the_page_states_rules_tables_and_what_was_left_out_and_fetches_nothing() -> None:
    page = render(REPORT)
    for text in ("ec57: N: &lt;N L R B&gt;", "from 300 s", "a &amp; b", "99.9", "a note", "no results of this name: c"):
        assert text in page
    assert not re.search(r"(src|href)=|https?:", page)
    assert page.count("<table") == page.count("</table>") == 3
    assert page.count("<details>") == page.count("</details>") == 2


def test_figures_and_rules_are_in_the_table(tmp_path: Path) -> None:
    paths = write(REPORT, tmp_path / "new")
    assert [path.name for path in paths] == ["score.parquet", "score.html"]
    table = pq.read_table(tmp_path / "new/score.parquet")
    assert table.to_pylist() == [
        {"record": "a", "section": "QRS", "item": "Se", "value": 0.999, "unit": "1", "part": 999.0, "whole": 1000.0}
    ]
    assert json.loads(table.schema.metadata[b"vitalcore.score"])["period"] == "from 300 s"


def test_a_folder_that_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VitalcoreError, match="can't be written"):
        write(REPORT, tmp_path / "file")
