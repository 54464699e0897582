"""Facial landmarks: frames of 68, 468 or 478 points with times of their own."""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ReadError
from vitalcore.readers.kinds import Hints
from vitalcore.readers.recording import Recording, Track

if TYPE_CHECKING:
    import pandas as pd

N_POINTS = (68, 468, 478)
_POINT = re.compile(r"(?:lm|landmark|point|pt|p)?_?([xyz])_?(\d+)|(?:lm|landmark|point|pt|p)?_?(\d+)_?([xyz])")
_SCALES = {"": None, "_s": 1e9, "_ms": 1e6, "_us": 1e3, "_ns": 1.0}


def is_landmarks(names: Sequence[str]) -> bool:
    """Tell whether these are the columns of a table of landmarks."""
    return any(len(places) in N_POINTS for places in _axes(names)["x"].values())


def read(path: Path, hints: Hints = Hints()) -> Recording:  # noqa: B008 frozen
    """Read an NPZ file: an array [n, points, 2 or 3]; times t (t_s, t_ms, t_ns) or fps; `valid` where it has one.

    Errors: ReadError
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception:  # whatever zip, zlib and numpy meet in a damaged file
        raise ReadError(f"{path}: not an NPZ file of plain arrays, or damaged") from None
    found = [(name, a) for name, a in arrays.items() if a.ndim == 3 and a.shape[1] in N_POINTS and a.shape[2] in (2, 3)]
    if not found:
        shapes = ", ".join(f"{name} {list(a.shape)}" for name, a in arrays.items()) or "nothing"
        raise ReadError(f"{path}: no landmarks of shape [n, 68|468|478, 2|3]; it holds {shapes}")
    name, points = found[0]
    if points.dtype.kind not in "fiu":
        raise ReadError(f"{path}: {name} holds {points.dtype}, not numbers")
    times = _named_times(path, arrays)
    if times is None:
        fs_hz = hints.fs_hz or (Fraction(float(arrays["fps"])).limit_denominator(1001) if "fps" in arrays else None)
        times = _even(path, len(points), fs_hz)
    valid = arrays.get("valid")
    if valid is not None and valid.shape != (len(points),):
        raise ReadError(f"{path}: valid is {list(valid.shape)}; it must be [{len(points)}]")
    return _recording(path, points.astype(np.float64), times, None if valid is None else valid.astype(bool))


def from_frame(path: Path, frame: "pd.DataFrame", hints: Hints) -> Recording:
    """Read a table with a row a frame: x0, y0, z0 … or x_0 … (OpenFace), and a time column.

    OpenFace gives pixels (x, y) and millimetres (X, Y, Z) of the same points: the millimetres have depth.

    Errors: ReadError
    """
    names = [str(name).strip() for name in frame.columns]
    axes = _axes(names)
    upper = all(len(axes[axis].get(True, {})) in N_POINTS for axis in "xyz")
    picked = [axes[axis].get(upper, {}) for axis in ("xyz" if upper or axes["z"].get(False) else "xy")]
    n_points = len(picked[0])
    if any(len(places) != n_points for places in picked) or n_points not in N_POINTS:
        counts = ", ".join(f"{len(places)} {axis}" for axis, places in zip("xyz", picked, strict=False))
        raise ReadError(f"{path}: {counts} columns; landmarks have as many of each: 68, 468 or 478")
    order = [places[k] for k in sorted(picked[0]) for places in picked if k in places]
    if len(order) != n_points * len(picked):
        raise ReadError(f"{path}: points of x, y and z don't have the same numbers")
    cells = frame.iloc[:, order]
    try:
        points = cells.to_numpy(dtype=np.float64, na_value=np.nan).reshape(len(frame), n_points, len(picked))
    except (TypeError, ValueError):
        raise ReadError(f"{path}: a landmark column holds text; points are numbers, or empty") from None
    lower = {name.lower(): k for k, name in enumerate(names)}
    columns = {name: frame.iloc[:, k].to_numpy() for name, k in lower.items() if _is_time(name)}
    times = None if hints.fs_hz else _named_times(path, columns)
    if times is None:
        times = _even(path, len(points), hints.fs_hz)
    marks = [lower[key] for key in ("success", "valid") if key in lower]
    valid = frame.iloc[:, marks[0]].to_numpy() != 0 if marks else None
    return _recording(path, points, times, valid)


def _axes(names: Sequence[str]) -> dict[str, dict[bool, dict[int, int]]]:
    """Sort point columns: axis, whether its letter is upper case, number of the point -> column."""
    axes: dict[str, dict[bool, dict[int, int]]] = {"x": {}, "y": {}, "z": {}}
    for column, name in enumerate(names):
        match = re.fullmatch(_POINT.pattern, name.strip(), re.IGNORECASE)
        if match:
            axis, number = match[1] or match[4], int(match[2] or match[3])
            axes[axis.lower()].setdefault(axis.isupper(), {})[number] = column
    return axes


def _is_time(name: str) -> bool:
    return any(name == stem + suffix for stem in ("t", "time", "timestamp", "times") for suffix in _SCALES)


def _named_times(path: Path, arrays: dict[str, NDArray[Any]]) -> NDArray[np.int64] | None:
    """Return the times in ns since the first frame, from an array that is named as times are."""
    for name, t in arrays.items():
        if not _is_time(name):
            continue
        scale = next((s for suffix, s in _SCALES.items() if suffix and name.endswith(suffix)), None)
        if t.ndim != 1 or t.dtype.kind not in "fiu" or not np.isfinite(t).all():
            raise ReadError(f"{path}: {name} must be a column of numbers without holes")
        since = t - t[0] if len(t) else t
        steps = np.diff(since)
        if (steps <= 0).any():
            raise ReadError(f"{path}: {name} must increase; it doesn't after frame {int(np.argmax(steps <= 0))}")
        if scale is None and len(steps):
            # cameras give 5 to 1,000 frames a second: the step tells seconds from ms and ns
            step = float(np.median(steps))
            scale = next((s for s in (1e9, 1e6, 1e3, 1.0) if 1e6 <= step * s <= 1e9), None)
            if scale is None:
                raise ReadError(f"{path}: {name} steps by {step:g}; name it t_s, t_ms or t_ns to say its unit")
        return np.rint(since.astype(np.float64) * (scale or 1.0)).astype(np.int64)
    return None


def _even(path: Path, n: int, fs_hz: Fraction | None) -> NDArray[np.int64]:
    if fs_hz is None:
        raise ReadError(f"{path}: no times t and no rate; state the frame rate with --fs")
    return np.array([round(k * 1_000_000_000 / fs_hz) for k in range(n)], np.int64)


def _recording(
    path: Path, points: NDArray[np.float64], times: NDArray[np.int64], valid: NDArray[np.bool_] | None
) -> Recording:
    n, n_points, depth = points.shape
    if len(times) != n:
        raise ReadError(f"{path}: {n} frames but {len(times)} times")
    if n == 0:
        raise ReadError(f"{path}: no frames")
    if valid is not None:
        points[~valid] = np.nan
    points[~np.isfinite(points)] = np.nan
    channels = tuple(f"{axis}{k}" for k in range(n_points) for axis in "xyz"[:depth])
    track = Track("face", "face", None, channels, points.reshape(n, -1), "", times)
    return Recording(path.stem, (track,))
