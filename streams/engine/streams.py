"""The streams an engine holds: who may go on with which, what they get of memory, what they have counted."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vitalcore.alarms import Book, Limits, limits_of
from vitalcore.clock import Clock
from vitalcore.errors import ParameterError
from vitalcore.kernels.wire.records import STREAM
from vitalcore.operator import Design, Operator, Signal
from vitalcore.operators.ecg import Ecg
from vitalcore.operators.face import SCHEMAS, Face
from vitalcore.streams.engine.stream import Backlog, Backlogs, Stream
from vitalcore.streams.engine.table import Table
from vitalcore.streams.protocol.maps import Open
from vitalcore.streams.protocol.wire import DTYPES, Code, Refusal

CREDIT_RECORDS = 64
CREDIT_S = 4  # of samples that may be under way
CREDIT_BYTES = (1 << 14, 1 << 19)  # at least and at most
FRAMES_HZ = 60  # assumed of a variable rate
IDLE_NS = 60_000_000_000  # a stream silent for longer gives way when there is no room
CLOCK_UPDATES_HZ = 4
COUNTS = ("duplicates", "gaps", "lost", "undeclared_gap")  # summed over all streams
TO_MV = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "V": 1e3, "": 1.0}

SCHEMA_OF = {3 * schema.n_points: name for name, schema in SCHEMAS.items()}


class Streams:
    """Open, take over and forget streams.

    chains  : what is computed on each kind of signal
    limit   : how many streams there can be
    memory  : bytes that all credits together may come to
    book    : limits of the alarms; None: those of the chain itself
    """

    def __init__(self, chains: Mapping[str, Operator], limit: int, memory: int, book: Book | None = None) -> None:
        self.chains, self.book = chains, book
        self.rows = np.zeros(limit, STREAM)
        self.rows["handle"] = self.rows["owner"] = self.rows["slot"] = self.rows["table"] = -1
        self.by_row: list[Stream | None] = [None] * limit
        self.by_key: dict[str, Stream] = {}
        self.tables: list[Table] = []
        self.owners: dict[bytes, int] = {}  # identity of a connection: its number
        self.seen_ns = np.zeros(limit, np.int64)
        self.wave_wanted = np.zeros(limit, bool)
        self.clock_every = np.ones(limit, np.int64)
        self.backlogs = Backlogs(self.rows, self.by_key)
        self.dirty = np.zeros(limit, np.int64)  # first entry of the journal that changed a stream since it was saved
        self.forgotten: Callable[[Stream], None] = lambda stream: None  # told before a stream is forgotten
        self.high = 0  # no row from here on has been used
        self._held: dict[int, int] = {}  # streams of each connection
        self._free = list(range(limit))[::-1]
        self._memory = memory
        self.connections_opened = 0
        self._past = dict.fromkeys(COUNTS, 0)  # of streams that are no more
        self._generation = secrets.randbelow(0xFFFF)  # so that handles of an engine before this one mean nothing
        self._design = lru_cache(maxsize=256)(self._make_design)

    def find(self, opened: Open) -> Stream | None:
        """Return the stream of this key, if there is one that this gateway may go on with.

        Errors: Refusal
        """
        stream = self.by_key.get(opened.name)
        if stream is None:
            return None
        if opened.session < stream.opened.session:
            raise Refusal(
                Code.STALE_SESSION,
                f"session {opened.session} of {opened.key} is over; {stream.opened.session} has begun",
            )
        if opened.session > stream.opened.session:
            return None
        ours, theirs = stream.opened, opened
        for name in ("kind", "rate", "channels", "dtype"):
            if getattr(ours, name) != getattr(theirs, name):
                raise Refusal(Code.BAD_PARAMETER, f"{name} of {opened.key} can't change within a session")
        return stream

    def take_over(self, stream: Stream, opened: Open, identity: bytes) -> None:
        """Let a connection go on with a stream, and the one before no more."""
        row = self.rows[stream.row]
        self.let_go(stream)
        row["next_seq"] = max(int(row["next_seq"]), opened.first_seq)
        row["durable_seq"] = max(int(row["durable_seq"]), opened.first_seq)
        self._own(stream, identity)

    def open(
        self, opened: Open, identity: bytes, now_ns: int, at: int | None = None, limits: Limits | None = None
    ) -> Stream:
        """Give a new stream or a new session its row and slot; an earlier session must have been finished.

        at     : row to give it; None: any
        limits : of its alarms; None: those of the session before, or of the book

        Errors: Refusal
        """
        before = self.by_key.get(opened.name)
        follows = before is not None and before.opened.kind == opened.kind
        if limits is None:
            limits = before.limits if before is not None and follows else self._limits(opened, self.book)
        signal, design, unit = self._understand(opened, limits)
        credit = _credit_bytes(opened)
        freed = int(self.rows[before.row]["credit_bytes"]) if before else 0
        while credit > self._memory + freed or (before is None and not self._free):
            if not self._make_room(now_ns, before):
                raise Refusal(Code.FULL, f"there is no room for another stream; {len(self.by_key)} are open")
        stream = Stream(opened.name, -1, opened, identity, opened.first_index)
        if opened.backlog is not None and not opened.backfill:
            self.backlogs.begin(stream, before, Backlog(*opened.backlog))
        if before is not None:
            stream.counts = {what: max(count, opened.first_index) for what, count in before.counts.items()}
            stream.recent, stream.topics, stream.unsaved = before.recent, before.topics, before.unsaved
            stream.wave_base = before.wave_base + int(self.rows[before.row]["chunks"])
            self.remove(before)
        stream.wave_base = max(stream.wave_base, opened.first_index)
        stream.limits, stream.own_limits = limits, before is not None and follows and before.own_limits
        row = self._admit(stream, signal, design, unit, now_ns, at)
        row["session"], row["next_seq"], row["next_index"] = opened.session, opened.first_seq, opened.first_index
        row["durable_seq"], row["durable_index"] = opened.first_seq, opened.first_index
        self._own(stream, identity)
        return stream

    def admit(self, stream: Stream, numbers: NDArray[np.void], memory: bytes | None, at: int, now_ns: int) -> None:
        """Put back a stream that was saved; nobody owns it yet.

        numbers : its row of STREAM
        memory  : of its slot; None: it has ended
        at      : row that it had

        Errors: Refusal, SnapshotError
        """
        signal, design, unit = self._understand(stream.opened, stream.limits)
        row = self._admit(stream, signal, design, unit, now_ns, at)
        places = {name: int(row[name]) for name in ("slot", "table", "credit_records", "credit_bytes")}
        self.rows[stream.row] = numbers
        for name, value in places.items():
            row[name] = value
        row["handle"] = row["owner"] = -1
        row["durable_seq"], row["durable_index"] = row["next_seq"], row["next_index"]
        row["acked_seq"], row["held_bytes"], row["due"] = row["next_seq"], 0, 0
        if memory is None:
            self.close_slot(stream)
        else:
            self.tables[row["table"]].ward.restore(int(row["slot"]), memory)

    def layout(self, stream: Stream) -> str:
        """Return what the memory of a stream looks like; "" where it has ended."""
        table = int(self.rows[stream.row]["table"])
        return "" if table < 0 else self.tables[table].layout

    def memory(self, stream: Stream) -> bytes | None:
        """Return what the slot of a stream remembers; None where it has ended."""
        row = self.rows[stream.row]
        return None if row["table"] < 0 else self.tables[row["table"]].ward.snapshot(int(row["slot"]))

    def _understand(self, opened: Open, limits: Limits | None) -> tuple[Signal, Design, float]:
        """Design the chain of a stream; return it with its signal and what turns its unit into the chain's.

        Errors: Refusal
        """
        chain = self.chains.get(opened.kind)
        if chain is None:
            raise Refusal(Code.UNSUPPORTED, f"this engine analyses {', '.join(self.chains)}; not {opened.kind}")
        unit = TO_MV.get(opened.channels[0].unit) if opened.kind == "ecg" else 1.0
        if unit is None or (opened.kind == "ecg" and len({channel.unit for channel in opened.channels}) > 1):
            raise Refusal(Code.BAD_PARAMETER, "all channels of an ecg must have one unit: mV, uV or V")
        if (opened.rate is None) != (opened.kind == "face"):
            # a chain that takes the one does not take the other: its design would say so less clearly
            wanted = "times of its own (rate nil)" if opened.kind == "face" else "a rate"
            raise Refusal(Code.BAD_PARAMETER, f"a {opened.kind} stream needs {wanted}")
        labels = tuple(channel.label for channel in opened.channels)
        unit_name = "mV" if opened.kind == "ecg" else opened.channels[0].unit
        signal = Signal(opened.kind, opened.rate, labels, unit_name)
        try:
            return signal, self._design(signal, limits), unit
        except ParameterError as error:
            raise Refusal(Code.BAD_PARAMETER, str(error)) from None

    def _admit(
        self, stream: Stream, signal: Signal, design: Design, unit: float, now_ns: int, at: int | None
    ) -> np.void:
        """Give a stream a row and a slot; return the row.

        Errors: Refusal
        """
        if at is None:
            stream.row = self._free.pop()
        elif at in self._free:
            self._free.remove(at)
            stream.row = at
        else:
            raise Refusal(Code.FULL, f"there is no room for {stream.key} at place {at} of {len(self.rows)}")
        opened = stream.opened
        stream.signal, stream.wave = signal, design.wave
        stream.clock = Clock(opened.rate) if opened.rate else None
        self._place(stream, design, signal, unit)
        row: np.void = self.rows[stream.row]
        row["n_channels"], row["dtype"], row["timed"] = len(signal.channels), opened.dtype, opened.rate is None
        row["credit_records"], row["credit_bytes"] = CREDIT_RECORDS, _credit_bytes(opened)
        self._memory -= int(row["credit_bytes"])
        self.seen_ns[stream.row] = now_ns
        self.clock_every[stream.row] = max(1, int(opened.rate / CLOCK_UPDATES_HZ)) if opened.rate else 1
        self.by_key[stream.key] = self.by_row[stream.row] = stream
        self.backlogs.add(stream)
        self.high = max(self.high, stream.row + 1)
        return row

    def configure(self, stream: Stream, limits: Limits, own: bool) -> None:
        """Give the alarms of a stream other limits, in this session and those after it.

        own : somebody has asked for them
        """
        assert stream.signal is not None  # a stream that is open has one
        stream.limits, stream.own_limits = limits, own
        row = self.rows[stream.row]
        if row["table"] >= 0:
            self.tables[row["table"]].ward.configure(int(row["slot"]), self._design(stream.signal, limits))

    def rebook(self, book: Book | None) -> Iterator[Stream]:
        """Let other limits hold, a stream at each step; those that somebody has changed keep their own."""
        self.book = book
        for stream in list(self.by_key.values()):
            limits = self._limits(stream.opened, book)
            gone = self.by_key.get(stream.key) is not stream
            if gone or stream.own_limits or limits is None or limits == stream.limits:
                continue
            self.configure(stream, limits, own=False)
            yield stream

    def sums(self) -> dict[str, int]:
        """Sum counts over all streams that are and were; from any thread.

        lost    : without what backlogs have filled, or may still fill
        pending : what they may still fill
        """
        rows = self.rows[: self.high]
        sums = {name: self._past[name] + int(rows[name].sum()) for name in COUNTS}
        filled, pending = self.backlogs.sums()
        return sums | {"lost": sums["lost"] - filled - pending, "pending": pending}

    def acknowledge(self, stream: Stream, code: int) -> bool:
        """Acknowledge an alarm of a stream; tell whether it stands."""
        row = self.rows[stream.row]
        return bool(row["table"] >= 0 and self.tables[row["table"]].ward.acknowledge(int(row["slot"]), code))

    def close_slot(self, stream: Stream) -> None:
        """Give back the slot of a stream that has ended."""
        row = self.rows[stream.row]
        stream.standing.clear()
        if row["table"] >= 0:
            table = self.tables[row["table"]]
            table.ward.close(int(row["slot"]))
            table.rows[row["slot"]] = -1
            row["table"] = row["slot"] = -1

    def let_go(self, stream: Stream) -> None:
        """Take a stream from the connection that has it."""
        if not stream.identity:
            return
        owner = self.owners[stream.identity]
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner], self.owners[stream.identity]
        row = self.rows[stream.row]
        row["handle"] = row["owner"] = -1
        row["due"] = 0
        stream.identity = b""

    def forget(self, stream: Stream) -> None:
        """Forget a stream."""
        self.forgotten(stream)
        self.remove(stream)

    def disown(self) -> None:
        """Take every stream from its connection."""
        self.rows["handle"] = self.rows["owner"] = -1
        self.owners.clear()
        self._held.clear()

    def remove(self, stream: Stream) -> None:
        """Take a stream out; what it has told the journal stays there."""
        self.backlogs.remove(stream)
        self.close_slot(stream)
        self.let_go(stream)
        row = self.rows[stream.row]
        for name in COUNTS:
            self._past[name] += int(row[name])
        self._memory += int(row["credit_bytes"])
        self.rows[stream.row] = np.zeros((), STREAM)
        row["handle"] = row["owner"] = row["slot"] = row["table"] = -1
        self.by_row[stream.row] = None
        self.wave_wanted[stream.row] = False
        self.dirty[stream.row] = 0
        del self.by_key[stream.key]
        self._free.append(stream.row)

    def _limits(self, opened: Open, book: Book | None) -> Limits | None:
        chain = self.chains.get(opened.kind)
        if not isinstance(chain, Ecg):
            return None
        return limits_of(chain.limits) if book is None else book.of(opened.key)

    def _make_design(self, signal: Signal, limits: Limits | None) -> Design:
        chain = self.chains[signal.name]
        if isinstance(chain, Ecg) and limits is not None:
            chain = replace(chain, limits=limits)
        schema = SCHEMA_OF.get(len(signal.channels))
        if isinstance(chain, Face) and schema is not None:
            chain = replace(chain, schema=schema)  # the number of points names the detector
        return chain.design(signal)

    def _place(self, stream: Stream, design: Design, signal: Signal, unit: float) -> None:
        for number, table in enumerate(self.tables):
            same = table.columns == signal.columns and table.timed == (signal.fs_hz is None)
            if same and table.ward.fits(design):
                break
            if not len(table.ward):  # nobody lives there any more
                table = self.tables[number] = Table(design, signal)
                break
        else:
            number, table = len(self.tables), Table(design, signal)
            self.tables.append(table)
        row = self.rows[stream.row]
        row["table"] = number
        row["slot"] = table.open(design, signal, stream.row, stream.opened.channels, unit)

    def _own(self, stream: Stream, identity: bytes) -> None:
        if identity not in self.owners:
            self.connections_opened += 1
            self.owners[identity] = self.connections_opened
        owner = self.owners[identity]
        self._held[owner] = self._held.get(owner, 0) + 1
        self._generation = self._generation % 0xFFFF + 1
        row = self.rows[stream.row]
        row["handle"], row["owner"] = self._generation << 16 | stream.row, owner
        row["acked_seq"], row["held_bytes"], row["due"] = row["durable_seq"], 0, 0
        stream.identity = identity

    def _make_room(self, now_ns: int, keep: Stream | None) -> bool:
        ended = [s for s in self.by_key.values() if self.rows[s.row]["ended"] and s is not keep]
        idle = [s for s in self.by_key.values() if now_ns - self.seen_ns[s.row] > IDLE_NS and s is not keep]
        for stream in ended or idle:
            self.forget(stream)
        return bool(ended or idle)


def _credit_bytes(opened: Open) -> int:
    width = len(opened.channels) * DTYPES[opened.dtype].itemsize + (8 if opened.rate is None else 0)
    want = int(CREDIT_S * float(opened.rate or FRAMES_HZ) * width) + 72 * CREDIT_RECORDS
    return min(max(want, CREDIT_BYTES[0]), CREDIT_BYTES[1])
