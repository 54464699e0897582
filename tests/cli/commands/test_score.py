"""Tests of `vitalcore score`."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from tests.vitalcore.scoring.sources import annotate
from vitalcore.cli.commands.score import MAPS
from vitalcore.cli.main import main
from vitalcore.scoring.marks import MAPS as KNOWN


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["score", *map(str, arguments)])


def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("100", "101"):
        annotate(tmp_path / "ref" / name, "NVVNSNNNFN" * 40)
        annotate(tmp_path / "det" / name, "NVVNNNNNVN" * 40, extension="qrs", late=1)
    annotate(tmp_path / "ref/102", "NNNN")
    return tmp_path / "det", tmp_path / "ref"


def test_two_folders_of_annotations_are_compared_and_written(tmp_path: Path) -> None:
    det, ref = folders(tmp_path)
    done = run(det, ref, "--results-ext", "qrs", "--out", tmp_path / "scores")
    assert done.exit_code == 0, done.output
    for text in ("class map", "from 300 s", "100", "101", "gross", "average", "couplet"):
        assert text in done.stdout
    assert "no results of this name: 102" in done.stderr
    assert "\x1b" not in done.stdout
    page = (tmp_path / "scores/score.html").read_text()
    assert "as ANSI/AAMI EC57" in page
    assert pq.read_table(tmp_path / "scores/score.parquet").num_rows > 100


def test_json_tells_a_machine_the_same(tmp_path: Path) -> None:
    det, ref = folders(tmp_path)
    done = run(det, ref, "--results-ext", "qrs", "--json", "--skip", 0)
    told = json.loads(done.stdout)
    figures = {(f["record"], f["section"], f["item"]): f["value"] for f in told["figures"]}
    assert figures["gross", "QRS", "Se"] == 1
    assert figures["gross", "V", "Se"] == 1
    assert figures["gross", "V", "+P"] == 1  # a fusion beat that is called V is no false one
    assert figures["gross", "S", "Se"] == 0
    assert told["left_out"] == ["no results of this name: 102"]
    assert not list(tmp_path.glob("**/score.*"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument"),
        (["det", "ref", "--skip", "-1"], 2, "must not lie below 0"),
        (["det", "ref", "--until", "10"], 2, "must lie above --skip"),
        (["det", "ref", "--window", "0"], 2, "must lie above 0"),
        (["det", "ref", "--map", "mine"], 2, "ec57"),
        (["det", "nowhere"], 1, "no such folder"),
        (["det", "ref"], 1, "--results-ext"),
        (["det", "ref", "--results-ext", "xyz"], 1, "no annotations .xyz"),
    ],
)
def test_wrong_usage_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    folders(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == code
    assert message in done.output
    assert "Traceback" not in done.output


def test_the_maps_are_those_that_there_are() -> None:
    assert tuple(KNOWN) == MAPS


def test_a_reference_against_itself_is_perfect(data: Path) -> None:
    done = run(data / "mitdb", data / "mitdb", "--results-ext", "atr", "--json")
    told = json.loads(done.stdout)
    shares = {f["value"] for f in told["figures"] if f["item"] in ("Se", "+P", "duration Se", "duration +P")}
    assert shares == {1.0, None}
