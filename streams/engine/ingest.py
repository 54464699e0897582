"""The ingest socket: take what has arrived, scan it in one call, compute it in one call a table, acknowledge it."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import zmq
from numpy.typing import NDArray

from vitalcore.alarms import Limits
from vitalcore.errors import ProtocolError
from vitalcore.kernels.wire import records
from vitalcore.kernels.wire.records import ROW
from vitalcore.streams.engine.keeper import Keeper
from vitalcore.streams.engine.live import Live
from vitalcore.streams.engine.quarantine import PLACES, REFUSALS, Quarantine
from vitalcore.streams.engine.table import Refusal, Stream, Streams, Table, due, half_used
from vitalcore.streams.journal import entries
from vitalcore.streams.journal.entries import Entry
from vitalcore.streams.process import log
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.maps import Open
from vitalcore.streams.protocol.wire import Ack, Code
from vitalcore.streams.security.guard import Guard

MAX_DRAIN = 512  # messages taken before anything else has its turn
MAX_DRAIN_BYTES = 1 << 18
LAST_NS = 1 << 62  # in the year 2116; a later time stamp is none
MAX_PAUSES = 64  # gaps, ends and refusals worked on before anything else has its turn

# plain numbers: pyzmq's are enumerations, whose arithmetic costs more than a message
_EVENTS, _RCVMORE, _POLLIN = int(zmq.EVENTS), int(zmq.RCVMORE), int(zmq.POLLIN)
_log = logging.getLogger(__name__)
_PAD = [b"", *(bytes(8 - n) for n in range(1, 8))]
_ACK = np.dtype(
    [
        ("magic", "S4"),
        ("kind", "u1"),
        ("code", "u1"),
        ("length", "<u2"),
        ("session", "<u8"),
        ("stream", "<u4"),
        ("credit_records", "<u4"),
        ("next_seq", "<u8"),
        ("credit_bytes", "<u4"),
        ("reserved", "<u4"),
    ]
)


class Ingest:
    """Serve gateways.

    Everything a peer sends is bounded before it is looked at; no error of a peer leaves this class.
    """

    def __init__(
        self,
        socket: "zmq.Socket[bytes]",
        streams: Streams,
        live: Live,
        keeper: Keeper,
        greeting: Mapping[str, Any],
        guard: Guard,
    ) -> None:
        self._socket, self._streams, self._live, self._keeper, self._greeting = socket, streams, live, keeper, greeting
        self._guard = guard
        self.quarantine = Quarantine()
        self._messages: list[bytes] = []
        self._identities: list[bytes] = []
        self._owners: list[int] = []
        self._arrival_ns = 0
        self._touched = np.zeros(0, np.int64)
        self._left: Callable[[], bool] | None = None
        names = "messages", "records", "samples", "refused", "streams_opened", "streams_ended"
        self.counters = dict.fromkeys(names, 0)

    def work(self) -> bool:
        """Take what has arrived, up to a bound, and work on it; tell whether some is left."""
        if self._left is not None:
            if self._left():
                return True
            self._left = None
        receive: Any = self._socket.recv
        keyed = self._guard.keys is not None  # then a message is a frame, which knows whose it is but costs more
        state: Any = self._socket.get  # of which pyzmq only knows that it gives numbers or bytes
        size = taken = 0
        self._arrival_ns = time.time_ns()
        owners = self._streams.owners
        # asking first costs less than the exception that says that nothing is there
        while taken < MAX_DRAIN and size < MAX_DRAIN_BYTES and state(_EVENTS) & _POLLIN:
            identity = receive()
            frame = receive(copy=not keyed)
            message = frame.bytes if keyed else frame
            taken += 1
            size += len(message)
            if state(_RCVMORE):
                while state(_RCVMORE):
                    receive()
                message = b""  # a message is one frame: this is none
            if maps.is_map(message):
                if self._messages:
                    self._finish_all()
                self._converse(identity, message, self._guard.who(frame) if keyed else "")
            else:
                self._messages.append(message)
                self._identities.append(identity)
                self._owners.append(owners.get(identity, -1))
        self.counters["messages"] += taken
        if self._messages:
            self._left = self._begin()
            if not self._left():
                self._left = None
        return self._left is not None or taken >= MAX_DRAIN or size >= MAX_DRAIN_BYTES

    def acknowledge(self, every: bool) -> None:
        """Send the acknowledgements that are owed: all, or those of streams whose credit is half used."""
        rows = self._streams.rows
        if not every and not half_used(rows, self._touched).any():
            return
        self._keeper.turn()
        which = due(rows[: self._streams.high], None if every else self._touched)
        if not len(which):
            return
        acks = np.zeros(len(which), _ACK)
        acks["magic"], acks["kind"], acks["length"] = wire.ACK_MAGIC, 1, wire.ACK_FORMAT.size
        acks["code"] = int(Code.STORAGE) if self._keeper.degraded else 0
        owed = rows[which]
        acks["stream"] = owed["handle"]
        for name in ("session", "credit_records", "credit_bytes"):
            acks[name] = owed[name]
        acks["next_seq"] = rows["acked_seq"][which] = owed["durable_seq"]
        rows["due"][which] = 0
        rows["held_bytes"][which[owed["durable_seq"] == owed["next_seq"]]] = 0
        owners = owed["owner"]
        order = np.argsort(owners, kind="stable")
        cuts = np.flatnonzero(np.diff(owners[order])) + 1
        for mine in np.split(order, cuts):
            stream = self._streams.by_row[which[mine[0]]]
            if stream is not None:
                self._send(stream.identity, acks[mine].tobytes())

    def shut_down(self) -> None:
        """Tell every gateway that nothing more is taken."""
        for stream in self._streams.by_key.values():
            if stream.identity:  # nobody's since the engine was started
                self._send(stream.identity, self._refusal(stream.row, Code.SHUTTING_DOWN))

    def _begin(self) -> Callable[[], bool]:
        parts: list[bytes] = []
        for message in self._messages:
            parts.append(message)
            if len(message) & 7:
                parts.append(_PAD[len(message) & 7])
        lengths = np.fromiter(map(len, self._messages), np.int64, len(self._messages))
        padded = lengths + (-lengths & 7)
        starts = np.cumsum(padded) - padded
        data = np.frombuffer(b"".join(parts), np.uint8)
        owners = np.array(self._owners, np.int64)
        identities = self._identities
        self._messages, self._identities, self._owners = [], [], []
        return self._scan(data, starts, lengths, owners, identities)

    def again(self, entry: Entry) -> None:
        """Take records of the journal once more."""
        starts, stops, data = entries.read_records(entry.body)
        rows = self._streams.rows
        handles = entries.handles(starts, data)
        of = np.minimum(handles & 0xFFFF, len(rows) - 1)
        known = rows["handle"][of] == handles
        seq = data.view(np.int64)[(starts >> 3) + 3]
        which, firsts = np.unique(of[known], return_index=True)
        # an entry that the journal has lost is a gap, not an error of the gateway
        rows["next_seq"][which] = np.maximum(rows["next_seq"][which], seq[known][firsts])
        rows["acked_seq"][which] = rows["next_seq"][which]
        rows["held_bytes"][of] = 0
        self._arrival_ns = entry.t_ns
        go_on = self._scan(data, starts, stops - starts, rows["owner"][of], [b""] * len(starts))
        while go_on():
            pass

    def _scan(
        self,
        data: NDArray[np.uint8],
        starts: NDArray[np.int64],
        lengths: NDArray[np.int64],
        owners: NDArray[np.int64],
        identities: list[bytes],
    ) -> Callable[[], bool]:
        at = np.zeros(1, np.int64)
        views = data, data.view(np.int64), data.view(np.uint32), data.view(np.uint16)
        out = np.zeros(int((lengths >> 6).sum()) + len(lengths), ROW)

        def go_on() -> bool:
            """Work until the next pause; tell whether some is left."""
            streams = self._streams.rows
            empty = int(at[0])
            n = records.scan(records.CRC_SLICES, streams, *views, starts, starts + lengths, owners, MAX_PAUSES, at, out)
            # an empty message has no record to refuse
            if not lengths.all():
                for m in np.flatnonzero(lengths[empty : at[0]] == 0).tolist():
                    self._refuse(identities[empty + m], -1, Code.BAD_FRAME)
            self._take(out[:n], data, identities)
            return bool(at[0] < len(starts))

        return go_on

    def _finish_all(self) -> None:
        go_on = self._begin()
        while go_on():
            pass

    def _take(self, rows: NDArray[np.void], data: NDArray[np.uint8], identities: list[bytes]) -> None:
        streams = self._streams
        self._touched = touched = rows["row"][rows["row"] >= 0]
        streams.seen_ns[touched] = self._arrival_ns
        refused, whole = rows[:0], rows
        if rows["code"].any():
            good = rows["code"] == 0
            rows, refused = rows[good], rows[~good]
        self.counters["records"] += len(rows)
        self.counters["samples"] += int(rows["n"].sum())
        self._keeper.took(rows, data, self._arrival_ns)
        told = set()
        for row in refused:
            self.counters["refused"] += 1
            which = int(row["row"]), int(row["code"]), int(row["message"]) if row["row"] < 0 else -1
            if which not in told:  # one word a stream is enough: it names what is expected next
                told.add(which)
                self._refuse(identities[row["message"]], *which[:2], int(row["stream"]), int(row["session"]))
        start = 0
        for i in ((rows["kind"] != wire.DATA) | (rows["missing"] != 0)).nonzero()[0].tolist():
            self._compute(rows[start:i], data)
            row = rows[i]
            stream = streams.by_row[row["row"]]
            if stream is not None:
                self._special(stream, cast(np.void, row))  # numpy's stubs call a row an array
            start = i if row["kind"] == wire.DATA else i + 1
        self._compute(rows[start:], data)
        for row in self.quarantine.failing(whole):
            stream = streams.by_row[row]
            if stream is not None:
                self._isolate(stream, f"{REFUSALS} records in a row broke the format")
        self.acknowledge(every=False)

    def _compute(self, rows: NDArray[np.void], data: NDArray[np.uint8]) -> None:
        if not len(rows):
            return
        streams = self._streams
        of = rows["row"]
        every = streams.clock_every[of]
        tick = (rows["index"] + rows["n"]) // every != rows["index"] // every
        tick |= rows["chunk"] == 0
        part = parts(of, tick)
        for number in range(int(part.max()) + 1):
            mine = part == number
            for i in (tick & mine).nonzero()[0].tolist():
                self._set_clock(streams.by_row[of[i]], cast(np.void, rows[i]))
            self._push_all(rows if mine.all() else rows[mine], data)

    def _set_clock(self, stream: Stream | None, row: np.void) -> None:
        if stream is None or stream.clock is None:
            return
        index, t0_ns = int(row["index"]), int(row["t0_ns"])
        if not 0 < t0_ns < LAST_NS:  # none: the stream counts on from its arrival
            index, t0_ns = index + int(row["n"]), self._arrival_ns
            if stream.clock.offset_ns is not None:
                return
        step_ns = stream.clock.update(index, t0_ns)
        if step_ns:
            self._live.clock_step(stream, index, step_ns, self._arrival_ns)

    def _push_all(self, rows: NDArray[np.void], data: NDArray[np.uint8]) -> None:
        tables = self._streams.rows["table"][rows["row"]]
        numbers = [int(tables[0])] if (tables == tables[0]).all() else np.unique(tables).tolist()
        for number in numbers:
            if number < 0:
                continue  # closed by what came with this record
            self._push(self._streams.tables[number], rows, (tables == number).nonzero()[0], data)

    def _push(self, table: Table, rows: NDArray[np.void], which: NDArray[np.int64], data: NDArray[np.uint8]) -> None:
        streams = self._streams
        of = rows["row"][which]
        x = np.empty((int(rows["n"][which].sum()), table.columns))
        offsets = np.empty(len(which) + 1, np.int64)
        integers = data.view(np.int64), data.view(np.int16), data.view(np.int32)
        floats = data.view(np.float32), data.view(np.float64)
        records.unpack(streams.rows, table.scale, table.offset, *integers, *floats, rows, which, x, offsets)
        slots = streams.rows["slot"][of]
        try:
            wave, found = table.ward.push(slots, offsets, x)
        except Exception as error:
            # a chain of Python code; kernels raise nothing. One by one the others come to the same as together
            mine = np.unique(of)
            stream = streams.by_row[mine[0]]
            if len(mine) > 1:
                for row in mine.tolist():
                    self._push(table, rows, which[of == row], data)
            elif stream is not None:
                self._isolate(stream, _failed(error), settle=False)
            return
        if table.timed:
            self._live.frames(x, offsets, slots, rows["index"][which])
        for stream, why in self._live.findings(table, found, self._arrival_ns).items():
            self._isolate(stream, _failed(why), settle=False)
        for i in streams.wave_wanted[of].nonzero()[0].tolist():
            stream = streams.by_row[of[i]]
            if stream is not None:
                row, a, b = rows[which[i]], offsets[i], offsets[i + 1]
                times = x[a:b, 0].astype(np.int64) + streams.rows["origin_ns"][of[i]] if table.timed else None
                self._live.wave(stream, int(row["chunk"]), int(row["index"]), wave[a:b], times)

    def _special(self, stream: Stream, row: np.void) -> None:
        """Do what comes before a record that is more than the next samples."""
        held = self._streams.rows[stream.row]
        missing, index = int(row["missing"]), int(row["index"])
        if missing > 0:
            table = self._streams.tables[held["table"]]
            why = self._say(stream, table, lambda: table.ward.gap(int(held["slot"]), missing))
            if why is not None:
                self._isolate(stream, _failed(why), settle=False)
                return
            self._streams.settle(stream)  # before anybody counts as lost what is only late
        if missing:
            cause = "discontinuity" if missing < 0 else "declared" if row["kind"] == wire.GAP else "undeclared"
            self._live.gap(stream, index - max(missing, 0), index, cause, self._arrival_ns)
        if row["kind"] == wire.END:
            self.finish(stream)
            self._live.gap(stream, index, None, "end", self._arrival_ns)

    def _say(self, stream: Stream, table: Table, find: Callable[[], NDArray[np.void]]) -> Exception | None:
        """Publish what the chain of one stream finds; return why that failed."""
        try:
            return self._live.findings(table, find(), self._arrival_ns).get(stream)
        except Exception as error:
            return error

    def _isolate(self, stream: Stream, why: str, settle: bool = True) -> None:
        """Close a stream for a while, and tell its gateway and its subscribers.

        settle : say what was undecided first
        """
        row = cast(np.void, self._streams.rows[stream.row])
        if settle:
            self.finish(stream)
        self._live.gap(stream, int(row["next_index"]), None, "quarantined", self._arrival_ns)
        if stream.identity:
            self._send(stream.identity, self._refusal(stream.row, Code.QUARANTINED))
        self._guard.note("quarantine", why, stream.user, stream.key)
        places = {place: int(row[place]) for place in PLACES}
        self.quarantine.close(stream.key, places, why)
        self._keeper.closed(stream, places, why)
        _log.warning("%s is closed for a while: %s", log.shown(stream.key), why)
        self._streams.forget(stream)

    def finish(self, stream: Stream) -> None:
        """Say what was still undecided of a stream, and give back its slot."""
        held = self._streams.rows[stream.row]
        if held["table"] >= 0:
            table = self._streams.tables[held["table"]]
            why = self._say(stream, table, lambda: table.ward.finish(int(held["slot"])))
            if why is not None:  # it ends all the same
                _log.warning("%s has no end: %s", log.shown(stream.key), _failed(why))
            self._streams.close_slot(stream)
            self.counters["streams_ended"] += 1

    def review(self, changed: frozenset[str]) -> None:
        """Refuse what may not be written any more to those whose rights have changed."""
        for stream in list(self._streams.by_key.values()) if changed else ():
            if stream.user not in changed or not stream.identity:
                continue
            if not self._guard.allows(stream.user, "write", stream.key + "/", "write"):
                self._send(stream.identity, self._refusal(stream.row, Code.FORBIDDEN))
                self._streams.let_go(stream)

    def _converse(self, identity: bytes, message: bytes, user: str) -> None:
        fields: dict[str, Any] = {}
        try:
            fields = maps.unpack(message)
            answer = self._answer(identity, fields, user)
        except ProtocolError as error:
            code = error.code if isinstance(error, Refusal) else Code.BAD_MESSAGE
            key, session = fields.get("key"), fields.get("session")
            if fields.get("type") == "OPEN" and code != Code.FORBIDDEN:  # which is written down already
                self._guard.note("OPEN", code.name, user, key if isinstance(key, str) else "", often=True)
            about = {"key": key if isinstance(key, str) else None, "session": session if type(session) is int else None}
            answer = maps.pack("ERR", code=int(code), message=str(error), **about)
        self._send(identity, answer)

    def _answer(self, identity: bytes, fields: dict[str, Any], user: str) -> bytes:
        type_ = fields["type"]
        if type_ == "HELLO":
            versions = fields.get("versions")
            if not isinstance(versions, list) or maps.WIRE_VERSION not in versions:
                raise Refusal(Code.UNSUPPORTED, f"this engine speaks version {maps.WIRE_VERSION} of the protocol")
            return maps.pack("WELCOME", now_ns=time.time_ns(), **self._greeting)
        if type_ == "PING":
            t1 = maps.integer(fields, "t1", -(1 << 63), (1 << 63) - 1)
            return maps.pack("PONG", t1=t1, t2=self._arrival_ns, t3=time.time_ns())
        if type_ == "OPEN":
            return self._open(maps.read_open(fields), identity, user)
        if type_ == "CREDIT":
            stream = self._streams.by_key.get(maps.check_key(fields.get("key")))
            if stream is None or stream.identity != identity:
                raise Refusal(Code.NOT_OPEN, "this connection has not opened that stream")
            row = self._streams.rows[stream.row]
            credit = [int(row["credit_records"]), int(row["credit_bytes"])]
            return maps.pack("CREDIT", key=stream.key, credit=credit, next_seq=int(row["durable_seq"]))
        raise Refusal(Code.BAD_MESSAGE, "on ingest a message is HELLO, OPEN, CREDIT or PING")

    def _open(self, opened: Open, identity: bytes, user: str) -> bytes:
        if not self._guard.allows(user, "write", opened.key + "/", "OPEN"):
            raise Refusal(Code.FORBIDDEN, f"this client may not write {opened.key}")
        self._keeper.turn()
        opened = self.quarantine.let_in(opened)
        stream = self.enter(opened, identity)
        stream.user = user
        self._guard.note("OPEN", "ok", user, stream.key, often=True)
        self._keeper.opened(stream, self._arrival_ns)
        row = self._streams.rows[stream.row]
        return maps.pack(
            "OPEN_OK",
            key=opened.key,
            stream=int(row["handle"]),
            session=opened.session,
            next_seq=int(row["durable_seq"]),
            next_index=int(row["durable_index"]),
            credit=[int(row["credit_records"]), int(row["credit_bytes"])],
            ack=self._keeper.level,
            resume=opened.resume,
        )

    def enter(
        self,
        opened: Open,
        identity: bytes,
        at: int | None = None,
        t_ns: int | None = None,
        limits: Limits | None = None,
    ) -> Stream:
        """Open a stream, or go on with it on another connection.

        at     : row to give it; None: any
        t_ns   : when; None: now
        limits : of its alarms; None: those that hold for it now

        Errors: Refusal
        """
        if t_ns is not None:
            self._arrival_ns = t_ns
        stream = self._streams.find(opened)
        if stream is not None:
            self._streams.take_over(stream, opened, identity)
        else:
            before = self._streams.by_key.get(opened.name)
            if before is not None:
                self.finish(before)
            stream = self._streams.open(opened, identity, self._arrival_ns, at, limits)
            self._live.opened(stream)
            self.counters["streams_opened"] += 1
        return stream

    def _refuse(self, identity: bytes, row: int, code: int, stream: int = 0, session: int = 0) -> None:
        if self._keeper.silent:
            return
        if row >= 0:
            # it names what is expected next, below which everything is held as agreed: not before that is so
            self._keeper.after(lambda: self._send(identity, self._refusal(row, code)))
        else:
            self._send(identity, wire.encode_ack(Ack(session & (1 << 63) - 1, stream, 0, 0, 0, code)))

    def _refusal(self, row: int, code: int) -> bytes:
        held = self._streams.rows[row]
        session, handle, next_seq = int(held["session"]), int(held["handle"]), int(held["durable_seq"])
        return wire.encode_ack(
            Ack(session, handle, next_seq, int(held["credit_records"]), int(held["credit_bytes"]), code)
        )

    def _send(self, identity: bytes, message: bytes) -> None:
        try:
            self._socket.send_multipart([identity, message], zmq.NOBLOCK)
        except zmq.ZMQError:
            return  # the peer is gone or does not read; what is owed is cumulative and will be owed again


def _failed(error: Exception) -> str:
    return f"its analysis failed ({type(error).__name__})"


def parts(of: NDArray[np.int64], tick: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number the parts in which records are computed: a tick of its clock begins a stream's next part.

    What is found in a record bears the time that the clock gave up to there, however many records come together.

    of   : stream of each record, [n]
    tick : whether its clock is set by a record, [n]
    """
    order = np.argsort(of, kind="stable")
    first = np.ones(len(of), bool)
    first[1:] = np.diff(of[order]) != 0
    ticks = np.cumsum(tick[order] & ~first)
    part = np.empty(len(of), np.int64)
    part[order] = ticks - ticks[first][np.cumsum(first) - 1]
    return part
