"""WFDB records: a .hea header and its signal files (PhysioNet)."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vitalcore.errors import ReadError
from vitalcore.readers.kinds import Column, Hints, tracks
from vitalcore.readers.rate import check_rate
from vitalcore.readers.recording import Recording


def read(path: Path, hints: Hints = Hints()) -> Recording:  # noqa: B008 frozen
    """Read a record by its header, its signal file or its name without extension.

    Errors: ReadError
    """
    import wfdb

    header_path = path if path.suffix == ".hea" else path.with_suffix(".hea")
    if not header_path.exists():
        header_path = path.parent / f"{path.name}.hea"
    if not header_path.exists():
        raise ReadError(f"{path}: no header {path.with_suffix('.hea').name} beside it; WFDB data can't be read without")
    name = str(header_path.with_suffix(""))
    try:
        header = wfdb.rdheader(name)
        if not header.n_sig or header.sig_len == 0:
            raise ReadError(f"{header_path}: a header without signals; there is nothing to read")
        even = isinstance(header, wfdb.MultiRecord) or set(header.samps_per_frame) == {1}
        record = wfdb.rdrecord(name, smooth_frames=even)
    except ReadError:
        raise
    except FileNotFoundError as error:
        raise ReadError(f"{header_path}: its signal file {Path(str(error.filename)).name} is missing") from None
    except Exception as error:  # whatever wfdb meets in a damaged file: it checks little itself
        raise ReadError(f"{header_path}: a file of it is cut or damaged ({_short(error)})") from None
    signals = [record.p_signal[:, k] for k in range(record.n_sig)] if even else record.e_p_signal
    frames = [1] * len(signals) if even else record.samps_per_frame
    frame_hz = check_rate(header_path, Fraction(str(record.fs)))
    if hints.fs_hz is not None and hints.fs_hz != frame_hz:
        stated, own = float(hints.fs_hz), float(frame_hz)
        raise ReadError(f"{header_path}: --fs says {stated:g} Hz, its header {own:g} Hz: leave it out")
    columns = [
        Column(label or "", unit or "", frame_hz * int(n), np.asarray(signal, dtype=np.float64))
        for label, unit, n, signal in zip(record.sig_name, record.units, frames, signals, strict=True)
    ]
    return Recording(header_path.stem, tracks(header_path, columns, hints), record.base_datetime)


def segments(header_path: Path) -> set[str]:
    """Name the records that a multi-segment header is made of, so that they aren't read twice.

    Errors: none; a damaged header has no segments here and says what is wrong when it is read.
    """
    try:
        lines = [line for line in header_path.read_text(errors="replace").splitlines() if line and line[0] != "#"]
    except OSError:
        return set()
    if not lines or "/" not in lines[0].split(" ")[0]:
        return set()
    return {line.split()[0] for line in lines[1:] if line.split()[0] != "~"}


def _short(error: Any) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:120]
