"""Say what every operator says. In a process with NUMBA_DISABLE_JIT=1 its kernels are plain Python."""

import pickle
import sys
import warnings
from pathlib import Path

from numba.core.dispatcher import Dispatcher

from tests.operators import CASES, Case, feed
from vitalcore.kernels.filters import sos

SEEDS = (11, 12, 13)

Said = tuple[bytes, dict[str, bytes]]


def speak(case: Case, seed: int) -> Said:
    """Return the snapshot in the middle of an input, and the bytes said of its second half."""
    x = case.input(seed, case.few)
    session = case.plan().open()
    session.push(**{case.root: x[: len(x) // 2]})
    return session.snapshot(), feed(session, case.root, x[len(x) // 2 :], [len(x) // 5])


if __name__ == "__main__":
    assert not isinstance(sos.step, Dispatcher)  # else it would mirror itself
    warnings.simplefilter("ignore", RuntimeWarning)  # numpy's scalars warn of an overflow, machine code does not
    said = {(case.name, seed): speak(case, seed) for case in CASES for seed in SEEDS}
    Path(sys.argv[1]).write_bytes(pickle.dumps(said))
