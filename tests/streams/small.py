"""A worker of the small chain, for tests of several."""

import os
from pathlib import Path

from tests.streams.chain import Peaks
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.engine.front import Address
from vitalcore.streams.engine.workers import own_file
from vitalcore.streams.journal.journal import Journal


def make(address: Address, number: int, n: int, instance: str) -> Engine:
    """Build the engine of a worker, with a journal where the test has named a folder."""
    folder = os.environ.get("SMALL_JOURNALS")
    journal = Journal(own_file(Path(folder) / "j.db", number, n)) if folder else None
    chains = {"ecg": Peaks(), "face": Peaks()}
    return Engine(address.ingest, address.live, address.control, chains, journal=journal, instance=instance)
