"""The client that pipes samples in: it holds what is not acknowledged, keeps to its credit and finds its way back."""

import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import zmq
from numpy.typing import ArrayLike, NDArray

from vitalcore.errors import ParameterError, ProtocolError
from vitalcore.kernels import spell
from vitalcore.kernels.records import CRC_SLICES
from vitalcore.streams import maps, sockets, wire
from vitalcore.streams.drift import ROUND_TRIPS, Drift
from vitalcore.streams.keys import Keys
from vitalcore.streams.link import Link
from vitalcore.streams.maps import Channel, Open
from vitalcore.streams.spool import Spool
from vitalcore.streams.store import Store, Stored
from vitalcore.streams.wire import Code, Record

ASK_NS = 1_000_000_000  # an OPEN without an answer is repeated, a silent engine is asked again: a half sooner or later
LOOK_NS = ASK_NS // 4
COMMIT_NS = 50_000_000
PING_NS = 2_000_000_000
FRAMES_HZ = 30  # assumed of a variable rate
LIVE_FIRST_S = 10  # a shorter backlog is caught up in order
AWAY_NS = 3_000_000_000  # an engine that was named by another and says nothing is given up
HEARD_NS = 5_000_000_000  # an engine answers a PING every two seconds
MAX_LINKS = 64
MAX_REDIRECTS = 4  # in a row
MAX_LOST = 1 << 50  # samples that one GAP may bridge
# compared once an acknowledgement
_NOT_OPEN, _SHUTTING_DOWN, _STORAGE = int(Code.NOT_OPEN), int(Code.SHUTTING_DOWN), int(Code.STORAGE)
_NEVER = (Code.STALE_SESSION, Code.BAD_PARAMETER, Code.BAD_MESSAGE)  # an old session refused so is never taken
MAX_RECEIVED = 4096  # messages worked on by one poll


class Gateway:
    """Send streams to an engine.

    address     : ingest endpoint of the engine
    session     : producer epoch of all streams, strictly larger at each start; by default the time in ns
    pack        : records to a message; they wait for `poll` or `flush` until so many are there
    room        : bytes held of each stream while the engine is away; beyond, the oldest are lost and told as a gap
    keep_s      : seconds of signal held of each stream, bounded likewise
    spool       : SQLite file that keeps what is not acknowledged, also over the end of this process; None: memory only
    synchronous : of the file: normal: what was sent survives kill -9 of this process; full: loss of power too
    ack         : what an acknowledgement shall survive: received, journaled or fsynced, if the engine gives it
    resume      : after an outage, in_order: everything as it was measured; live_first: what is measured now at once,
                  and the backlog beside it
    keys        : our key pair, and server_key, the engine's public key: where the engine has keys

    A gateway belongs to one thread, and nothing happens behind its back: `send` sends what credit allows, `poll` must
    be called now and then to hear acknowledgements. What is sent before the engine has answered waits. With a spool no
    record leaves before it is written: a kill costs at most what waited for its message to be full, or for `poll`.

    Errors: ParameterError, also where the spool is in use by another process
    """

    def __init__(
        self,
        address: str = sockets.INGEST,
        session: int | None = None,
        pack: int = 1,
        room: int = 1 << 24,
        client: str = "vitalcore",
        spool: str | Path | None = None,
        synchronous: str = "normal",
        keep_s: float = math.inf,
        ack: str = "received",
        resume: str = "in_order",
        server_key: str | None = None,
        keys: Keys | None = None,
    ) -> None:
        if not 1 <= pack <= wire.MAX_RECORDS:
            raise ParameterError(f"pack is {pack}; it must lie between 1 and {wire.MAX_RECORDS}")
        for name, value, known in (("ack", ack, maps.ACKS), ("resume", resume, maps.RESUMES)):
            if value not in known:
                raise ParameterError(f"{name} is {value}; it must be one of {', '.join(known)}")
        self._pack, self._room, self._client, self._keep_s = pack, room, client, keep_s
        self._ack, self._resume = ack, resume
        self._server_key, self._keys = server_key, keys
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._links: list[Link] = []
        self._poller = zmq.Poller()
        self._store: Store | None = None
        try:
            self._home = self._link(address)
            if spool is not None:
                self._store = Store(spool, synchronous)
                session = self._store.begin(session)
        except ParameterError:
            self.close()
            raise
        self.session = time.time_ns() if session is None else session
        self._last_session = self.session
        self._spools: list[Spool] = []  # the session of each stream that takes samples now, by its number
        self._by_key: dict[str, list[Spool]] = {}  # all sessions that hold records, the oldest first
        self._ends: dict[str, Stored] = {}  # the last of the sessions of former runs
        self._unsent: dict[Spool, None] = {}  # whose records wait, in the order they came
        self._apart: set[str] = set()  # keys whose backlog is sent beside their live session
        self._past = {"acked": 0, "resent": 0, "lost_samples": 0}  # of sessions that are over
        self._drift = Drift()
        self._ping_ns = self._look_ns = self._commit_ns = 0
        self._heard_ns = -HEARD_NS
        self.welcome: dict[str, Any] = {}
        self.sent_records = 0
        for stored in self._store.left if self._store is not None else ():
            assert self._store is not None
            self._ends[stored.opened.key] = stored
            if stored.n:
                former = Spool.restore(stored, room, self._store, self._home)
                self._by_key.setdefault(stored.opened.key, []).append(former)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(
        self,
        key: str,
        kind: str,
        fs_hz: float | Fraction | None,
        channels: int | Sequence[Channel] = 1,
        dtype: str = "f32",
        meta: Mapping[str, Any] | None = None,
    ) -> int:
        """Declare a stream and return its number, for `send`.

        key      : site/subject/device/signal
        kind     : ecg, ppg or face
        fs_hz    : Hz; None: each sample carries its time
        channels : how many, or their labels, units, scales and offsets
        dtype    : i16, i32, f32 or f64, of the values on the wire

        Errors: ParameterError
        """
        known = tuple(Channel() for _ in range(channels)) if isinstance(channels, int) else tuple(channels)
        if dtype not in wire.DTYPE_NAMES:
            raise ParameterError(f"dtype is {dtype}; it must be one of {', '.join(wire.DTYPE_NAMES)}")
        rate = None if fs_hz is None else Fraction(fs_hz).limit_denominator(1_000_000)
        opened = Open(
            key, self.session, kind, rate, known, wire.DTYPE_NAMES[dtype],
            ack=self._ack, resume=self._resume, meta=meta,
        )  # fmt: skip
        try:
            maps.read_open(maps.unpack(maps.write_open(opened)))
        except ProtocolError as error:
            raise ParameterError(str(error)) from None
        if any(spool.opened.key == key for spool in self._spools):
            raise ParameterError(f"{key} is open already")
        spool = Spool(opened, self._room, self._store, link=self._home)
        before = self._ends.get(key)
        if before is not None and not before.ended:
            spool.base, spool.since_ns, spool.start = before.base + before.next_index, before.end_ns, 1
        self._by_key.setdefault(key, []).append(spool)
        self._spools.append(spool)
        self._ask(spool, time.monotonic_ns())
        return len(self._spools) - 1

    def send(
        self,
        stream: int,
        values: ArrayLike,
        sample_index: int | None = None,
        t0_ns: int = 0,
        times: NDArray[np.int64] | None = None,
        flags: int = 0,
    ) -> int:
        """Send the next samples; return how many older ones were lost because the engine is away for too long.

        values       : as on the wire, before scale and offset, [n, n_channels] or [n]
        sample_index : of the first, counted from this gateway's start; by default the next one. What lies between is
                       told as a gap
        t0_ns        : time of the first, ns since the Unix epoch; 0: none
        times        : of each sample where the rate varies, ns, [n]

        Errors: ParameterError for values that don't fit the stream; ProtocolError where the engine refuses the stream.
        """
        spool = self._spools[stream]
        x = self._values(spool, values)
        if (times is None) != (spool.opened.rate is not None) or (times is not None and len(times) != len(x)):
            raise ParameterError(f"{spool.opened.key} needs {'no times' if spool.opened.rate else 'a time a sample'}")
        if spool.since_ns and len(x):
            self._bridge(spool, t0_ns if times is None else int(times[0]), len(x))
        at = max(spool.next_index, spool.start)
        index = at if sample_index is None else sample_index + spool.shift
        if index < at:
            raise ParameterError(f"sample_index is {sample_index}; {spool.opened.key} is at {at - spool.shift} already")
        most = max(1, (wire.MAX_RECORD >> 4) // (x.shape[1] * x.itemsize + 8))
        lost = 0
        for a in range(0, len(x), most):
            part = x[a : a + most]
            t_ns = t0_ns if times is None else int(times[a])
            if a and times is None and t0_ns and spool.opened.rate:
                t_ns = t0_ns + int(a * 1_000_000_000 / spool.opened.rate)
            stamps = None if times is None else times[a : a + most]
            session = spool.opened.session
            lost += spool.put(
                Record(wire.DATA, session, 0, 0, index + a, part, t_ns, stamps, flags if a == 0 else flags & ~2)
            )
        self._unsent[spool] = None
        self._pump(spool)
        if self._store is not None and time.monotonic_ns() - self._commit_ns > COMMIT_NS:
            self._commit()
        return lost

    def send_many(
        self, streams: Sequence[int], values: NDArray[np.generic], t0_ns: int | NDArray[np.int64] = 0
    ) -> None:
        """Send the next n samples of each of k streams of the same shape and rate, spelled in one call.

        values : [k, n, n_channels], in the streams' dtype
        t0_ns  : time of the first sample, of all or of each
        """
        spools = [self._spools[stream] for stream in streams]
        k, n, n_channels = values.shape
        payload = np.ascontiguousarray(values).reshape(k, -1).view(np.uint8)
        length = wire.RECORD.size + payload.shape[1] + -payload.shape[1] % 8
        link = spools[0].link if spools else None
        together = len(self._links) == 1 or all(spool.link is link for spool in spools)
        if not together or not all(spool.fits(length) for spool in spools):
            stamps = np.broadcast_to(np.asarray(t0_ns), k).tolist()
            for i, stream in enumerate(streams):
                self.send(stream, values[i], t0_ns=stamps[i])
            return
        if link is None:
            return
        fields = np.zeros((k, 5), np.int64)
        fields[:, 0] = [spool.handle for spool in spools]
        fields[:, 1] = [spool.next_seq for spool in spools]
        fields[:, 2] = [spool.next_index for spool in spools]
        fields[:, 3] = t0_ns
        block = np.zeros(k * length, np.uint8)
        words, halves = block.view(np.int64), block.view(np.uint32)
        dtype = wire.dtype_code(values.dtype)
        spell.step(CRC_SLICES, fields, self.session, n, n_channels, dtype, payload, words, halves, block)
        whole = memoryview(block.tobytes())
        now_ns = time.monotonic_ns()
        for i, spool in enumerate(spools):
            spool.post(whole[i * length : (i + 1) * length], n, now_ns)
        if self._store is not None:
            self._commit()
        each = min(self._pack, wire.MAX_MESSAGE // length)
        for a in range(0, k, each):
            link.post(whole[a * length : (a + each) * length])
        self.sent_records += k

    def end(self, stream: int) -> None:
        """Tell that a stream ends; no sample of it can follow in this session."""
        spool = self._spools[stream]
        if not spool.ended:
            self._end(spool)
            self._pump(spool)
            self.flush()

    def end_all(self) -> None:
        """Tell that every stream ends."""
        for stream in range(len(self._spools)):
            self.end(stream)

    def flush(self) -> None:
        """Send the records that wait for others to share a message with."""
        if self._store is not None:
            self._commit()
        for link in self._links:
            link.flush()

    def poll(self, timeout_ms: int = 0) -> bool:
        """Hear what the engine says, open again what it has forgotten, send what credit allows; tell if it said any.

        timeout_ms : how long to wait for the engine to say something
        """
        self.flush()
        ready = dict(self._poller.poll(timeout_ms))
        for link in self._links:
            if link.socket not in ready:
                continue
            for _ in range(MAX_RECEIVED):
                try:
                    message = link.socket.recv(zmq.NOBLOCK)
                except zmq.Again:
                    break
                self._hear(link, message)
        now_ns = time.monotonic_ns()
        if now_ns > self._look_ns:
            self._look_ns = now_ns + _about(LOOK_NS)
            self._look_after(now_ns)
        for spool in list(self._unsent):
            self._pump(spool)
        self.flush()
        return bool(ready)

    def drain(self, timeout_s: float = 10.0) -> bool:
        """Poll until everything is acknowledged; tell whether it is."""
        end = time.monotonic() + timeout_s
        while any(not s.empty for s in self._all() if not s.error) and time.monotonic() < end:
            self.poll(10)
        return all(s.empty for s in self._all())

    def use_keys(self, keys: Keys) -> None:
        """Connect anew with another key pair, which the engine knows by now; what is not acknowledged is sent again."""
        self._keys = keys
        for link in self._links:
            self._poller.unregister(link.socket)
            link.socket.close()
            link.socket = self._connect(link.endpoint)
            self._lost_touch(link, time.monotonic_ns())

    def close(self) -> None:
        """Close the connection; what is not acknowledged is lost, unless there is a spool for the next run."""
        for link in self._links:
            link.socket.close()
        self._links = []
        self._context.term()
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def counters(self) -> dict[str, int]:
        """Count records sent, acknowledged and sent again, records still held, and samples lost.

        degraded : 1 while the file of the spool can't be written
        """
        spools = self._all()
        return {
            "sent": self.sent_records,
            "acked": self._past["acked"] + sum(s.acked_records for s in spools),
            "resent": self._past["resent"] + sum(s.resent_records for s in spools),
            "held": sum(s.n_records for s in spools),
            "lost_samples": self._past["lost_samples"] + sum(s.lost_samples for s in spools),
            "degraded": int(self._store is not None and bool(self._store.error)),
        }

    @property
    def errors(self) -> dict[str, str]:
        """Name the streams that the engine refuses, and why."""
        return {spool.opened.key: spool.error for spool in self._all() if spool.error}

    @property
    def spool_error(self) -> str:
        """Tell what is wrong with the file of the spool; empty while it is fine."""
        return "" if self._store is None else self._store.error

    @property
    def set_aside(self) -> str:
        """Name the file that a damaged spool was set aside as; empty if there was none."""
        return "" if self._store is None else self._store.set_aside

    @property
    def room_used(self) -> float:
        """Tell how full the fullest stream is, 0 to 1: at 1 samples are lost."""
        return max((spool.held / spool.room for spool in self._all()), default=0.0)

    @property
    def connected(self) -> bool:
        """Tell whether an engine has been heard in the last five seconds."""
        return time.monotonic_ns() - self._heard_ns < HEARD_NS

    @property
    def clock_offset_ns(self) -> int | None:
        """The engine's clock minus ours, from the quickest of the last round trips; None before the first."""
        return self._drift.offset_ns

    @property
    def clock_drift_ppm(self) -> float | None:
        """How much faster the engine's clock runs than ours, in millionths; None in the first ten minutes."""
        return self._drift.ppm

    def is_open(self, stream: int) -> bool:
        """Tell whether the engine has opened a stream."""
        return self._spools[stream].handle > 0

    def _all(self) -> list[Spool]:
        return [spool for sessions in self._by_key.values() for spool in sessions]

    def _values(self, spool: Spool, values: ArrayLike) -> NDArray[np.generic]:
        if spool.error:
            raise ProtocolError(f"{spool.opened.key} is refused: {spool.error}")
        if spool.ended:
            raise ParameterError(f"{spool.opened.key} has ended")
        dtype = wire.DTYPES[spool.opened.dtype]
        try:
            x = np.ascontiguousarray(values).astype(dtype, casting="same_kind" if dtype.kind == "f" else "safe")
        except TypeError:
            raise ParameterError(
                f"{spool.opened.key} was opened for {dtype}; these are {np.asarray(values).dtype}"
            ) from None
        x = x[:, None] if x.ndim == 1 else x
        if x.ndim != 2 or x.shape[1] != len(spool.opened.channels):
            raise ParameterError(f"values of {spool.opened.key} are [n, {len(spool.opened.channels)}]; got {x.shape}")
        return x

    def _bridge(self, spool: Spool, first_ns: int, n: int) -> None:
        """Begin the first session of this run behind what was lost since the last: by the time between them."""
        rate = spool.opened.rate
        lost = 1  # of a variable rate nobody knows how many: the times tell how long
        if rate is not None:
            first_ns = first_ns or time.time_ns() - int(n * 1_000_000_000 / rate)
            lost = min(max(1, round((first_ns - spool.since_ns) * rate / 1_000_000_000)), MAX_LOST)
        spool.start = spool.shift = lost
        spool.lost_samples += lost
        spool.since_ns = 0

    def _split(self, spool: Spool) -> None:
        """Let what is measured from now on begin a new session, before what waits is sent."""
        self._last_session = max(time.time_ns(), self._last_session + 1)
        if self._store is not None:
            self._store.note(self._last_session)
        behind = spool.next_index - spool.oldest[1]
        opened = replace(spool.opened, session=self._last_session)
        new = Spool(opened, self._room, self._store, base=spool.base + spool.oldest[1], link=spool.link)
        new.start, new.shift = behind, behind - spool.next_index + spool.shift
        spool.former = True
        self._spools[self._spools.index(spool)] = new
        self._by_key[opened.key].append(new)

    def _go_apart(self, spool: Spool, now_ns: int) -> None:
        """Open the live session of a key before its backlog."""
        sessions = self._by_key[spool.opened.key]
        self._apart.add(spool.opened.key)
        if not spool.former:
            self._split(spool)
        for older in sessions[:-1]:
            if not older.ended:  # so that the engine lets go of it
                self._end(older)
        self._ask(sessions[-1], now_ns)
        self._ask(spool, now_ns)

    def _end(self, spool: Spool) -> None:
        nothing = np.empty((0, len(spool.opened.channels)), wire.DTYPES[spool.opened.dtype])
        index = max(spool.next_index, spool.start)
        spool.put(Record(wire.END, spool.opened.session, 0, 0, index, nothing))
        self._unsent[spool] = None

    def _commit(self) -> None:
        assert self._store is not None  # whoever calls this has looked
        self._store.commit()
        self._commit_ns = time.monotonic_ns()

    def _pump(self, spool: Spool) -> None:
        link = spool.link
        assert link is not None  # every spool of a gateway has one
        while (record := spool.pull()) is not None:
            if not link.fits(len(record)):
                self.flush()
            self.sent_records += 1
            if link.add(record):
                self.flush()
        if spool.reopen:
            self._ask(spool, time.monotonic_ns())
        if not spool.waiting or not spool.handle:
            self._unsent.pop(spool, None)

    def _link(self, endpoint: str) -> Link:
        """Return the connection to an endpoint."""
        for link in self._links:
            if link.endpoint == endpoint:
                return link
        self._links.append(Link(self._connect(endpoint), endpoint, self._pack))
        return self._links[-1]

    def _connect(self, endpoint: str) -> "zmq.Socket[bytes]":
        socket = sockets.connect(self._context, zmq.DEALER, endpoint, False, self._server_key, self._keys)
        self._poller.register(socket, zmq.POLLIN)
        return socket

    def _turn(self, spool: Spool) -> bool:
        """Tell whether it is a session's turn to be open: the oldest that holds records, or it and the live one."""
        sessions = self._by_key[spool.opened.key]
        live = sessions[-1]
        if spool.opened.key not in self._apart or len(sessions) == 1:
            return spool is sessions[0]
        if spool is sessions[0] and live.handle:
            spool.opened = replace(spool.opened, backfill=True)
            return True
        return spool is live

    def _ask(self, spool: Spool, now_ns: int) -> None:
        assert spool.link is not None
        spool.link.by_handle.pop(spool.handle, None)
        spool.handle, spool.reopen = 0, False
        if not self._turn(spool):
            return
        seq, index = spool.oldest
        asked = spool.link.post(maps.write_open(replace(spool.opened, first_seq=seq, first_index=index)))
        spool.ask_ns = now_ns + _about(ASK_NS) if asked else 0

    def _look_after(self, now_ns: int) -> None:
        for sessions in list(self._by_key.values()):
            for spool in list(sessions):
                self._look_after_one(spool, now_ns)
        if now_ns - self._ping_ns > PING_NS or (
            self._drift.n_trips < ROUND_TRIPS and now_ns - self._ping_ns > ASK_NS // 10
        ):
            self._ping_ns = now_ns
            if not self.welcome:
                self._home.post(maps.pack("HELLO", client=self._client, versions=[maps.WIRE_VERSION]))
            self._home.post(maps.pack("PING", t1=time.time_ns()))

    def _look_after_one(self, spool: Spool, now_ns: int) -> None:
        if spool.former and spool.empty:
            self._retire(spool)
            return
        if self._keep_s < math.inf:
            spool.expire(self._by_key[spool.opened.key][-1].end_s - self._keep_s)
        silent = spool.sent and now_ns - spool.heard_ns > ASK_NS
        if spool.error or (spool.handle and not silent) or now_ns < spool.ask_ns:
            return
        if spool.link is not self._home and now_ns - spool.heard_ns > AWAY_NS:
            self._move(spool, self._home)  # which knows better by now, or has the stream itself
        self._ask(spool, now_ns)

    def _retire(self, spool: Spool) -> None:
        """Forget a session that is over and acknowledged."""
        sessions = self._by_key[spool.opened.key]
        sessions.remove(spool)
        if len(sessions) <= 1:
            self._apart.discard(spool.opened.key)
        if not sessions:
            del self._by_key[spool.opened.key]
        if spool.link is not None:
            spool.link.by_handle.pop(spool.handle, None)
        self._unsent.pop(spool, None)
        self._past["acked"] += spool.acked_records
        self._past["resent"] += spool.resent_records
        self._past["lost_samples"] += spool.lost_samples
        for next_ in sessions:
            next_.ask_ns = 0  # it may be its turn

    def _move(self, spool: Spool, link: Link) -> None:
        if spool.link is not None:
            spool.link.by_handle.pop(spool.handle, None)
        spool.link, spool.handle, spool.heard_ns = link, 0, time.monotonic_ns()

    def _hear(self, link: Link, message: bytes) -> None:
        self._heard_ns = now_ns = time.monotonic_ns()
        try:
            if maps.is_map(message):
                self._hear_map(link, maps.unpack(message), now_ns)
            else:
                for ack in wire.decode_acks(message):
                    self._hear_ack(link, ack, now_ns)
        except ProtocolError:
            return  # what is not understood is not answered; what matters is said again

    def _hear_ack(self, link: Link, ack: wire.Ack, now_ns: int) -> None:
        session, stream, next_seq, records, size, code = ack
        spool = link.by_handle.get(stream)
        if spool is None:
            return
        if session != spool.opened.session or code == _NOT_OPEN:
            self._lost_touch(link, now_ns)
            return
        spool.heard_ns = now_ns
        spool.credit_records, spool.credit_bytes = records, size
        if code in (0, _SHUTTING_DOWN, _STORAGE):
            spool.acknowledge(next_seq)
        elif code in (Code.SEQ_GAP, Code.NO_CREDIT):
            spool.rewind(next_seq, now_ns)
        elif code in (Code.STALE_SESSION, Code.FORBIDDEN):
            self._refused(spool, code, Code(code).name)
        else:
            spool.give_up(next_seq, now_ns, at_once=code != Code.BAD_FRAME)
        if spool.former and spool.empty:
            self._retire(spool)
        elif not spool.empty:
            self._unsent[spool] = None

    def _hear_map(self, link: Link, fields: dict[str, Any], now_ns: int) -> None:
        type_ = fields["type"]
        if type_ == "WELCOME":
            self.welcome = fields
        elif type_ == "PONG":
            t4 = time.time_ns()
            t1, t2, t3 = (maps.integer(fields, name, -(1 << 63), (1 << 63) - 1) for name in ("t1", "t2", "t3"))
            self._drift.add(t1, t2, t3, t4)
        spool = self._meant(link, fields)
        if spool is None:
            return
        if type_ == "ERR":
            # a full engine may take the stream later; one that can't be analysed is not asked for again
            if fields.get("code") != Code.FULL:
                self._refused(spool, fields.get("code"), maps.text(fields, "message"))
        elif type_ == "REDIRECT":
            spool.redirects += 1
            follow = spool.redirects <= MAX_REDIRECTS
            try:
                self._move(spool, self._link_to(maps.text(fields, "endpoint")) if follow else self._home)
            except ParameterError as error:
                raise ProtocolError(str(error)) from None
            spool.ask_ns = 0 if follow else now_ns + _about(ASK_NS)
            if follow:
                self._ask(spool, now_ns)
            else:
                spool.redirects = 0
        elif type_ in ("OPEN_OK", "CREDIT"):
            credit = fields.get("credit")
            if not isinstance(credit, list) or len(credit) != 2:
                raise ProtocolError("credit must be [records, bytes]")
            pair = {"records": credit[0], "bytes": credit[1]}
            spool.credit_records = maps.integer(pair, "records", 1, 1 << 31)
            spool.credit_bytes = maps.integer(pair, "bytes", 1, 1 << 40)
            spool.heard_ns = now_ns
            if type_ == "OPEN_OK":
                self._opened(spool, link, fields, now_ns)
            if not spool.empty:
                self._unsent[spool] = None

    def _meant(self, link: Link, fields: dict[str, Any]) -> Spool | None:
        """Find the session that an answer is about: the one it names, or the one that was asked for last."""
        sessions = [s for s in self._by_key.get(str(fields.get("key")), ()) if s.link is link]
        if "session" in fields:
            sessions = [s for s in sessions if s.opened.session == fields["session"]]
        return next((s for s in reversed(sessions) if not s.handle), sessions[-1] if sessions else None)

    def _opened(self, spool: Spool, link: Link, fields: dict[str, Any], now_ns: int) -> None:
        handle = maps.integer(fields, "stream", 1, (1 << 32) - 1)
        next_seq = maps.integer(fields, "next_seq", 0, (1 << 63) - 1)
        spool.granted = maps.text(fields, "ack", "received"), maps.text(fields, "resume", "in_order")
        spool.redirects = 0
        link.by_handle.pop(spool.handle, None)
        spool.handle = handle
        link.by_handle[handle] = spool
        spool.rewind(next_seq, now_ns, again=True)
        if self._keeps_waiting(spool):
            self._go_apart(spool, now_ns)
        elif spool.former and spool.empty:
            self._retire(spool)
        elif not spool.former:
            for older in self._by_key[spool.opened.key][:1]:
                older.ask_ns = 0  # the live session is open: the backlog may be

    def _keeps_waiting(self, spool: Spool) -> bool:
        """Tell whether so much waits that what is measured now should not wait behind it."""
        live = self._by_key[spool.opened.key][-1]
        if spool.granted[1] != "live_first" or spool.opened.backfill or live.former or live.ended:
            return False
        behind = live.base + live.next_index - spool.base - spool.oldest[1]
        return behind > LIVE_FIRST_S * float(spool.opened.rate or FRAMES_HZ)

    def _link_to(self, endpoint: str) -> Link:
        if len(self._links) >= MAX_LINKS:
            raise ProtocolError(f"this gateway has {MAX_LINKS} connections already")
        return self._link(endpoint)

    def _refused(self, spool: Spool, code: object, why: str) -> None:
        """Note that the engine does not take a session; what is left of a former one is lost if it never will."""
        if spool.former and code in _NEVER:
            spool.lost_samples += spool.next_index - spool.oldest[1]
            self._retire(spool)
            if self._store is not None:
                self._store.finish(spool.number)
        else:
            spool.error = why

    def _lost_touch(self, link: Link, now_ns: int) -> None:
        """Open every stream of a connection again: handles are valid on one connection only."""
        link.by_handle = {}
        for spool in self._all():
            if spool.link is link and spool.handle and not spool.error:
                self._ask(spool, now_ns)


def _about(ns: int) -> int:
    """Return a time by chance between half and one and a half of another: a thousand gateways don't ask at once."""
    return random.randint(ns // 2, ns + ns // 2)
