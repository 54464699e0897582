"""Watching an engine."""

import signal
import subprocess

from tests.cli.conftest import start, vitalcore


def test_a_watcher_without_an_engine_ends_in_one_line_that_says_so() -> None:
    done = vitalcore("watch", "tcp://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("vitalcore: no engine answers beside tcp://127.0.0.1:9")
    assert len(done.stderr.splitlines()) == 1


def test_without_a_terminal_watch_prints_a_line_a_second(endpoints: dict[str, str]) -> None:
    done = vitalcore("watch", endpoints["live"], "--control", endpoints["control"], "--seconds", "2.5")
    assert done.returncode == 0
    assert 1 <= len(done.stdout.splitlines()) <= 3


def test_ctrl_c_is_the_usual_way_to_end(endpoints: dict[str, str]) -> None:
    watcher = start("watch", endpoints["live"], "--control", endpoints["control"], "--json", stderr=subprocess.PIPE)
    assert watcher.stdout is not None
    watcher.stdout.readline()
    watcher.send_signal(signal.SIGINT)
    _, complaints = watcher.communicate(timeout=30)
    assert watcher.returncode == 0
    assert complaints == ""
