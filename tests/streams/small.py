"""A worker of the small chain, for tests of several."""

import os
from dataclasses import replace
from pathlib import Path

from tests.streams.chain import Peaks
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.security.guard import Security
from vitalcore.streams.workers.front import Address
from vitalcore.streams.workers.workers import own_file


def make(address: Address, number: int, n: int, instance: str, security: Security | None = None) -> Engine:
    """Build the engine of a worker, with a journal where the test has named a folder."""
    folder = os.environ.get("SMALL_JOURNALS")
    journal = Journal(own_file(Path(folder) / "j.db", number, n)) if folder else None
    chains = {"ecg": Peaks(), "face": Peaks()}
    if security is not None and security.audit is not None:
        security = replace(security, audit=own_file(security.audit, number, n))
    endpoints = address.ingest, address.live, address.control
    return Engine(*endpoints, chains, journal=journal, security=security, instance=instance)
