"""Tests of `vitalcore inspect`."""

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result

from vitalcore.cli.main import main
from vitalcore.fixtures.recordings import ecg, heart, ppg, pulses
from vitalcore.readers import parquet
from vitalcore.readers.recording import Recording, Track


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def write(folder: Path) -> Path:
    x = pulses(10)
    x[:125] = np.nan
    abp = Track("abp", "other", ppg(x).fs_hz, ("ABP",), x[:, None], "mmHg")
    path = folder / "r.parquet"
    parquet.write(Recording("r", (ecg(heart(10)), ppg(x), abp)), path)
    return path


def test_words_tell_rate_duration_missing_and_what_would_be_analysed(tmp_path: Path) -> None:
    done = run(write(tmp_path))
    assert done.exit_code == 0
    for words in ("r: 10 s, start unknown", "ecg (ecg): II", "250 Hz, 2500 samples, 10 s, mV", "10.00% missing"):
        assert words in done.stdout
    assert done.stdout.count("analysed\n") == 2
    assert "left out: not a signal that is analysed" in done.stdout


def test_json_tells_the_same_to_a_machine(tmp_path: Path) -> None:
    made = json.loads(run(write(tmp_path), "--json").stdout)
    assert [track["stream"] for track in made["tracks"]] == ["ecg", "ppg", "abp"]
    assert made["tracks"][0]["fs_fraction"] == [250, 1]
    assert made["tracks"][1]["missing"] == 0.1
    assert [track["analysed"] for track in made["tracks"]] == [True, True, False]


def test_a_variable_rate_is_named_as_such(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", landmarks=np.ones((60, 478, 3)), t=np.arange(60) / 30)
    done = run(tmp_path / "f.npz")
    assert "x0 … z477 (1434)" in done.stdout
    assert "variable rate, about 30 Hz" in done.stdout


def test_options_say_what_the_file_cant(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x.csv", pulses(4), "%.6f")
    done = run(tmp_path / "x.csv", "--fs", "125/2", "--signal", "ppg")
    assert "62.5 Hz" in done.stdout


def test_what_cant_be_read_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = run(tmp_path / "nothing.csv")
    assert done.exit_code == 1
    assert done.stderr == f"vitalcore: {tmp_path}/nothing.csv: no such file\n"
