"""Journals with two patients in them, as an engine leaves them: running, stopped or killed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.streams.conftest import Peer, Running
from tests.streams.engine.test_recovery import feed
from vitalcore.streams.journal.journal import Journal

KEYS = ("icu/p1/monitor/ecg", "icu/p12/monitor/ecg")
SAMPLES = 1500


def signal(seed: int) -> Any:
    return np.random.default_rng(seed).normal(0, 0.6, SAMPLES)


@contextmanager
def running(path: Path) -> Iterator[Running]:
    """Run an engine that has both patients in its journal."""
    engine = Running(journal=Journal(path))
    peer = Peer(engine.ingest)
    for seed, key in enumerate(KEYS):
        feed(peer, peer.open(key=key)["stream"], signal(seed), 10)
    peer.close()
    yield engine
    engine.stop()


def stopped(path: Path) -> Path:
    """Make the journal of an engine that has ended."""
    with running(path):
        pass
    return path


def killed(path: Path) -> Path:
    """Make what a killed engine leaves: the files as they are while it runs."""
    alive = path.with_name("alive.db")
    with running(alive):
        for end in ("", "-wal"):
            shutil.copyfile(f"{alive}{end}", f"{path}{end}")
    return path


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Flip a bit of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))
