"""A gateway of thousands of streams that does nothing beside: it spells, sends and counts, and keeps to its credit."""

import time
from fractions import Fraction
from types import TracebackType
from typing import Self

import numpy as np
import zmq
from numpy.typing import NDArray

from vitalcore.kernels.wire import spell
from vitalcore.kernels.wire.records import CRC_SLICES
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.maps import Channel, Open

ACK = np.dtype(
    [("head", "V8"), ("session", "<u8"), ("stream", "<u4"), ("credit", "<u4"), ("next_seq", "<u8"), ("rest", "V8")]
)


class Load:
    """Open n streams of one channel in i16 on one connection, ward/p0/m/KIND and so on, and send chunks of them.

    pack : records to a message
    ack  : what an acknowledgement shall survive
    """

    def __init__(
        self, endpoint: str, n: int, pack: int, fs_hz: int, lsb_mv: float, kind: str = "ecg", ack: str = "received"
    ) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.set(zmq.LINGER, 0)
        self._socket.set(zmq.SNDHWM, 0)
        self._socket.connect(endpoint)
        self._session, self._pack = time.time_ns(), pack
        self._fields = np.zeros((n, 5), np.int64)  # handle, seq, sample_index, t0_ns, flags
        self._acked = np.zeros(n, np.int64)
        self._credit = np.zeros(n, np.int64)  # records
        self._of: dict[int, int] = {}
        channel = (Channel("II", "mV", lsb_mv) if kind == "ecg" else Channel("pleth", "", lsb_mv),)
        self._ack = ack
        for i in range(n):
            key = f"ward/p{i}/m/{kind}"
            opened = Open(key, self._session, kind, Fraction(fs_hz), channel, 1, ack=ack)
            self._socket.send(maps.write_open(opened))
            if i % 256 == 255 or i == n - 1:
                self._hear_opened(i + 1)
        self._places = np.zeros(1 + max(handle & 0xFFFF for handle in self._of), np.int64)
        for handle, i in self._of.items():
            self._places[handle & 0xFFFF] = i  # the lower half of a handle tells streams of one engine apart

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.destroy(0)

    def room(self, streams: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which streams have credit for another record."""
        has: NDArray[np.bool_] = self._fields[streams, 1] - self._acked[streams] < self._credit[streams]
        return has

    def send(self, streams: NDArray[np.int64], values: NDArray[np.int16], t0_ns: NDArray[np.int64]) -> None:
        """Send the next n samples of each of k streams that have room.

        values : [k, n, 1]
        t0_ns  : of the first of them, [k]
        """
        k, n, _ = values.shape
        fields = self._fields[streams]
        fields[:, 3] = t0_ns
        payload = np.ascontiguousarray(values).reshape(k, -1).view(np.uint8)
        length = wire.RECORD.size + payload.shape[1] + -payload.shape[1] % 8
        block = np.zeros(k * length, np.uint8)
        words, halves = block.view(np.int64), block.view(np.uint32)
        spell.step(CRC_SLICES, fields, self._session, n, 1, 1, payload, words, halves, block)
        self._fields[streams, 1] += 1
        self._fields[streams, 2] += n
        whole = block.tobytes()
        for at in range(0, len(whole), self._pack * length):
            self._socket.send(whole[at : at + self._pack * length])

    def hear(self) -> None:
        """Take the acknowledgements that have come."""
        while self._socket.poll(0):
            message = self._socket.recv()
            if maps.is_map(message):
                raise RuntimeError(f"the engine says {maps.unpack(message)}")
            acks = np.frombuffer(message, ACK)
            which = self._places[acks["stream"] & 0xFFFF]
            self._acked[which], self._credit[which] = acks["next_seq"], acks["credit"]

    def missing(self, timeout_s: float = 5.0) -> int:
        """Wait until all is acknowledged; count the records that are not."""
        end = time.monotonic() + timeout_s
        while (left := int((self._fields[:, 1] - self._acked).sum())) and time.monotonic() < end:
            time.sleep(0.01)
            self.hear()
        return left

    def _hear_opened(self, n: int) -> None:
        while len(self._of) < n:
            if not self._socket.poll(10_000):
                raise RuntimeError(f"the engine opened {len(self._of)} of {n} streams")
            message = self._socket.recv()
            if maps.is_map(message):
                answer = maps.unpack(message)
                if answer["type"] != "OPEN_OK":
                    raise RuntimeError(f"the engine says {answer}")
                if answer["ack"] != self._ack:
                    raise RuntimeError(f"acknowledgements are to be {self._ack}; the engine gives {answer['ack']}")
                i = int(str(answer["key"]).split("/")[1][1:])
                self._of[int(answer["stream"])] = i
                self._fields[i, 0], self._credit[i] = answer["stream"], answer["credit"][0]
