"""`vitalcore journal` from the command line: what it shows, how it ends."""

import json
import re
from pathlib import Path

from click.testing import CliRunner, Result

from tests.streams import kept
from vitalcore.cli.main import main
from vitalcore.streams.security import audit


def run(*words: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["journal", *map(str, words)])


def test_what_is_kept_is_listed_for_people_and_for_machines(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with kept.running(path):
        shown = run("list", path)
        assert run("verify", path).exit_code == 0
        refused = run("erase", path, "icu/p1")
    assert shown.exit_code == 0
    assert all(word in shown.output for word in (*kept.KEYS, "1,500", "2 sessions"))
    for key in kept.KEYS:
        (line,) = [line for line in shown.output.splitlines() if line.startswith(f" {key} ")]
        assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d .* 1,500 .* \d+\.\d *$", line), line
    assert (refused.exit_code, 'request("ERASE", key="icu/p1/")' in refused.output) == (1, True)
    told = json.loads(run("list", path, "--json").output)
    assert [(each["key"], each["samples"], each["fs_hz"]) for each in told["sessions"]] == [
        (key, 1500, 250.0) for key in kept.KEYS
    ]
    assert told["results"][f"{kept.KEYS[0]}/beat/"]["results"] > 10
    assert told["damage"] == []


def test_damage_is_said_and_the_exit_code_is_1(tmp_path: Path) -> None:
    path = kept.stopped(tmp_path / "j.db")
    assert run("verify", path).exit_code == 0
    kept.flip(path, path.read_bytes().index(kept.signal(0)[:10].astype("<f4").tobytes()))
    checked = run("verify", path)
    assert checked.exit_code == 1
    assert "damaged or missing" in checked.output
    rescued = run("salvage", path, tmp_path / "new.db")
    assert rescued.exit_code == 0
    assert "lost: entry" in rescued.output
    assert run("verify", tmp_path / "none.db").exit_code == 1


def test_export_writes_files_of_the_streams_that_were_asked_for(tmp_path: Path) -> None:
    path = kept.stopped(tmp_path / "j.db")
    done = run("export", path, "--out", tmp_path / "out", "--key", "icu/p1/", "--format", "wfdb")
    assert done.exit_code == 0
    assert (tmp_path / "out" / kept.KEYS[0] / "7-0.hea").is_file()
    assert not (tmp_path / "out" / kept.KEYS[1]).exists()


def test_an_erased_subject_is_in_no_file_and_in_the_audit_log(tmp_path: Path) -> None:
    path = kept.stopped(tmp_path / "j.db")
    assert run("erase", path, "icu").exit_code == 1
    done = run("erase", path, "icu/p1")
    assert done.exit_code == 0, done.output
    left = path.read_bytes()
    assert kept.KEYS[0].encode() not in left
    assert kept.signal(0)[:10].astype("<f4").tobytes() not in left
    assert kept.signal(1)[:10].astype("<f4").tobytes() in left
    listed = json.loads(run("list", path, "--json").output)
    assert [each["key"] for each in listed["sessions"]] == [kept.KEYS[1]]
    assert run("verify", path).exit_code == 0
    log = tmp_path / "j.db.audit"
    assert '"what":"ERASE","stream":"icu/p1","result":"ok"' in log.read_text()
    assert not audit.verify(log).problem
    assert run("erase", tmp_path / "none.db", "icu/p1").exit_code == 1
    assert not (tmp_path / "none.db").exists()
