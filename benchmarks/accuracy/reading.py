"""Where the real recordings are, and what our chain says about one."""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np
import wfdb
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from vitalcore.analyze import Result, Results, analyze
from vitalcore.operator import Operator
from vitalcore.readers.recording import Recording, Track
from vitalcore.results import tables
from vitalcore.scoring import results
from vitalcore.scoring.marks import Marks

T = TypeVar("T")
Signal = NDArray[np.float64]


def data_folder() -> Path:
    """Return the folder of the real recordings: VITALCORE_DATA, or ../shared/data beside the repository."""
    return Path(os.environ.get("VITALCORE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def options(description: str | None) -> argparse.ArgumentParser:
    """Make a parser of what all accuracy tables take."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", type=Path, default=data_folder(), help="folder of the real recordings")
    made.add_argument("--peers", choices=("none", "quick", "all"), default="quick", help="`all` takes many minutes")
    made.add_argument("--each", action="store_true", help="print every record")
    made.add_argument("records", nargs="*", help="only these records")
    return made


def records(folder: Path, wanted: Sequence[str] = (), pattern: str = "*.atr") -> list[Path]:
    """List the records of a folder, without extension, or those wanted of them; say so where there is none."""
    found = sorted(path.with_suffix("") for path in folder.glob(pattern))
    found = [path for path in found if not wanted or path.name in wanted]
    if not found:
        print(f"{folder.name}: no records in {folder}; VITALCORE_DATA names the folder of the real recordings")
    return found


def progress(items: Sequence[T], what: str) -> Iterable[T]:
    """Go through items, with a bar on a terminal."""
    return track(items, what, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def signal(record: Path, n_leads: int | None = None) -> tuple[Signal, float]:
    """Read the signals of a record (the first n_leads) in mV, and their rate in Hz."""
    read = wfdb.rdrecord(str(record))
    return np.ascontiguousarray(read.p_signal[:, :n_leads]), float(read.fs)


def analysed(name: str, x: Signal, fs_hz: float, operator: Operator) -> Result:
    """Run our chain over a recording."""
    leads = tuple(str(k + 1) for k in range(x.shape[1]))
    ecg = Track("ecg", "ecg", Fraction(str(fs_hz)).limit_denominator(1000), leads, x, "mV")
    return analyze(Recording(name, (ecg,)), {"ecg": operator}).analysed[0]


def marks(name: str, result: Result, final: bool = False) -> Marks:
    """Take what was found through the same tables as `vitalcore analyze` writes.

    final : with the classes that were said last
    """
    made = tables.tables(Results(Recording(name, (result.track,)), (result,)))
    beats, events, features = (results.columns(made[key]) for key in ("beats", "events", "features"))
    found = results.marks(name, beats, events, features)
    return results.finally_classed(found, results.columns(made["waves"])) if final else found


def ours(name: str, x: Signal, fs_hz: float, operator: Operator) -> Marks:
    """Tell what our chain says about a recording."""
    return marks(name, analysed(name, x, fs_hz, operator))
