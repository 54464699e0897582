"""The client that pipes samples in: it holds what is not acknowledged, keeps to its credit and finds its way back."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import numpy as np
import zmq
from numpy.typing import ArrayLike, NDArray

from vitalcore.errors import ParameterError, ProtocolError
from vitalcore.kernels import spell
from vitalcore.kernels.records import CRC_SLICES
from vitalcore.streams import maps, sockets, wire
from vitalcore.streams.maps import Channel, Open
from vitalcore.streams.spool import Spool
from vitalcore.streams.wire import Code, Record

ASK_NS = 1_000_000_000  # an OPEN without an answer is repeated, a silent engine is asked again
PING_NS = 2_000_000_000
ROUND_TRIPS = 8  # the clock offset is that of the quickest
_NOT_OPEN, _SHUTTING_DOWN = int(Code.NOT_OPEN), int(Code.SHUTTING_DOWN)  # compared once an acknowledgement
MAX_RECEIVED = 4096  # messages worked on by one poll


class Gateway:
    """Send streams to an engine.

    address : ingest endpoint of the engine
    session : producer epoch of all streams, strictly larger at each start; by default the time in ns
    pack    : records to a message; they wait for `poll` or `flush` until so many are there
    room    : bytes held of each stream while the engine is away; what is beyond is lost and told as a gap

    A gateway belongs to one thread, and nothing happens behind its back: `send` sends what credit allows, `poll` must
    be called now and then to hear acknowledgements. What is sent before the engine has answered waits.

    Errors: ParameterError
    """

    def __init__(
        self,
        address: str = sockets.INGEST,
        session: int | None = None,
        pack: int = 1,
        room: int = 1 << 24,
        client: str = "vitalcore",
    ) -> None:
        if not 1 <= pack <= wire.MAX_RECORDS:
            raise ParameterError(f"pack is {pack}; it must lie between 1 and {wire.MAX_RECORDS}")
        self.session = time.time_ns() if session is None else session
        self._pack, self._room, self._client = pack, room, client
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = sockets.connect(self._context, zmq.DEALER, address, queue=False)
        except ParameterError:
            self._context.term()
            raise
        self._spools: list[Spool] = []
        self._by_key: dict[str, Spool] = {}
        self._by_handle: dict[int, Spool] = {}
        self._unsent: dict[Spool, None] = {}  # whose records wait, in the order they came
        self._batch: list[bytes | memoryview] = []
        self._batch_bytes = 0
        self._trips: list[tuple[int, int]] = []  # round trip, offset
        self._ping_ns = 0
        self._looked_ns = 0
        self.welcome: dict[str, Any] = {}
        self.sent_records = 0

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
        opened = Open(key, self.session, kind, rate, known, wire.DTYPE_NAMES[dtype], meta=meta)
        try:
            maps.read_open(maps.unpack(maps.write_open(opened)))
        except ProtocolError as error:
            raise ParameterError(str(error)) from None
        if key in self._by_key:
            raise ParameterError(f"{key} is open already")
        spool = Spool(opened, self._room)
        self._by_key[key] = spool
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
        """Send the next samples; return how many were lost because the engine is away for too long.

        values       : as on the wire, before scale and offset, [n, n_channels] or [n]
        sample_index : of the first; by default the next one. What lies between is told as a gap
        t0_ns        : time of the first, ns since the Unix epoch; 0: none
        times        : of each sample where the rate varies, ns, [n]

        Errors: ParameterError for values that don't fit the stream; ProtocolError where the engine refuses the stream.
        """
        spool = self._spools[stream]
        x = self._values(spool, values)
        if (times is None) != (spool.opened.rate is not None) or (times is not None and len(times) != len(x)):
            raise ParameterError(f"{spool.opened.key} needs {'no times' if spool.opened.rate else 'a time a sample'}")
        index = spool.next_index if sample_index is None else sample_index
        if index < spool.next_index:
            raise ParameterError(f"sample_index is {index}; {spool.opened.key} is at {spool.next_index} already")
        most = max(1, (wire.MAX_RECORD >> 4) // (x.shape[1] * x.itemsize + 8))
        lost = 0
        for a in range(0, len(x), most):
            part = x[a : a + most]
            t_ns = t0_ns if times is None else int(times[a])
            if a and times is None and t0_ns and spool.opened.rate:
                t_ns = t0_ns + int(a * 1_000_000_000 / spool.opened.rate)
            stamps = None if times is None else times[a : a + most]
            held = spool.put(
                Record(wire.DATA, self.session, 0, 0, index + a, part, t_ns, stamps, flags if a == 0 else flags & ~2)
            )
            lost += 0 if held else len(part)
        self._unsent[spool] = None
        self._pump(spool)
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
        if not all(spool.fits(length) for spool in spools):
            stamps = np.broadcast_to(np.asarray(t0_ns), k).tolist()
            for i, stream in enumerate(streams):
                self.send(stream, values[i], t0_ns=stamps[i])
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
        each = min(self._pack, wire.MAX_MESSAGE // length)
        for a in range(0, k, each):
            self._post(whole[a * length : (a + each) * length])
        self.sent_records += k

    def end(self, stream: int) -> None:
        """Tell that a stream ends; no sample of it can follow in this session."""
        spool = self._spools[stream]
        if not spool.ended:
            nothing = np.empty((0, len(spool.opened.channels)), wire.DTYPES[spool.opened.dtype])
            spool.put(Record(wire.END, self.session, 0, 0, spool.next_index, nothing))
            self._unsent[spool] = None
            self._pump(spool)
            self.flush()

    def flush(self) -> None:
        """Send the records that wait for others to share a message with."""
        if self._batch:
            self._post(b"".join(self._batch))
            self._batch, self._batch_bytes = [], 0

    def poll(self, timeout_ms: int = 0) -> bool:
        """Hear what the engine says, open again what it has forgotten, send what credit allows; tell if it said any.

        timeout_ms : how long to wait for the engine to say something
        """
        self.flush()
        heard = bool(self._socket.poll(timeout_ms))
        if heard:
            for _ in range(MAX_RECEIVED):
                try:
                    message = self._socket.recv(zmq.NOBLOCK)
                except zmq.Again:
                    break
                self._hear(message)
        now_ns = time.monotonic_ns()
        if now_ns - self._looked_ns > ASK_NS // 4:
            self._looked_ns = now_ns
            self._look_after(now_ns)
        for spool in list(self._unsent):
            self._pump(spool)
        self.flush()
        return heard

    def drain(self, timeout_s: float = 10.0) -> bool:
        """Poll until everything is acknowledged; tell whether it is."""
        end = time.monotonic() + timeout_s
        while any(s.sent or s.waiting for s in self._spools if not s.error) and time.monotonic() < end:
            self.poll(10)
        return not any(s.sent or s.waiting for s in self._spools)

    def close(self) -> None:
        """Close the connection; what is not acknowledged is lost."""
        if not self._socket.closed:
            self._socket.close()
            self._context.term()

    @property
    def counters(self) -> dict[str, int]:
        """Count records sent, acknowledged and sent again, records still held, and samples lost."""
        spools = self._spools
        return {
            "sent": self.sent_records,
            "acked": sum(s.acked_records for s in spools),
            "resent": sum(s.resent_records for s in spools),
            "held": sum(len(s.sent) + len(s.waiting) for s in spools),
            "lost_samples": sum(s.lost_samples for s in spools),
        }

    @property
    def errors(self) -> dict[str, str]:
        """Name the streams that the engine refuses, and why."""
        return {spool.opened.key: spool.error for spool in self._spools if spool.error}

    @property
    def clock_offset_ns(self) -> int | None:
        """The engine's clock minus ours, from the quickest of the last round trips; None before the first."""
        return min(self._trips)[1] if self._trips else None

    def is_open(self, stream: int) -> bool:
        """Tell whether the engine has opened a stream."""
        return self._spools[stream].handle > 0

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

    def _pump(self, spool: Spool) -> None:
        while (record := spool.pull()) is not None:
            if self._batch_bytes + len(record) > wire.MAX_MESSAGE:
                self.flush()
            self._batch.append(record)
            self._batch_bytes += len(record)
            self.sent_records += 1
            if len(self._batch) >= self._pack:
                self.flush()
        if not spool.waiting:
            self._unsent.pop(spool, None)

    def _post(self, message: bytes | memoryview) -> bool:
        try:
            self._socket.send(message, zmq.NOBLOCK, copy=True)
        except zmq.Again:
            return False  # no connection, or it is full: what is not acknowledged is sent again
        return True

    def _ask(self, spool: Spool, now_ns: int) -> None:
        seq, index = spool.oldest
        self._by_handle.pop(spool.handle, None)
        spool.handle = 0
        asked = self._post(maps.write_open(replace(spool.opened, first_seq=seq, first_index=index)))
        spool.asked_ns = now_ns if asked else 0

    def _look_after(self, now_ns: int) -> None:
        for spool in self._spools:
            silent = spool.sent and now_ns - spool.heard_ns > ASK_NS
            if not spool.error and (not spool.handle or silent) and now_ns - spool.asked_ns > ASK_NS:
                self._ask(spool, now_ns)
        if now_ns - self._ping_ns > PING_NS or (
            len(self._trips) < ROUND_TRIPS and now_ns - self._ping_ns > ASK_NS // 10
        ):
            self._ping_ns = now_ns
            if not self.welcome:
                self._post(maps.pack("HELLO", client=self._client, versions=[maps.WIRE_VERSION]))
            self._post(maps.pack("PING", t1=time.time_ns()))

    def _hear(self, message: bytes) -> None:
        now_ns = time.monotonic_ns()
        try:
            if maps.is_map(message):
                self._hear_map(maps.unpack(message), now_ns)
            else:
                for ack in wire.decode_acks(message):
                    self._hear_ack(ack, now_ns)
        except ProtocolError:
            return  # what is not understood is not answered; what matters is said again

    def _hear_ack(self, ack: wire.Ack, now_ns: int) -> None:
        session, stream, next_seq, records, size, code = ack
        spool = self._by_handle.get(stream)
        if spool is None:
            return
        if session != self.session or code == _NOT_OPEN:
            self._lost_touch(now_ns)
            return
        spool.heard_ns = now_ns
        spool.credit_records, spool.credit_bytes = records, size
        if code in (0, _SHUTTING_DOWN):
            spool.acknowledge(next_seq)
        elif code in (Code.SEQ_GAP, Code.NO_CREDIT):
            spool.rewind(next_seq, now_ns)
        elif code in (Code.STALE_SESSION, Code.FORBIDDEN):
            spool.error = Code(code).name
        else:
            spool.give_up(next_seq, now_ns, at_once=code != Code.BAD_FRAME)
        if spool.waiting:
            self._unsent[spool] = None

    def _hear_map(self, fields: dict[str, Any], now_ns: int) -> None:
        type_ = fields["type"]
        spool = self._by_key.get(str(fields.get("key")))
        if type_ == "WELCOME":
            self.welcome = fields
        elif type_ == "PONG":
            t4 = time.time_ns()
            t1, t2, t3 = (maps.integer(fields, name, -(1 << 63), (1 << 63) - 1) for name in ("t1", "t2", "t3"))
            self._trips = [*self._trips, (t4 - t1 - (t3 - t2), (t2 - t1 + t3 - t4) // 2)][-ROUND_TRIPS:]
        elif type_ == "ERR" and spool is not None:
            # a full engine may take the stream later; one that can't be analysed is not asked for again
            if fields.get("code") != Code.FULL:
                spool.error = maps.text(fields, "message")
        elif type_ == "REDIRECT" and spool is not None:
            spool.error = f"another engine has this stream: {maps.text(fields, 'endpoint')}"
        elif type_ in ("OPEN_OK", "CREDIT") and spool is not None:
            credit = fields.get("credit")
            if not isinstance(credit, list) or len(credit) != 2:
                raise ProtocolError("credit must be [records, bytes]")
            pair = {"records": credit[0], "bytes": credit[1]}
            spool.credit_records = maps.integer(pair, "records", 1, 1 << 31)
            spool.credit_bytes = maps.integer(pair, "bytes", 1, 1 << 40)
            if type_ == "OPEN_OK":
                handle = maps.integer(fields, "stream", 1, (1 << 32) - 1)
                self._by_handle.pop(spool.handle, None)
                spool.handle = handle
                self._by_handle[spool.handle] = spool
                spool.rewind(maps.integer(fields, "next_seq", 0, (1 << 63) - 1), now_ns, again=True)
            spool.heard_ns = now_ns
            if spool.waiting:
                self._unsent[spool] = None

    def _lost_touch(self, now_ns: int) -> None:
        """Open every stream again: handles are valid on one connection only."""
        self._by_handle = {}
        for spool in self._spools:
            if spool.handle and not spool.error:
                self._ask(spool, now_ns)
