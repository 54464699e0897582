"""A journal's samples and results as files that others read: Parquet and WFDB."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import JournalError
from vitalcore.readers import parquet
from vitalcore.readers.recording import KINDS, Recording, Track
from vitalcore.streams.journal.archive import Archive
from vitalcore.streams.journal.inventory import Session, walk
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.wire import Record

if TYPE_CHECKING:
    import pyarrow as pa

GAP_S = 3600  # a longer gap begins a new file; a shorter one is filled with NaN
PART_BYTES = 1 << 29  # of samples in one file
_HEADER_COLUMNS = ("topic_seq", "sample_index", "t_event_ns", "t_known_ns")


@dataclass
class _Part:
    """Gather the records of one file."""

    session: Session
    first: int
    t0_ns: int
    next_: int = 0
    size: int = 0
    records: list[Record] = field(default_factory=list)


def export(archive: Archive, folder: Path, prefix: str = "", format_: str = "parquet") -> tuple[list[Path], list[str]]:
    """Write the samples of each session in physical units, and the results of each topic as a Parquet table.

    folder  : gets site/subject/device/signal/, with SESSION-FIRSTSAMPLE.parquet (or .hea and .dat), beat.parquet, …
    prefix  : of the stream keys that are written
    format_ : of the samples: parquet or wfdb

    Returns the files, and what could not be written or read.

    Errors: JournalError where the folder can't be written.
    """
    written: list[Path] = []
    left_out: list[str] = []
    try:
        for part in _parts(archive, prefix):
            place = folder / part.session.opened.name
            place.mkdir(parents=True, exist_ok=True)
            path = place / f"{part.session.opened.session}-{part.first}"
            if format_ == "parquet":
                path = path.with_name(path.name + ".parquet")
                parquet.write(recording(part.session, part.first, part.t0_ns, part.records), path)
            elif part.session.opened.rate is None:
                left_out.append(f"{part.session.name}: WFDB has no variable rate; --format parquet has")
                continue
            else:
                path = _wfdb(recording(part.session, part.first, part.t0_ns, part.records), path)
            written.append(path)
        written += _results(archive, folder, prefix)
    except OSError as error:
        raise JournalError(f"can't write {folder}: {error.strerror}") from None
    return written, [*archive.damage, *left_out]


def recording(session: Session, first: int, t0_ns: int, records: list[Record]) -> Recording:
    """Put records of a session together: physical values, NaN where samples are missing.

    first : index of the first sample
    t0_ns : time of the first sample
    """
    opened = session.opened
    last = records[-1]
    n = last.sample_index + len(last.values) - first
    scale = np.array([channel.scale for channel in opened.channels])
    offset = np.array([channel.offset for channel in opened.channels])
    times: NDArray[np.int64] | None = None
    if opened.rate is None:
        values = np.concatenate([record.values for record in records]) * scale + offset
        stamps = [record.times for record in records if record.times is not None]
        times = np.concatenate(stamps).astype(np.int64) - t0_ns
    else:
        values = np.full((n, len(opened.channels)), np.nan)
        for record in records:
            at = record.sample_index - first
            values[at : at + len(record.values)] = record.values * scale + offset
    labels = [channel.label or f"{number}" for number, channel in enumerate(opened.channels, 1)]
    if len(set(labels)) < len(labels):
        labels = [f"{label}-{number}" for number, label in enumerate(labels, 1)]
    kind = opened.kind if opened.kind in KINDS else "other"
    track = Track(kind, kind, opened.rate, tuple(labels), values, opened.channels[0].unit, times)
    start = datetime.fromtimestamp(t0_ns / 1e9, UTC).replace(tzinfo=None)
    return Recording(f"{opened.session}-{first}", (track,), start)


def rows(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Spell the payload of a message as rows of a table: one for each feature, or for each lead of a delineation."""
    inner = payload.get("features", payload.get("leads"))
    base = {name: _cell(value) for name, value in payload.items() if name not in ("features", "leads")}
    if inner is None:
        yield base
        return
    for each in inner:
        yield base | {name: _cell(value) for name, value in each.items()}


def _parts(archive: Archive, prefix: str) -> Iterator[_Part]:
    parts: dict[str, _Part] = {}
    for session, record, t_ns in walk(archive, {}):
        opened = session.opened
        if record.kind != wire.DATA or not opened.name.startswith(prefix):
            continue
        part = parts.get(opened.name)
        if part is not None:
            ahead = record.sample_index - part.next_
            far = opened.rate is not None and ahead > GAP_S * opened.rate
            grown = part.size + (ahead + len(record.values)) * len(opened.channels) * 8 > PART_BYTES
            if part.session is not session or far or grown:
                yield part
                part = None
        if part is None:
            part = parts[opened.name] = _Part(session, record.sample_index, _t0(record, t_ns), record.sample_index)
        part.size += (record.sample_index - part.next_ + len(record.values)) * len(opened.channels) * 8
        part.next_ = record.sample_index + len(record.values)
        part.records.append(record)
    yield from parts.values()


def _t0(record: Record, t_ns: int) -> int:
    if record.times is not None:
        return int(record.times[0])
    return record.t0_ns if 0 < record.t0_ns < 1 << 62 else t_ns


def _wfdb(made: Recording, path: Path) -> Path:
    import wfdb

    track = made.tracks[0]
    rate = Fraction(track.fs_hz or 1)
    n = len(track.channels)
    wfdb.wrsamp(
        path.name,
        fs=int(rate) if rate.denominator == 1 else float(rate),
        units=[track.unit or "NU"] * n,
        sig_name=list(track.channels),
        p_signal=track.values,
        fmt=["32"] * n,
        base_datetime=made.start,
        write_dir=str(path.parent),
    )
    return path.with_suffix(".hea")


def _results(archive: Archive, folder: Path, prefix: str) -> Iterator[Path]:
    import pyarrow.parquet as pq

    topics: dict[str, list[dict[str, Any]]] = {}
    for page in archive.results():
        if not page.topic.startswith(prefix):
            continue
        for _, head, payload in msgpack.unpackb(page.body, use_list=False):
            header = wire.decode_live(head, payload)
            front = {name: getattr(header, name) for name in _HEADER_COLUMNS}
            topics.setdefault(page.topic, []).extend(front | row for row in rows(maps.unpack_payload(payload)))
    for topic, found in topics.items():
        path = folder / f"{topic.rstrip('/')}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(_table(found), path, compression="zstd")
        yield path


def _table(found: list[dict[str, Any]]) -> "pa.Table":
    import pyarrow as pa

    names = dict.fromkeys(name for row in found for name in row)
    columns = {}
    for name in names:
        values = [row.get(name) for row in found]
        type_ = pa.int64() if name in _HEADER_COLUMNS else None
        if any(isinstance(value, float) for value in values):
            values = [None if value is None else float(value) for value in values]
        columns[name] = pa.array(values, type_)
    return pa.table(columns)


def _cell(value: Any) -> Any:
    """Keep what a column can hold: names of reasons become one string, positions of both ends two numbers."""
    if isinstance(value, list):
        return " ".join(value) if all(isinstance(each, str) for each in value) else [float(each) for each in value]
    return value
