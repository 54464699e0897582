"""Bytes of a device turned into samples and sent: lines of CSV, binary frames, or records of the protocol."""

import math
import time
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ParameterError
from vitalcore.streams.gateway.device import TIME_UNITS_NS, Device
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol import wire

MAX_LINE = 1 << 16  # bytes; a longer line is none
SINCE_1970_NS = 946_684_800_000_000_000  # a time stamp before the year 2000 counts from the device's own start
MAX_NS = 1 << 61
DAY_NS = 86_400_000_000_000  # a clock that jumps further has been set
LOST_PERIODS = 1.5  # between the times of two lines: from here on a sample is missing


class Feed(Protocol):
    """Take bytes as they come.

    bad       : lines, frames or records that could not be understood
    first_bad : what was wrong with the first of them
    """

    bad: int
    first_bad: str
    streams: list[int]

    def take(self, data: bytes, now_ns: int) -> None:
        """Send the samples that these bytes complete; `now_ns` is when they came."""

    def finish(self) -> None:
        """Take what was left without an end."""


def feed(device: Device, gateway: Gateway) -> Feed:
    """Open the streams of a device and return what turns its bytes into samples."""
    kinds: dict[str, type[Csv] | type[Binary] | type[Records]] = {"csv": Csv, "binary": Binary, "records": Records}
    return kinds[device.source.format](device, gateway)


def _open(device: Device, gateway: Gateway) -> list[int]:
    return [gateway.open(lane.key, lane.kind, lane.fs_hz, lane.channels, lane.dtype) for lane in device.lanes]


class Csv:
    """Take lines, each with a sample of every stream.

    Columns that have names are found in the first line that holds all of them. An empty field is a missing sample. A
    line that can't be understood is counted: it takes the place of one sample, missing, or, where lines carry times,
    shows as a gap in them.
    """

    def __init__(self, device: Device, gateway: Gateway) -> None:
        self._gateway, self._lanes = gateway, device.lanes
        self.streams = _open(device, gateway)
        self.bad, self.first_bad = 0, ""
        source = device.source
        self._separator, self._unit_ns = source.separator, TIME_UNITS_NS[source.time_unit]
        wanted = [column for lane in device.lanes for column in lane.columns]
        self._columns = [*wanted, *(() if source.time is None else (source.time,))]
        self._timed = source.time is not None
        self._at: list[int] | None = None
        if not any(isinstance(column, str) for column in self._columns):
            self._at = [int(column) - 1 for column in self._columns]
        self._first_line = True
        self._rest = b""
        self._index = 0
        self._offset_ns: int | None = None  # of the device's clock, where it counts from its own start
        self._last_ns: int | None = None
        self._rate = device.lanes[0].fs_hz
        self._rows: list[list[float]] = []
        self._times: list[int] = []

    def take(self, data: bytes, now_ns: int) -> None:
        """Send the samples of the lines that these bytes complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            self._rest = b""
            self._spoiled(f"a line is longer than {MAX_LINE} bytes")
        for line in lines:
            self._read(line, now_ns)
        self._send(now_ns)

    def finish(self) -> None:
        """Take a last line that has no end."""
        if self._rest.strip():
            self.take(b"\n", time.time_ns())

    def _read(self, line: bytes, now_ns: int) -> None:
        text = line.decode("utf-8", "replace").strip()
        if not text or text[0] == "#":
            return
        fields = [field.strip() for field in text.split(self._separator)]
        if self._at is None:
            self._find(fields)
            return
        first, self._first_line = self._first_line, False
        try:
            numbers = [_number(fields, at, self._separator) for at in self._at]
        except ValueError:
            if not first:  # the first may hold names that nobody asked for
                self._spoiled(f"{text[:80]!r} holds what is no number")
            return
        if all(at >= len(fields) for at in self._at[: len(self._at) - self._timed]):
            self._spoiled(f"{text[:80]!r} is too short")
        elif not self._timed:
            self._rows.append(numbers)
        elif abs(numbers[-1]) * self._unit_ns < MAX_NS:
            self._place(numbers[:-1], self._stamp(fields[self._at[-1]], numbers[-1], now_ns), now_ns, text)
        else:
            self._spoiled(f"{text[:80]!r} has no time")

    def _find(self, fields: list[str]) -> None:
        """Find the columns by their names."""
        names = [field.strip("\"'") for field in fields]
        try:
            self._at = [names.index(c) if isinstance(c, str) else int(c) - 1 for c in self._columns]
            self._first_line = False
        except ValueError:
            missing = [c for c in self._columns if isinstance(c, str) and c not in names]
            self._spoiled(f"no line has named the column {missing[0]}; this one has {', '.join(names)[:80]}")

    def _stamp(self, field: str, number: float, now_ns: int) -> int:
        t_ns = int(field) if self._unit_ns == 1 and field.lstrip("-").isdigit() else round(number * self._unit_ns)
        if self._offset_ns is None:
            self._offset_ns = now_ns - t_ns if t_ns < SINCE_1970_NS else 0
        return t_ns + self._offset_ns

    def _place(self, row: list[float], t_ns: int, now_ns: int, text: str) -> None:
        """Put a sample behind the last one, or where its time says."""
        last_ns, self._last_ns = self._last_ns, t_ns
        if last_ns is not None and self._rate is None and t_ns <= last_ns:
            self._last_ns = last_ns
            self._spoiled(f"{text[:80]!r} is not later than the line before it")
            return
        if last_ns is not None and self._rate is not None:
            periods = float((t_ns - last_ns) * self._rate / 1_000_000_000)
            if periods >= LOST_PERIODS and t_ns - last_ns < DAY_NS:
                self._send(now_ns)
                self._index += round(periods) - 1
        self._rows.append(row)
        self._times.append(t_ns)

    def _spoiled(self, why: str) -> None:
        self.bad += 1
        self.first_bad = self.first_bad or why
        if not self._timed and self._at is not None:
            self._rows.append([math.nan] * len(self._at))

    def _send(self, now_ns: int) -> None:
        if not self._rows:
            return
        values = np.array(self._rows)
        n = len(values)
        times = np.array(self._times, np.int64) if self._timed else None
        t0_ns = _began(self._rate, n, now_ns) if times is None else int(times[0])
        at = 0
        for stream, lane in zip(self.streams, self._lanes, strict=True):
            with np.errstate(over="ignore"):  # what is too large becomes infinite, which is missing
                part = values[:, at : at + len(lane.columns)].astype(wire.DTYPES[wire.DTYPE_NAMES[lane.dtype]])
            at += len(lane.columns)
            if self._rate is None:
                self._gateway.send(stream, part, times=times)
            else:
                self._gateway.send(stream, part, sample_index=self._index, t0_ns=t0_ns)
        self._index += n
        self._rows, self._times = [], []


class Binary:
    """Take frames, each with a sample of every stream: its sync bytes, then the values, little-endian, back to back."""

    def __init__(self, device: Device, gateway: Gateway) -> None:
        self._gateway, self._rate = gateway, device.lanes[0].fs_hz
        self.streams = _open(device, gateway)
        self.bad, self.first_bad = 0, ""
        self._sync = device.source.sync
        fields = [
            (f"{k}", wire.DTYPES[wire.DTYPE_NAMES[lane.dtype]], (len(lane.channels),))
            for k, lane in enumerate(device.lanes)
        ]
        self._frame = np.dtype([("sync", np.dtype("u1"), (len(self._sync),)), *fields])
        self._rest = b""
        self._flags = 0

    def take(self, data: bytes, now_ns: int) -> None:
        """Send the samples of the frames that these bytes complete."""
        buffer, size, sync = self._rest + data, self._frame.itemsize, self._sync
        # a frame counts once the next one begins where it should: one that lost bytes has swallowed some of the next
        while len(buffer) >= size + len(sync):
            n = (len(buffer) - len(sync)) // size
            begins = [buffer.startswith(sync, k * size) for k in range(n + 1)]
            good = next((k for k in range(n) if not (begins[k] and begins[k + 1])), n)
            if good:
                self._send(np.frombuffer(buffer, self._frame, good), now_ns)
                buffer = buffer[good * size :]
            else:
                # nobody knows how many were lost
                self.bad += 1
                self.first_bad = self.first_bad or f"{size} bytes between {sync.hex(' ')} were expected"
                self._flags = wire.DISCONTINUITY
                at = buffer.find(sync, 1)
                buffer = buffer[at:] if at > 0 else buffer[len(buffer) - len(sync) + 1 :]
        self._rest = buffer

    def finish(self) -> None:
        """Take the last frame; count one that was cut off."""
        if len(self._rest) >= self._frame.itemsize and self._rest.startswith(self._sync):
            self._send(np.frombuffer(self._rest, self._frame, 1), time.time_ns())
        elif self._rest:
            self.bad += 1
            self.first_bad = self.first_bad or "the last frame was cut off"

    def _send(self, frames: NDArray[np.void], now_ns: int) -> None:
        t0_ns = _began(self._rate, len(frames), now_ns)
        for k, stream in enumerate(self.streams):
            self._gateway.send(stream, frames[f"{k}"], t0_ns=t0_ns, flags=self._flags)
        self._flags = 0


class Records:
    """Take records of the protocol; their stream is the number of a [[stream]], from 0, and nobody numbers them."""

    def __init__(self, device: Device, gateway: Gateway) -> None:
        self._gateway = gateway
        self.streams = _open(device, gateway)
        self.bad, self.first_bad = 0, ""
        self._rest = b""
        self._firsts: dict[int, int] = {}  # sample index at which each stream's count begins for us
        self._next: dict[int, int] = {}

    def take(self, data: bytes, now_ns: int) -> None:
        """Send the records that these bytes complete."""
        buffer = self._rest + data
        while len(buffer) >= wire.RECORD.size:
            if buffer[:4] != wire.RECORD_MAGIC:
                self._spoiled("bytes are no record")
                at = buffer.find(wire.RECORD_MAGIC)
                buffer = buffer[at:] if at > 0 else buffer[-3:]
                continue
            header = int.from_bytes(buffer[6:8], "little")
            size = int.from_bytes(buffer[52:56], "little")
            end = header + size + -size % 8
            if end > wire.MAX_RECORD or header < wire.RECORD.size:
                self._spoiled(f"a record claims to be {end} bytes")
                buffer = buffer[1:]
                continue
            if len(buffer) < end:
                break
            (record,) = wire.decode_records(buffer[:end])
            if isinstance(record, wire.Refused):
                self._spoiled(f"a record is refused: {record.code.name}")
                buffer = buffer[1:]
                continue
            self._send(record)
            buffer = buffer[end:]
        self._rest = buffer

    def finish(self) -> None:
        """Count a record that was cut off."""
        if self._rest:
            self._spoiled("the last record was cut off")

    def _spoiled(self, why: str) -> None:
        self.bad += 1
        self.first_bad = self.first_bad or why

    def _send(self, record: wire.Record) -> None:
        if record.stream >= len(self.streams):
            self._spoiled(f"a record is of stream {record.stream}; there are {len(self.streams)}")
            return
        stream = self.streams[record.stream]
        if record.kind == wire.END:
            self._gateway.end(stream)
            return
        index, flags = record.sample_index, record.flags & (wire.UNSYNCHRONISED | wire.DISCONTINUITY)
        done = self._next.get(stream, 0)
        first = self._firsts.setdefault(stream, index)
        if index - first < done:  # the device has begun to count anew
            first = self._firsts[stream] = index - done
            flags |= wire.DISCONTINUITY
        try:
            if record.kind == wire.DATA:
                self._gateway.send(stream, record.values, index - first, record.t0_ns, record.times, flags)
            self._next[stream] = index - first + len(record.values)
        except ParameterError as error:
            self._spoiled(str(error))


def _began(rate: Fraction | None, n: int, now_ns: int) -> int:
    """Return the time of the first of n samples of which the last has just come."""
    return now_ns - int(n * 1_000_000_000 / rate) if rate else 0


def _number(fields: list[str], at: int, separator: str) -> float:
    """Read a field; a missing one is NaN."""
    field = fields[at] if at < len(fields) else ""
    if separator != ",":
        field = field.replace(",", ".")
    return float(field) if field else math.nan
