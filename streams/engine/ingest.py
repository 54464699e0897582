"""The ingest socket: take what has arrived, scan it in one call, have it computed and acknowledged."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from vitalcore.alarms import Limits
from vitalcore.errors import ProtocolError
from vitalcore.kernels.wire import records
from vitalcore.kernels.wire.records import ROW
from vitalcore.streams.engine.acks import Acks
from vitalcore.streams.engine.analysis import Analysis
from vitalcore.streams.engine.keeper import Keeper
from vitalcore.streams.engine.live import Live
from vitalcore.streams.engine.quarantine import REFUSALS, Quarantine
from vitalcore.streams.engine.stream import Stream
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.journal import entries
from vitalcore.streams.journal.entries import Entry
from vitalcore.streams.protocol import maps
from vitalcore.streams.protocol.maps import Open
from vitalcore.streams.protocol.wire import Code, Refusal
from vitalcore.streams.security.guard import Guard

MAX_DRAIN = 512  # messages taken before anything else has its turn
MAX_DRAIN_BYTES = 1 << 18
MAX_PAUSES = 64  # gaps, ends and refusals worked on before anything else has its turn

# plain numbers: pyzmq's are enumerations, whose arithmetic costs more than a message
_EVENTS, _RCVMORE, _POLLIN = int(zmq.EVENTS), int(zmq.RCVMORE), int(zmq.POLLIN)
_PAD = [b"", *(bytes(8 - n) for n in range(1, 8))]


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
        self.acks = Acks(socket, streams, keeper)
        self.quarantine = Quarantine()
        self.analysis = Analysis(streams, live, keeper, guard, self.acks, self.quarantine)
        self._messages: list[bytes] = []
        self._identities: list[bytes] = []
        self._owners: list[int] = []
        self._left: Callable[[], bool] | None = None
        self._counts = dict.fromkeys(("messages", "records", "samples", "refused", "streams_opened"), 0)

    def counters(self) -> dict[str, int]:
        """Count what has passed since the start; from any thread."""
        closed = {"quarantined": len(self.quarantine), "quarantines": self.quarantine.total}
        return self._counts | {"streams_ended": self.analysis.ended} | closed

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
        self.analysis.arrival_ns = time.time_ns()
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
        self._counts["messages"] += taken
        if self._messages:
            self._left = self._begin()
            if not self._left():
                self._left = None
        return self._left is not None or taken >= MAX_DRAIN or size >= MAX_DRAIN_BYTES

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
        self.analysis.arrival_ns = entry.t_ns
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
                    self.acks.refuse(identities[empty + m], -1, Code.BAD_FRAME)
            self._take(out[:n], data, identities)
            return bool(at[0] < len(starts))

        return go_on

    def _finish_all(self) -> None:
        go_on = self._begin()
        while go_on():
            pass

    def _take(self, rows: NDArray[np.void], data: NDArray[np.uint8], identities: list[bytes]) -> None:
        streams, arrival_ns = self._streams, self.analysis.arrival_ns
        touched = rows["row"][rows["row"] >= 0]
        streams.seen_ns[touched] = arrival_ns
        refused, whole = rows[:0], rows
        if rows["code"].any():
            good = rows["code"] == 0
            rows, refused = rows[good], rows[~good]
        self._counts["records"] += len(rows)
        self._counts["samples"] += int(rows["n"].sum())
        self._keeper.took(rows, data, arrival_ns)
        told = set()
        for row in refused:
            self._counts["refused"] += 1
            which = int(row["row"]), int(row["code"]), int(row["message"]) if row["row"] < 0 else -1
            if which not in told:  # one word a stream is enough: it names what is expected next
                told.add(which)
                self.acks.refuse(identities[row["message"]], *which[:2], int(row["stream"]), int(row["session"]))
        self.analysis.take(rows, data)
        for row in self.quarantine.failing(whole):
            stream = streams.by_row[row]
            if stream is not None:
                self.analysis.isolate(stream, f"{REFUSALS} records in a row broke the format")
        self.acks.acknowledge(touched)

    def review(self, changed: frozenset[str]) -> None:
        """Refuse what may not be written any more to those whose rights have changed."""
        for stream in list(self._streams.by_key.values()) if changed else ():
            if stream.user not in changed or not stream.identity:
                continue
            if not self._guard.allows(stream.user, "write", stream.key + "/", "write"):
                self.acks.send(stream.identity, self.acks.refusal(stream.row, Code.FORBIDDEN))
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
        self.acks.send(identity, answer)

    def _answer(self, identity: bytes, fields: dict[str, Any], user: str) -> bytes:
        type_ = fields["type"]
        if type_ == "HELLO":
            versions = fields.get("versions")
            if not isinstance(versions, list) or maps.WIRE_VERSION not in versions:
                raise Refusal(Code.UNSUPPORTED, f"this engine speaks version {maps.WIRE_VERSION} of the protocol")
            return maps.pack("WELCOME", now_ns=time.time_ns(), **self._greeting)
        if type_ == "PING":
            t1 = maps.integer(fields, "t1", -(1 << 63), (1 << 63) - 1)
            return maps.pack("PONG", t1=t1, t2=self.analysis.arrival_ns, t3=time.time_ns())
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
        self._keeper.opened(stream, self.analysis.arrival_ns)
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
            self.analysis.arrival_ns = t_ns
        stream = self._streams.find(opened)
        if stream is not None:
            self._streams.take_over(stream, opened, identity)
        else:
            before = self._streams.by_key.get(opened.name)
            if before is not None:
                self.analysis.finish(before)
            stream = self._streams.open(opened, identity, self.analysis.arrival_ns, at, limits)
            self._live.opened(stream)
            self._counts["streams_opened"] += 1
        return stream
