"""What all parts of the fault table share: a row says what was done how often, what had to hold, what came of it."""

import importlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass

PARTS = ("engine", "disk", "gateway", "frames", "inputs", "flow", "security", "load")
HELD = "nothing lost without a gap, twice or out of order"


@dataclass(frozen=True)
class Row:
    """Hold a line of the table.

    bad    : what broke the target, counted; 0 is what every row must come to
    target : what had to hold
    """

    fault: str
    count: int
    result: str
    bad: int
    target: str = HELD

    def __str__(self) -> str:
        outcome = f"{self.result}; {'held' if not self.bad else f'**{self.bad} wrong**'}"
        return f"| {self.fault} | {self.target} | {self.count:,} | {outcome} |"


def main(parts: Iterable[str], long: bool) -> None:
    """Run parts, each line of the table is printed when it is known; exit with 1 if anything went wrong."""
    print("| fault | target | count | outcome |")
    print("| --- | --- | --- | --- |", flush=True)
    bad = 0
    for part in parts:
        rows: Iterable[Row] = importlib.import_module(f"benchmarks.faults.{part}").run(long)
        for row in rows:
            print(row, flush=True)
            bad += row.bad
    sys.exit(bad > 0)
