"""Folders of annotations with known content, for the tests of comparisons."""

from pathlib import Path

import numpy as np
import wfdb


def annotate(path: Path, symbols: str, first_s: float = 1.0, extension: str = "atr", late: int = 0) -> None:
    """Write a record's header (100 Hz) and an annotation each second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.arange(len(symbols)) * 100 + round(first_s * 100) + late
    wfdb.wrann(path.name, extension, samples, list(symbols), fs=100, write_dir=str(path.parent))
    path.with_suffix(".hea").write_text(
        f"{path.name} 1 100 {int(samples[-1]) + 200}\n{path.name}.dat 16 200 16 0 0 0 0 ECG\n"
    )
