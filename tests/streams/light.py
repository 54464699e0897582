"""`vitalcore serve` with the small chain, which starts fast, for tests of processes."""

import sys

from tests.streams.chain import Peaks
from vitalcore import warm

warm.CHAINS = {"ecg": Peaks(), "face": Peaks()}  # before the engine is imported

if __name__ == "__main__":
    from vitalcore.cli.main import main

    main(["serve", *sys.argv[1:]])
