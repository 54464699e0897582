"""An engine as a user starts it, and the command as a user runs it."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitalcore.fixtures.recordings import heart

VITALCORE = [sys.executable, "-m", "vitalcore.cli.main"]


def vitalcore(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run([*VITALCORE, *arguments], capture_output=True, text=True, timeout=180, check=False, **options)


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start a command that Ctrl-C can interrupt, even where these tests run in the background of a shell."""

    def listen() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen([*VITALCORE, *arguments], stdout=subprocess.PIPE, text=True, preexec_fn=listen, **options)


@pytest.fixture(scope="session")
def endpoints() -> Iterator[dict[str, str]]:
    """Run `vitalcore serve` and read where it listens."""
    ends = [part for name in ("ingest", "live", "control") for part in (f"--{name}", "tcp://127.0.0.1:*")]
    engine = subprocess.Popen([*VITALCORE, "serve", *ends], stdout=subprocess.PIPE, text=True)
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
