"""serve, replay and watch, as a user runs them: processes that speak over sockets."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.recordings import heart


def vitalcore(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vitalcore.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, **options)  # type: ignore[call-overload,no-any-return]  # options of run


@pytest.fixture(scope="module")
def endpoints() -> Iterator[dict[str, str]]:
    """Run `vitalcore serve` and read where it listens."""
    ends = [part for name in ("ingest", "live", "control") for part in (f"--{name}", "tcp://127.0.0.1:*")]
    command = [sys.executable, "-m", "vitalcore.cli.main", "serve", *ends]
    engine = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    ready = engine.stdout.readline()
    assert ready.startswith("ready: ")
    yield dict(re.findall(r"(\w+) (tcp://[^,\s]+)", ready))
    engine.send_signal(signal.SIGTERM)
    last = engine.stdout.read()
    assert engine.wait(10) == 0
    assert last.startswith("ended: ")


@pytest.fixture
def ecg_csv(tmp_path: Path) -> Path:
    path = tmp_path / "morning.csv"
    np.savetxt(path, heart(10.0), "%.4f", header="ECG (mV)", comments="")
    return path


def test_a_file_that_is_replayed_is_heard_by_a_watcher(endpoints: dict[str, str], ecg_csv: Path) -> None:
    command = [sys.executable, "-m", "vitalcore.cli.main", "watch", endpoints["live"]]
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
    beats = [line for line in lines if line["what"] == "beat"]
    assert 10 <= len(beats) <= 12  # 12 R peaks, the first may be learnt on
    assert {line["key"] for line in lines} == {"replay/morning/file/ecg"}


def test_a_watcher_without_an_engine_ends_in_one_line_that_says_so() -> None:
    done = vitalcore("watch", "tcp://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("vitalcore: no engine answers beside tcp://127.0.0.1:9")
    assert len(done.stderr.splitlines()) == 1


def test_without_a_terminal_watch_prints_a_line_a_second(endpoints: dict[str, str]) -> None:
    done = vitalcore("watch", endpoints["live"], "--control", endpoints["control"], "--seconds", "2.5")
    assert done.returncode == 0
    assert 1 <= len(done.stdout.splitlines()) <= 3


def test_a_file_without_an_engine_ends_in_one_line_that_says_so(ecg_csv: Path) -> None:
    done = vitalcore("replay", str(ecg_csv), "--fs", "250", "--to", "tcp://127.0.0.1:9", "--speed", "100")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("vitalcore: no engine answers at this address")
    assert "Traceback" not in done.stderr


def test_an_address_that_leaves_this_machine_is_refused_in_one_line() -> None:
    done = vitalcore("serve", "--ingest", "tcp://0.0.0.0:7401")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "0.0.0.0" in done.stderr


def test_a_port_that_is_taken_is_named_in_one_line(endpoints: dict[str, str]) -> None:
    done = vitalcore("serve", "--ingest", endpoints["ingest"])
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert endpoints["ingest"] in done.stderr


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
    tables = {f"{name}.parquet" for name in ("beats", "pulses", "blinks", "features", "events")}
    assert names == tables | {"report.html"}


def test_an_interrupted_demo_still_ends_with_its_summary(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vitalcore.cli.main", "demo", "--seconds", "60"]
    demo = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True)
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
