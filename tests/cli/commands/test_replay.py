"""Files sent to an engine as if they were measured now."""

import json
import subprocess
from pathlib import Path

from tests.cli.conftest import VITALCORE, vitalcore


def test_a_file_that_is_replayed_is_heard_by_a_watcher(endpoints: dict[str, str], ecg_csv: Path) -> None:
    command = [*VITALCORE, "watch", endpoints["live"]]
    options = ["--control", endpoints["control"], "--json"]
    watcher = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    assert json.loads(watcher.stdout.readline())["what"] == "status"  # it has been let in
    done = vitalcore("replay", str(ecg_csv), "--fs", "250", "--to", endpoints["ingest"], "--speed", "10")
    assert done.returncode == 0, done.stderr
    assert "replay/morning/file/ecg: " in done.stdout
    assert "0 samples lost" in done.stdout
    lines = []
    for text in watcher.stdout:
        lines.append(json.loads(text))
        if lines[-1]["what"] == "gap":  # the end of the stream
            break
    watcher.kill()
    ours = [line for line in lines if line["key"] == "replay/morning/file/ecg"]  # the engine is shared
    assert 10 <= sum(line["what"] == "beat" for line in ours) <= 12  # 12 R peaks, the first may be learnt on


def test_a_file_without_an_engine_ends_in_one_line_that_says_so(ecg_csv: Path) -> None:
    done = vitalcore("replay", str(ecg_csv), "--fs", "250", "--to", "tcp://127.0.0.1:9", "--speed", "100")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("vitalcore: no engine answers at this address")
    assert "Traceback" not in done.stderr
