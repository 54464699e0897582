"""What a channel is, from its label and unit; and channels of a kind and rate put together as tracks."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ReadError
from vitalcore.readers.recording import Track

_LEAD = r"(i|ii|iii|av[rlf]|v|v[1-9]r?|mli{1,3}|mv[1-6]|d[123]|mcl[1-6]|ml[1-6]|cm[1-6]|cc[1-6]|v[xyz])"
_LABELS = {
    "ecg": re.compile(rf"(lead |ecg |ekg )?{_LEAD}|(ecg|ekg|electrocardiogra).*"),
    "ppg": re.compile(r"(ppg|pleth|bvp|photopleth).*|.*pleth(ysmogra.*)?|ir|red|green|infrared"),
    "abp": re.compile(r"(abp|art|ibp|aop|arterial.*|blood pressure)( \d)?"),
    "resp": re.compile(r"(resp(iration|iratory)?|breathing|thora(x|cic)|abdom(en|inal)|air ?flow|impedance)( .*)?"),
    "ear": re.compile(r"ear(2d6|3d6)?( ?[lr])?|ear (left|right)|(left|right) ear|eye aspect ratio.*"),
}
_RIGHT = re.compile(r"([_ .-]r|right)$|^right", re.IGNORECASE)
_PER_MV = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "microvolt": 1e-3, "v": 1e3, "nv": 1e-6}
_DIMENSIONLESS = {"", "nu", "au", "a.u.", "a.u", "arb", "arbitrary", "adu", "counts", "n/a", "-", "1"}
_NO_WAVE = re.compile(r".*\b(rate|quality|index|number|no|count|valid|status|annotation)\b.*")
_SLOWEST_WAVE_HZ = 5  # numbers that a monitor writes once a second are called PLETH and RESP too
# a label such as RESP or PLETH with one of these is a value from a monitor, not a wave
_NUMERIC_UNITS = re.compile(r"bpm|/ ?min|1/min|min-1|.*per min.*|breaths.*|%|percent|hz|°?c")


@dataclass(frozen=True)
class Hints:
    """Say what a file can't: which signal its columns are, their rate, and which columns to take."""

    signal: str | None = None
    fs_hz: Fraction | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Column:
    """Hold one channel as a file has it."""

    label: str
    unit: str
    fs_hz: Fraction | None
    values: NDArray[np.float64]
    times_ns: NDArray[np.int64] | None = None


def kind_of(label: str, unit: str = "", fs_hz: Fraction | None = None) -> str:
    """Guess the kind of a channel; `other` where nothing speaks for a kind that is analysed."""
    name = re.sub(r"[\s_\-.:]+", " ", label).strip().lower()
    unit = unit.strip().lower()
    if _NUMERIC_UNITS.fullmatch(unit) or _NO_WAVE.fullmatch(name) or (fs_hz and fs_hz < _SLOWEST_WAVE_HZ):
        return "other"
    if not name and unit == "mv":
        return "ecg"  # WFDB's default unit on an unlabelled signal
    for kind, pattern in _LABELS.items():
        if pattern.fullmatch(name):
            volts = unit in _PER_MV
            return "other" if kind == "ecg" and not volts and unit not in _DIMENSIONLESS else kind
    return "other"


def tracks(path: Path, columns: Sequence[Column], hints: Hints) -> tuple[Track, ...]:
    """Choose the columns that are asked for, and put those of one kind, rate and unit together.

    Errors: ReadError where what is asked for is not there, or could be several columns.
    """
    columns = [replace(column, label=plain(column.label), unit=plain(column.unit)) for column in columns]
    chosen = _chosen(path, columns, hints)
    chosen = [(kind, _framed(column) if kind == "ear" else column) for kind, column in _sides(chosen)]
    groups: dict[tuple[object, ...], list[tuple[Column, str]]] = {}
    for kind, column in chosen:
        unit = column.unit.strip()
        scale = _PER_MV.get(unit.lower()) if kind == "ecg" else None
        if scale is not None:
            unit = "mV"
            if scale != 1.0:
                column = Column(column.label, unit, column.fs_hz, column.values * scale, column.times_ns)
        length = len(column.values)
        key: tuple[object, ...] = (kind, len(groups)) if kind == "other" else (kind, column.fs_hz, unit, length)
        groups.setdefault(key, []).append((column, unit))
    made: list[Track] = []
    taken: set[str] = set()
    for kind, group in ((str(key[0]), group) for key, group in groups.items()):
        first, unit = group[0]
        labels = unique([column.label or kind for column, _ in group])
        stream = kind if kind != "other" else re.sub(r"[^a-z0-9]+", "-", first.label.lower()).strip("-") or "other"
        stream = next(s for s in chain((stream,), (f"{stream}-{k}" for k in count(2))) if s not in taken)
        taken.add(stream)
        values = np.ascontiguousarray(np.column_stack([column.values for column, _ in group]), dtype=np.float64)
        values[np.isinf(values)] = np.nan
        made.append(Track(stream, kind, first.fs_hz, tuple(labels), values, unit, first.times_ns))
    return tuple(made)


def _sides(chosen: list[tuple[str, Column]]) -> list[tuple[str, Column]]:
    """Put the left eye before the right one, as operators have them."""
    return sorted(chosen, key=lambda each: each[0] == "ear" and bool(_RIGHT.search(each[1].label)))


def _framed(column: Column) -> Column:
    """Give the frames of a camera times of their own."""
    if column.fs_hz is None:
        return column
    second = 1_000_000_000
    times = np.array([round(k * second / column.fs_hz) for k in range(len(column.values))], np.int64)
    return Column(column.label, column.unit, None, column.values, times)


def plain(label: str) -> str:
    """Take out of a label what doesn't print; blanks single."""
    return " ".join("".join(c if c.isprintable() else " " for c in label).split())


def unique(labels: Iterable[str]) -> list[str]:
    """Number labels that occur more than once: ECG, ECG 2."""
    seen: dict[str, int] = {}
    out = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        out.append(label if seen[label] == 1 else f"{label} {seen[label]}")
    return out


def _chosen(path: Path, columns: Sequence[Column], hints: Hints) -> list[tuple[str, Column]]:
    if hints.columns:
        by_name = {column.label.strip().lower(): column for column in columns}
        by_name |= {str(k): column for k, column in enumerate(columns, 1) if str(k) not in by_name}
        missing = [name for name in hints.columns if name.strip().lower() not in by_name]
        if missing:
            there = ", ".join(column.label for column in columns) or "none"
            raise ReadError(f"{path}: no column {', '.join(missing)}; there are {there}")
        picked = [by_name[name.strip().lower()] for name in hints.columns]
        return [(hints.signal or kind_of(column.label, column.unit, column.fs_hz), column) for column in picked]
    guessed = [(kind_of(column.label, column.unit, column.fs_hz), column) for column in columns]
    if hints.signal is None:
        return guessed
    known = [(kind, column) for kind, column in guessed if kind == hints.signal]
    if known:
        return known
    unknown = [column for kind, column in guessed if kind == "other"]
    if len(unknown) == 1:
        return [(hints.signal, unknown[0])]
    there = ", ".join(column.label for column in columns) or "none"
    raise ReadError(f"{path}: which column is the {hints.signal}? name it with --column; there are {there}")
