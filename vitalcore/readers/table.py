"""A table of columns, whatever file it stood in: which column is the time, what the others are."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import NoSignalError, ReadError
from vitalcore.readers import landmarks
from vitalcore.readers.kinds import Column, Hints, kind_of, plain, tracks
from vitalcore.readers.rate import check_rate, grid
from vitalcore.readers.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

_UNIT = re.compile(r"(.*?)\s*[\[(]\s*([^\])]*)\s*[\])]\s*")
_TIME = re.compile(r"(elapsed )?(timer?|times|timestamp|date ?time|date|(uhr)?zeit|t|secs?|seconds|ms)")
_INDEX = re.compile(r"|index|frame|frames|sample|samples|sample ?(no|number|index)?|n|unnamed.*|#")
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3, "us": 1e-6,
            "µs": 1e-6, "ns": 1e-9, "min": 60.0}  # fmt: skip
_LIKELY_HZ = (20.0, 5000.0)  # of a signal whose time column names no unit
_LATEST = 1e20  # ns since 1970, some thousand years from now
_EPOCH_S = (5e8, 5e9)  # 1985 to 2128: times like these are counted from 1970


def split_unit(label: str) -> tuple[str, str]:
    """Take the unit out of a header such as "ECG (mV)"."""
    match = _UNIT.fullmatch(label.strip())
    return (match[1], match[2]) if match else (label.strip(), "")


def recording(
    path: Path, frame: "pd.DataFrame", hints: Hints, header: bool, default_hz: Fraction | None = None
) -> Recording:
    """Read a table: its time or index column gives the rate and the gaps, `hints` what it can't say.

    default_hz : rate that the file states beside the table

    Errors: ReadError
    """
    names = [plain(str(name)) for name in frame.columns]
    if len(frame) == 0:
        raise ReadError(f"{path}: a header but no rows")
    if landmarks.is_landmarks(names):
        return landmarks.from_frame(path, frame, hints)
    stated = hints.fs_hz or default_hz
    at = _time_column(frame, names, header)
    start: datetime | None = None
    fs_hz, places = stated, None
    if at is not None and len(frame) > 1:
        t, start = _seconds(path, frame.iloc[:, at], names[at], stated)
        found = grid(path, t, stated)
        fs_hz, places = found.fs_hz, found
    elif at is None and (index := _index_column(frame, names, header)) is not None:
        at = index
    labels = [split_unit(name) for name in names]
    columns = []
    for k, (label, unit) in enumerate(labels):
        values = None if k == at else _numbers(frame.iloc[:, k])
        if values is not None:
            columns.append(Column(label, unit, fs_hz, places.spread(values) if places else values))
    if not columns:
        raise NoSignalError(f"{path}: no column of numbers; a recording has at least one")
    if fs_hz is None:
        asks = hints.signal or any(kind_of(column.label, column.unit) != "other" for column in columns)
        if asks:
            raise ReadError(f"{path}: no time column and so no rate; state it with --fs")
        raise NoSignalError(f"{path}: no time column and so no rate; state it and the signal with --fs and --signal")
    check_rate(path, fs_hz)
    return Recording(path.stem, tracks(path, columns, hints), start)


def _time_column(frame: "pd.DataFrame", names: Sequence[str], header: bool) -> int | None:
    import pandas as pd

    for k, name in enumerate(names):
        plain, unit = split_unit(name)
        plain = re.sub(r"[\s_\-]+", " ", plain).strip().lower()
        for suffix in _SECONDS:
            if plain.endswith(f" {suffix}"):
                plain, unit = plain.removesuffix(f" {suffix}"), suffix
        if pd.api.types.is_datetime64_any_dtype(frame.dtypes.iloc[k]):
            return k
        if header and _TIME.fullmatch(plain) and (not unit or unit.lower() in _SECONDS or ":" in unit):
            return k
    if not header and len(names) > 1 and len(frame) > 2:
        first = _numbers(frame.iloc[:, 0])
        if first is None:
            return 0 if _clock(frame.iloc[:, 0]) is not None else None
        steps = np.diff(first)
        even = (steps > 0).all() and np.ptp(steps) <= 0.01 * np.median(steps)
        return 0 if even and not (steps == 1).all() else None
    return None


def _index_column(frame: "pd.DataFrame", names: Sequence[str], header: bool) -> int | None:
    first = _numbers(frame.iloc[:, 0])
    if first is None or len(names) < 2 or (header and not _INDEX.fullmatch(names[0].strip().lower())):
        return None
    return 0 if len(first) > 1 and (np.diff(first) == 1).all() else None


def _numbers(series: "pd.Series[Any]") -> NDArray[np.float64] | None:
    """Return a column as float64, or None where it holds no numbers; a cell that is none is missing."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(series.dtype) or pd.api.types.is_datetime64_any_dtype(series.dtype):
        return None
    if not pd.api.types.is_numeric_dtype(series.dtype):
        cells = [number(cell) for cell in series.tolist()]  # pandas' own way overruns on a damaged exponent
        known = sum(cell == cell for cell in cells)
        if known == 0 or known < 0.5 * series.notna().sum():
            return None
        return np.array(cells)
    return np.ascontiguousarray(series.to_numpy(dtype=np.float64, na_value=np.nan))


def number(cell: object) -> float:
    """Read a cell; NaN where it holds no number."""
    try:
        return float(cell) if "_" not in str(cell) else float("nan")  # type: ignore[arg-type]  # refused below
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _seconds(
    path: Path, series: "pd.Series[Any]", name: str, stated: Fraction | None
) -> tuple[NDArray[np.float64], datetime | None]:
    """Return a time column in s since its first row, and when that was if it says so."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        stamps = pd.DatetimeIndex(series)
        if stamps.hasnans:
            raise ReadError(f"{path}: the time in row {int(np.argmax(stamps.isna())) + 1} is missing")
        return (stamps - stamps[0]).total_seconds().to_numpy(dtype=np.float64), stamps[0].to_pydatetime()
    t = _numbers(series)
    if t is None:
        clock = _clock(series)
        if clock is not None:
            return clock - clock[0], None
        try:
            return _seconds(path, pd.to_datetime(series, format="ISO8601"), name, stated)
        except (ValueError, TypeError):
            raise ReadError(f"{path}: column {name} holds no times that can be read (s, ms or ISO 8601)") from None
    t = np.where(np.abs(t) < _LATEST, t, np.nan)  # what no clock shows is missing
    plain, unit = split_unit(name)
    suffix = re.split(r"[\s_]+", plain.lower())[-1]
    scale = _SECONDS.get(unit.lower()) or _SECONDS.get(suffix if suffix != plain.lower() or suffix == "ms" else "")
    if scale is None:
        scale = _likely_scale(path, t, name, stated)
    start = None
    if _EPOCH_S[0] < t[0] * scale < _EPOCH_S[1]:
        start = datetime.fromtimestamp(float(t[0] * scale), UTC)
    return (t - t[0]) * scale, start


def _likely_scale(path: Path, t: NDArray[np.float64], name: str, stated: Fraction | None) -> float:
    step = float(np.median(np.diff(t)))
    if not step > 0:
        span = min(100, len(t) - 1)  # stamps in batches: some rows share one
        step = float(np.median((t[span:] - t[:-span]) / span))
    if step > 0:
        if stated is not None:
            return min((1.0, 1e-3, 1e-6, 1e-9), key=lambda scale: abs(np.log(step * scale * float(stated))))
        for scale in (1.0, 1e-3, 1e-6, 1e-9):
            if _LIKELY_HZ[0] <= 1 / (step * scale) <= _LIKELY_HZ[1] and step != 1:
                return scale
        if step >= 1e-3 and step * 1e-3 < 1 and step != 1:
            return 1.0
    raise ReadError(f"{path}: column {name} doesn't say its unit; call it {name}_s or {name}_ms, or state --fs")


def _clock(series: "pd.Series[Any]") -> NDArray[np.float64] | None:
    """Read times such as 0:00.008 or 13:13:04.652 as s."""
    import pandas as pd

    texts = series.astype(str).str.strip().str.strip("'\"[]")
    if not texts.head(50).str.fullmatch(r"(\d+:)?\d+:\d+(\.\d+)?").all():
        return None
    parts = texts.str.split(":", expand=True).apply(pd.to_numeric, errors="coerce")
    weights = 60.0 ** np.arange(parts.shape[1] - 1, -1, -1)
    return np.asarray(parts.to_numpy(dtype=np.float64) @ weights, dtype=np.float64)
