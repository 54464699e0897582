"""Tests of `vitalcore analyze`, end to end."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from vitalcore.cli.commands.analyze import record_folders
from vitalcore.cli.main import main
from vitalcore.fixtures.recordings import FS, ecg, heart, ppg, pulses
from vitalcore.readers import Found, parquet
from vitalcore.readers.recording import Recording


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["analyze", *map(str, arguments)])


def table(path: Path, x: np.ndarray, label: str = "PLETH") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(
        path, np.column_stack([np.arange(len(x)) / float(FS), x]), "%.6f", ",", header=f"time,{label}", comments=""
    )
    return path


def test_a_recording_becomes_tables_and_a_report(tmp_path: Path) -> None:
    parquet.write(Recording("both", (ecg(heart(30)), ppg(pulses(30)))), tmp_path / "both.parquet")
    done = run(tmp_path / "both.parquet", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "out" / "both"
    assert sorted(path.name for path in folder.iterdir()) == [
        "alarms.parquet",
        "beats.parquet",
        "events.parquet",
        "features.parquet",
        "pulses.parquet",
        "report.html",
        "waves.parquet",
    ]
    assert pq.read_table(folder / "beats.parquet").num_rows >= 34
    assert "ecg: 3" in done.stdout
    assert "ppg: 3" in done.stdout


def test_one_broken_file_stops_no_other_and_is_named(tmp_path: Path) -> None:
    table(tmp_path / "in/good.csv", pulses(20))
    (tmp_path / "in/bad.edf").write_bytes(b"0       " + b"x" * 300)
    (tmp_path / "in/empty.csv").write_text("")
    (tmp_path / "in/notes.csv").write_text("name,label\na,b\n")
    done = run(tmp_path / "in", "--out", tmp_path / "out", "--jobs", 1, "--no-report")
    assert done.exit_code == 1
    assert (tmp_path / "out/good/pulses.parquet").exists()
    assert "2 of 4 files failed" in done.stderr
    assert "bad.edf" in done.stderr
    assert "empty.csv: empty" in done.stderr
    assert "1 of 4 files hold nothing to analyse" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_path_that_names_nothing_stops_no_other(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", pulses(20))
    done = run(tmp_path / "nothing.csv", path, path, "--out", tmp_path / "out", "--no-report")
    assert done.exit_code == 1
    assert (tmp_path / "out/x/pulses.parquet").exists()
    assert "1 of 2 files failed" in done.stderr
    assert "nothing.csv: no such file" in done.stderr


def test_several_processes_do_the_same(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        table(tmp_path / f"in/{name}.csv", pulses(20, 60 + 5 * ord(name) % 20))
    (tmp_path / "in/d.csv").write_text("")
    one = run(tmp_path / "in", "--out", tmp_path / "one", "--jobs", 1, "--no-report")
    two = run(tmp_path / "in", "--out", tmp_path / "two", "--jobs", 2, "--no-report")
    assert (one.exit_code, two.exit_code) == (1, 1)
    for name in ("a", "b", "c"):
        first, second = (pq.read_table(tmp_path / out / name / "pulses.parquet").to_pandas() for out in ("one", "two"))
        assert len(first) > 10
        assert first.equals(second)


def test_equal_names_from_different_folders_stay_apart(tmp_path: Path) -> None:
    table(tmp_path / "in/a/x.csv", pulses(20, 60))
    table(tmp_path / "in/b/x.csv", pulses(20, 90))
    assert run(tmp_path / "in", "--out", tmp_path / "out", "--no-report").exit_code == 0
    rows = [pq.read_table(tmp_path / "out" / name / "pulses.parquet").num_rows for name in ("a-x", "b-x")]
    assert rows[1] > rows[0] + 5


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/x.csv", "b/y.csv"], ["x", "y"]),
        (["a/x.csv", "b/x.csv", "b/y.csv"], ["a-x", "b-x", "y"]),
        (["p/a/x.csv", "q/a/x.csv"], ["p-a-x", "q-a-x"]),
        (["a/x.csv", "a/x.hea"], ["x-csv", "x-hea"]),
    ],
)
def test_folders_are_named_after_records_with_as_much_before_as_is_needed(paths: list[str], names: list[str]) -> None:
    assert record_folders([Found(Path("/data", path), named=True) for path in paths]) == names


def test_a_second_run_replaces_its_own_files_only_and_says_so(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", pulses(20))
    assert "replaced" not in run(path, "--out", tmp_path / "out", "--no-report").stdout
    (tmp_path / "out/x/mine.txt").write_text("keep")
    assert "earlier results replaced" in run(path, "--out", tmp_path / "out", "--no-report").stdout
    assert (tmp_path / "out/x/mine.txt").read_text() == "keep"


def test_results_beside_the_recordings_are_no_recordings(tmp_path: Path) -> None:
    table(tmp_path / "x.csv", pulses(20))
    for _ in range(2):
        done = run(tmp_path, "--out", tmp_path, "--no-report")
        assert done.exit_code == 0, done.output
        assert done.stdout.count("ppg:") == 1


def test_a_folder_with_nothing_to_analyse_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("name,label\na,b\n")
    done = run(tmp_path, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "nothing to analyse" in done.stderr


def test_json_tells_a_machine_what_was_done(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", pulses(20))
    done = run(path, "--out", tmp_path / "out", "--no-report", "--json")
    (record,) = json.loads(done.stdout)["records"]
    assert (record["state"], record["streams"][0]["stream"]) == ("ok", "ppg")
    assert record["streams"][0]["n"] == pq.read_table(tmp_path / "out/x/pulses.parquet").num_rows


@pytest.mark.parametrize("arguments", [[], ["nothing.csv"], ["x.csv", "--fs", "zero"], ["x.csv", "--jobs", "0"]])
def test_wrong_usage_and_missing_input_exit_with_2(tmp_path: Path, arguments: list[str]) -> None:
    done = run(*arguments, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_what_a_file_cant_say_is_asked_for_and_taken(tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    np.savetxt(path, pulses(20), "%.6f")
    done = run(path, "--out", tmp_path / "out", "--no-report")
    assert done.exit_code == 1
    assert "state it and the signal with --fs and --signal" in done.stderr
    done = run(path, "--out", tmp_path / "out", "--no-report", "--fs", "125", "--signal", "ppg")
    assert done.exit_code == 0
    assert (tmp_path / "out/bare/pulses.parquet").exists()


def test_a_named_file_without_a_signal_has_failed(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", pulses(20), "CVP")
    done = run(path, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "nothing to analyse" in done.stderr
    assert not (tmp_path / "out/x").exists()


def test_the_installed_program_does_it_without_a_terminal(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", pulses(20))
    code = "import sys; from vitalcore.cli.main import main; sys.argv[0] = 'vitalcore'; main()"
    command: list[Any] = [sys.executable, "-c", code, "analyze", path, "--out", tmp_path / "out", "--no-report"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1/1" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


def test_real_records_of_one_folder(data: Path, tmp_path: Path) -> None:
    done = run(data / "cinc2015" / "b124s.mat", data / "ludb" / "1.hea", "--out", tmp_path / "out", "--no-report")
    assert done.exit_code == 0, done.output
    beats = pq.read_table(tmp_path / "out/b124s/beats.parquet").to_pandas()
    assert 200 < len(beats) < 320
    assert (tmp_path / "out/b124s/pulses.parquet").exists()
    assert pq.read_table(tmp_path / "out/1/beats.parquet").num_rows >= 6
