"""An engine of the small chain in a process of its own, for tests that kill it."""

import argparse
import os
import signal
import threading
from pathlib import Path

from tests.streams.chain import Peaks
from vitalcore.streams.engine import Engine
from vitalcore.streams.front import Address
from vitalcore.streams.journal import Journal
from vitalcore.streams.workers import journal_of


def make(address: Address, number: int, n: int, instance: str) -> Engine:
    """Build the engine of a worker, with a journal where the test has named a folder."""
    folder = os.environ.get("LIGHT_JOURNALS")
    journal = Journal(journal_of(Path(folder) / "j.db", number, n)) if folder else None
    chains = {"ecg": Peaks(), "face": Peaks()}
    return Engine(address.ingest, address.live, address.control, chains, journal=journal, instance=instance)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("ingest", "live", "control", "journal"):
        parser.add_argument(f"--{name}")
    asked = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    journal = Journal(asked.journal) if asked.journal else None
    engine = Engine(asked.ingest, asked.live, asked.control, {"ecg": Peaks(), "face": Peaks()}, journal=journal)

    def announce() -> None:
        engine.ready.wait()
        print("ready", flush=True)

    threading.Thread(target=announce, daemon=True).start()
    engine.run(stop)


if __name__ == "__main__":
    main()
