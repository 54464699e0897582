"""The demo."""

import os
import re
import signal
from pathlib import Path

from tests.cli.conftest import start, vitalcore


def test_the_demo_ends_by_itself_and_leaves_tables_and_a_report(tmp_path: Path) -> None:
    done = vitalcore("demo", "--seconds", "8", cwd=tmp_path, env=os.environ | {"COLUMNS": "100"})
    assert done.returncode == 0, done.stderr
    words = done.stdout
    for signal_ in ("ecg", "ppg", "face"):
        (line,) = [line for line in words.splitlines() if line.startswith(f"{signal_}: ")]
        assert line.endswith("seen live, the same as in the recording")
    assert "0 samples lost, 0 without an answer" in words
    assert re.search(r"engine latency p50 [\d.]+ ms, p99 [\d.]+ ms", words)
    names = {path.name for path in (tmp_path / "vitalcore-demo").iterdir()}
    tables = {f"{name}.parquet" for name in ("beats", "waves", "pulses", "blinks", "features", "events", "alarms")}
    assert names == tables | {"report.html"}


def test_an_interrupted_demo_still_ends_with_its_summary(tmp_path: Path) -> None:
    demo = start("demo", "--seconds", "60", cwd=tmp_path, start_new_session=True)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "ecg: beats" in line:
            break
    os.killpg(demo.pid, signal.SIGINT)
    rest = demo.communicate(timeout=60)[0]
    assert demo.returncode == 0
    assert "stopped early" in rest
    assert "0 samples lost" in rest
    assert (tmp_path / "vitalcore-demo" / "report.html").is_file()
