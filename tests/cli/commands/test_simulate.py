"""Tests of `vitalcore simulate`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.cli.conftest import vitalcore
from vitalcore.cli.commands.simulate import NOISES
from vitalcore.cli.main import main
from vitalcore.fixtures import noise
from vitalcore.fixtures.scenarios import SCENARIOS


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_list_names_and_describes_every_scenario() -> None:
    done = run("simulate", "--list")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(SCENARIOS)
    assert any("Alarms: ventricular_fibrillation." in line for line in lines)


@pytest.mark.parametrize("suffix", [".hea", ".edf", ".csv", ".parquet"])
def test_what_it_writes_can_be_inspected(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"made{suffix}"
    done = run("simulate", "bigeminy", "--seconds", 40, "--rate", 360, "--leads", 3, "-o", path)
    assert done.exit_code == 0, done.output
    assert "40 s, II, V1, V5 at 360 Hz" in done.stdout
    assert "bigeminy from 30" in done.stdout
    seen = json.loads(run("inspect", path, "--json").stdout)["tracks"][0]
    assert (seen["kind"], seen["fs_hz"], seen["channels"], seen["analysed"]) == ("ecg", 360, ["II", "V1", "V5"], True)
    assert {file.name for file in tmp_path.iterdir()} >= {"made.atr", "made.truth.json"}


def test_it_reads_back_through_analyze(tmp_path: Path) -> None:
    run("simulate", "vt", "-o", tmp_path / "vt.hea")
    done = run("analyze", tmp_path / "vt.hea", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert list((tmp_path / "out").rglob("beats.parquet"))


def test_it_can_be_replayed(tmp_path: Path, endpoints: dict[str, str]) -> None:
    run("simulate", "normal", "--seconds", 5, "-o", tmp_path / "normal.hea")
    done = vitalcore("replay", str(tmp_path / "normal.hea"), "--to", endpoints["ingest"], "--speed", "20")
    assert done.returncode == 0, done.stderr
    assert "0 samples lost" in done.stdout


def test_the_same_options_write_the_same_bytes(tmp_path: Path) -> None:
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        run("simulate", "af", "--seconds", 20, "--seed", seed, "--noise", "motion", "-o", tmp_path / folder / "x")
    a, b, c = ((tmp_path / folder / "x.dat").read_bytes() for folder in "abc")
    assert a == b
    assert a != c


def test_an_unknown_scenario_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = run("simulate", "flying", "-o", tmp_path / "x.hea")
    assert done.exit_code == 1
    assert done.stderr.startswith("vitalcore: no scenario flying; there are normal, ")


def test_the_noises_offered_are_those_that_there_are() -> None:
    assert set(NOISES) == set(noise.KINDS)
