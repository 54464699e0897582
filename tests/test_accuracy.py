"""The accuracy tables run over one record of each set, beside the peers that are installed."""

from pathlib import Path

import pytest

from benchmarks.accuracy import alarms, classes, qrs, rhythm, signals, waves


@pytest.mark.parametrize(
    ("table", "arguments", "told"),
    [
        (qrs, ["101"], ("vitalcore, first lead", "sleepecg", "neurokit2 default", "bar")),
        (classes, ["106"], ("class map: N:", "said last", "V of the reference")),
        (rhythm, ["426"], ("VT or VF", "duration Se")),
        (waves, ["1"], ("neurokit2 prominence", "T off", "SD ≤ 16")),
        (alarms, ["a142s"], ("Asystole", "85")),
        (signals, ["normal"], ("normal", "0 ± 10")),
    ],
)
def test_each_table_is_made_of_one_record(
    data: Path, capsys: pytest.CaptureFixture[str], table: object, arguments: list[str], told: tuple[str, ...]
) -> None:
    table.main(["--data", str(data), *arguments])  # type: ignore[attr-defined]  # each has one
    shown = " ".join(capsys.readouterr().out.split())
    for text in told:
        assert text in shown


def test_absent_recordings_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for table in (qrs, classes, rhythm, waves, alarms):
        table.main(["--data", str(tmp_path)])
        assert "VITALCORE_DATA" in capsys.readouterr().out
