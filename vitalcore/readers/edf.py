"""EDF, EDF+ and BDF files."""

import struct
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ReadError
from vitalcore.readers.kinds import Column, Hints, tracks
from vitalcore.readers.rate import MAX_GAP_S, check_missing, check_rate
from vitalcore.readers.recording import Recording


def read(path: Path, hints: Hints = Hints()) -> Recording:  # noqa: B008 frozen
    """Read an EDF or BDF file; the pauses of a discontinuous one are missing samples.

    Errors: ReadError
    """
    import edfio

    with path.open("rb") as file:
        head = file.read(256)
    is_bdf = head[:8] == b"\xffBIOSEMI"
    if not is_bdf and head[:8].strip() != b"0":
        raise ReadError(f"{path}: not an EDF or BDF file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it says about a cut file is an error here, below
            edf: Any = edfio.read_bdf(path) if is_bdf else edfio.read_edf(path)
        signals = list(edf.signals)
        data = [np.asarray(signal.data, dtype=np.float64) for signal in signals]
        record_s = Fraction(str(edf.data_record_duration))
        n_records = int(edf.num_data_records)
        expected = _bytes_expected(path, head, n_records, 3 if is_bdf else 2)
        onsets = None if edf.is_continuous else _onsets(path, head, 3 if is_bdf else 2)
    except Exception as error:  # whatever edfio meets in a damaged file
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise ReadError(f"{path}: damaged or cut ({text})") from None
    if path.stat().st_size < expected:
        raise ReadError(f"{path}: cut: its header promises {expected} bytes, there are {path.stat().st_size}")
    if not signals or n_records == 0 or record_s <= 0:
        raise ReadError(f"{path}: a header without signals; there is nothing to read")
    columns = []
    for signal, values in zip(signals, data, strict=True):
        fs_hz = check_rate(path, signal.samples_per_data_record / record_s)
        if hints.fs_hz is not None and hints.fs_hz != fs_hz:
            raise ReadError(
                f"{path}: --fs says {float(hints.fs_hz):g} Hz, its header {float(fs_hz):g} Hz: leave it out"
            )
        spread = values if onsets is None else _spread(path, values, signal.samples_per_data_record, onsets, fs_hz)
        columns.append(Column(signal.label, signal.physical_dimension, fs_hz, spread))
    try:
        start = edf.startdatetime
    except Exception:  # anonymised: EDF+ then has no date
        start = None
    return Recording(path.stem, tracks(path, columns, hints), start)


def _layout(path: Path, head: bytes) -> tuple[int, list[int], list[bytes]]:
    """Return the header's size, and each signal's samples a record and label."""
    size, n = int(head[184:192]), int(head[252:256])
    with path.open("rb") as file:
        header = file.read(size)
    at = 256 + n * 216
    samples = [int(header[at + 8 * k : at + 8 * k + 8]) for k in range(n)]
    labels = [header[256 + 16 * k : 272 + 16 * k].strip() for k in range(n)]
    return size, samples, labels


def _bytes_expected(path: Path, head: bytes, n_records: int, width: int) -> int:
    size, samples, _ = _layout(path, head)
    promised = int(head[236:244])
    return size + (n_records if promised < 0 else promised) * sum(samples) * width


def _onsets(path: Path, head: bytes, width: int) -> NDArray[np.float64]:
    """Read when each data record begins, in s: the first time stamp of the first annotation signal."""
    size, samples, labels = _layout(path, head)
    place = next(k for k, label in enumerate(labels) if label in (b"EDF Annotations", b"BDF Annotations"))
    record, at = sum(samples) * width, sum(samples[:place]) * width
    raw = path.read_bytes()[size:]
    length = samples[place] * width
    begins = range(at, len(raw) - record + at + 1, record)
    stamps = [raw[begin : begin + length].split(b"\x14")[0] for begin in begins]
    if not stamps:
        raise struct.error("no time stamps")
    return np.array([float(stamp) for stamp in stamps])


def _spread(
    path: Path, values: NDArray[np.float64], n: int, onsets: NDArray[np.float64], fs_hz: Fraction
) -> NDArray[np.float64]:
    places = np.rint((onsets - onsets[0]) * float(fs_hz)).astype(np.int64)
    steps = np.diff(places)
    if (steps < n).any():
        raise ReadError(f"{path}: data records overlap; the first at record {int(np.argmax(steps < n)) + 1}")
    if len(steps) and steps.max() - n > MAX_GAP_S * fs_hz:
        raise ReadError(
            f"{path}: a pause of over {MAX_GAP_S} s after record {int(np.argmax(steps)) + 1}; split it there"
        )
    check_missing(path, int(places[-1]) + n - len(places) * n)
    out = np.full(int(places[-1]) + n, np.nan)
    out[(places[:, None] + np.arange(n)).ravel()] = values[: len(places) * n]
    return out
