"""The client that pipes samples in: it holds what is not acknowledged, keeps to its credit and finds its way back."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitalcore.errors import ParameterError, ProtocolError
from vitalcore.kernels.wire import spell
from vitalcore.kernels.wire.records import CRC_SLICES
from vitalcore.streams.gateway.courier import HEARD_NS, Courier
from vitalcore.streams.gateway.spool import Spool
from vitalcore.streams.gateway.store import Store, Stored
from vitalcore.streams.protocol import maps, sockets, wire
from vitalcore.streams.protocol.keys import Keys
from vitalcore.streams.protocol.maps import Channel, Open
from vitalcore.streams.protocol.wire import Record

COMMIT_NS = 50_000_000
MAX_LOST = 1 << 50  # samples that one GAP may bridge


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
        self._pack, self._room, self._ack, self._resume = pack, room, ack, resume
        self._courier = Courier(address, pack, client, keep_s, server_key, keys, self._split)
        self._store: Store | None = None
        if spool is not None:
            try:
                self._store = self._courier.store = Store(spool, synchronous)
                session = self._store.begin(session)
            except ParameterError:
                self.close()
                raise
        self.session = time.time_ns() if session is None else session
        self._last_session = self.session
        self._spools: list[Spool] = []  # the session of each stream that takes samples now, by its number
        self._ends: dict[str, Stored] = {}  # the last of the sessions of former runs
        if self._store is not None:
            for stored in self._store.left:
                self._ends[stored.opened.key] = stored
                if stored.n:
                    former = Spool.restore(stored, room, self._store, self._courier.home)
                    self._courier.by_key.setdefault(stored.opened.key, []).append(former)

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
        spool = Spool(opened, self._room, self._store, link=self._courier.home)
        before = self._ends.get(key)
        if before is not None and not before.ended:
            spool.base, spool.since_ns, spool.start = before.base + before.next_index, before.end_ns, 1
        self._courier.by_key.setdefault(key, []).append(spool)
        self._spools.append(spool)
        self._courier.ask(spool, time.monotonic_ns())
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

        Errors: ParameterError for values that don't fit the stream; ProtocolError where the engine refuses the stream
        for good.
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
        self._courier.unsent[spool] = None
        self._courier.pump(spool)
        if self._store is not None and time.monotonic_ns() - self._courier.commit_ns > COMMIT_NS:
            self._courier.commit()
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
        session = spools[0].opened.session if spools else 0
        together = len(self._courier.links) == 1 or all(spool.link is link for spool in spools)
        if self._last_session != self.session:  # some streams have gone on in another
            together = together and all(spool.opened.session == session for spool in spools)
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
        spell.step(CRC_SLICES, fields, session, n, n_channels, dtype, payload, words, halves, block)
        whole = memoryview(block.tobytes())
        now_ns = time.monotonic_ns()
        for i, spool in enumerate(spools):
            spool.post(whole[i * length : (i + 1) * length], n, now_ns)
        self._courier.commit()
        each = min(self._pack, wire.MAX_MESSAGE // length)
        for a in range(0, k, each):
            link.post(whole[a * length : (a + each) * length])
        self._courier.sent_records += k

    def end(self, stream: int) -> None:
        """Tell that a stream ends; no sample of it can follow in this session."""
        spool = self._spools[stream]
        if not spool.ended:
            spool.end()
            self._courier.unsent[spool] = None
            self._courier.pump(spool)
            self.flush()

    def end_all(self) -> None:
        """Tell that every stream ends."""
        for stream in range(len(self._spools)):
            self.end(stream)

    def drain(self, timeout_s: float = 10.0) -> bool:
        """Poll until everything is acknowledged; tell whether it is."""
        end = time.monotonic() + timeout_s
        while any(not s.empty for s in self._courier.all() if not s.error) and time.monotonic() < end:
            self.poll(10)
        return all(s.empty for s in self._courier.all())

    def flush(self) -> None:
        """Send the records that wait for others to share a message with."""
        self._courier.flush()

    def poll(self, timeout_ms: int = 0) -> bool:
        """Hear what the engine says, open again what it has forgotten, send what credit allows; tell if it said any.

        timeout_ms : how long to wait for the engine to say something
        """
        return self._courier.poll(timeout_ms)

    def use_keys(self, keys: Keys) -> None:
        """Connect anew with another key pair, which the engine knows by now; what is not acknowledged is sent again."""
        self._courier.use_keys(keys)

    def close(self) -> None:
        """Close the connection; what is not acknowledged is lost, unless there is a spool for the next run."""
        self._courier.close()
        self._store = None

    @property
    def counters(self) -> dict[str, int]:
        """Count records sent, acknowledged and sent again, records still held, and samples lost.

        degraded : 1 while the file of the spool can't be written
        """
        spools = self._courier.all()
        return {
            "sent": self._courier.sent_records,
            "acked": self._courier.past["acked"] + sum(s.acked_records for s in spools),
            "resent": self._courier.past["resent"] + sum(s.resent_records for s in spools),
            "held": sum(s.n_records for s in spools),
            "lost_samples": self._courier.past["lost_samples"] + sum(s.lost_samples for s in spools),
            "degraded": int(self._store is not None and bool(self._store.error)),
        }

    @property
    def welcome(self) -> dict[str, Any]:
        """What the engine has said of itself."""
        return self._courier.welcome

    @property
    def errors(self) -> dict[str, str]:
        """Name the streams that the engine refuses, and why: for good or, for want of a right, until it is given.

        The latter are asked for again every 15 to 45 s, and what is measured meanwhile is held.
        """
        return {spool.opened.key: spool.error for spool in self._courier.all() if spool.error}

    @property
    def refused(self) -> dict[str, str]:
        """Name the streams that the engine refuses for good, and why."""
        return {spool.opened.key: spool.error for spool in self._courier.all() if spool.refused}

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
        return max((spool.held / spool.room for spool in self._courier.all()), default=0.0)

    @property
    def connected(self) -> bool:
        """Tell whether an engine has been heard in the last five seconds."""
        return time.monotonic_ns() - self._courier.heard_ns < HEARD_NS

    @property
    def clock_offset_ns(self) -> int | None:
        """The engine's clock minus ours, from the quickest of the last round trips; None before the first."""
        return self._courier.drift.offset_ns

    @property
    def clock_drift_ppm(self) -> float | None:
        """How much faster the engine's clock runs than ours, in millionths; None in the first ten minutes."""
        return self._courier.drift.ppm

    def is_open(self, stream: int) -> bool:
        """Tell whether the engine has opened a stream."""
        return self._spools[stream].handle > 0

    def _values(self, spool: Spool, values: ArrayLike) -> NDArray[np.generic]:
        if spool.refused:
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
        if self._last_session <= spool.opened.session:  # streams that come back together share one
            self._last_session = max(time.time_ns(), self._last_session + 1)
            if self._store is not None:
                self._store.note(self._last_session)
        behind = spool.next_index - spool.oldest[1]
        backlog = spool.opened.session, spool.oldest[1], spool.next_index
        opened = replace(spool.opened, session=self._last_session, backlog=backlog)
        new = Spool(opened, self._room, self._store, base=spool.base + spool.oldest[1], link=spool.link)
        new.start, new.shift = behind, behind - spool.next_index + spool.shift
        spool.former = True
        self._spools[self._spools.index(spool)] = new
        self._courier.by_key[opened.key].append(new)
