"""An engine of the small chain in a process of its own, for tests that kill it."""

import argparse
import signal
import threading

from tests.streams.chain import Peaks
from vitalcore.streams.engine import Engine
from vitalcore.streams.journal import Journal


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
