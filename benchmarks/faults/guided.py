"""Malformed messages that a fuzzer looks for by the code they reach: `python -m benchmarks.faults.guided -runs=100000`.

It needs atheris; options are libFuzzer's. Kernels are interpreted, since a fuzzer sees nothing of what is compiled.
"""

import os
import sys

os.environ["NUMBA_DISABLE_JIT"] = "1"

import atheris  # type: ignore[import-not-found,unused-ignore]  # it has no wheel for every machine

with atheris.instrument_imports(  # pyright: ignore[reportAttributeAccessIssue]  # its stubs are incomplete
    include=["vitalcore.streams", "vitalcore.kernels.wire"]
):
    from benchmarks.faults.frames import BATCH, Hall, Play, calm

PORTION = 80 * BATCH  # messages to an engine


class Guided:
    """Send what the fuzzer makes up to an engine, and look whether the good stream notices."""

    def __init__(self) -> None:
        self._clean = calm(PORTION)
        self._hall: Hall | None = None
        self._left = 0

    def __call__(self, recipe: bytes) -> None:
        """Send one message."""
        if self._hall is None:
            self._hall, self._left = Hall(), PORTION
            self._play = Play(self._hall, PORTION, disturbed=True)
        self._play.take(recipe)
        self._hall.turn()
        self._left -= 1
        if not self._left:
            with self._hall as hall:
                hall.settle()
                if hall.found != self._clean:
                    raise AssertionError("the good stream has noticed")
            self._hall = None


if __name__ == "__main__":
    atheris.Setup(sys.argv, Guided())
    atheris.Fuzz()
