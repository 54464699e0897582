"""The scanning kernel against the plain decoder of `vitalcore.streams.protocol.wire` and against zlib."""

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.streams.frames import frame, names
from vitalcore.kernels.wire import records
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.wire import Code, Record, Refused

OWNER = 3
PROTOTYPE: dict[str, Any] = {
    "handle": 65536,
    "owner": OWNER,
    "session": 7,
    "n_channels": 1,
    "dtype": 1,
    "credit_records": 64,
    "credit_bytes": 1 << 18,
}


def open_streams(n: int = 2, **changes: int) -> NDArray[np.void]:
    streams = np.zeros(n, records.STREAM)
    for i in range(n):
        for name, value in (PROTOTYPE | changes).items():
            streams[i][name] = value
        streams[i]["handle"] = 65536 + i
        streams[i]["slot"] = i
    return streams


def buffer_of(messages: list[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    padded = [message + bytes(-len(message) % 8) for message in messages]
    ends = np.cumsum([0] + [len(message) for message in padded])
    starts = ends[:-1].astype(np.int64)
    stops = starts + np.array([len(message) for message in messages], np.int64)
    return np.frombuffer(b"".join(padded), np.uint8), starts, stops


def scan(
    streams: NDArray[np.void], messages: list[bytes], pauses: int = 1 << 30, owner: int = OWNER
) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
    data, starts, stops = buffer_of(messages)
    out = np.zeros(len(data) // 64 + len(messages) + 1, records.ROW)
    at = np.zeros(1, np.int64)
    owners = np.full(len(messages), owner, np.int64)
    views = data, data.view(np.int64), data.view(np.uint32), data.view(np.uint16)
    n = records.scan(records.CRC_SLICES, streams, *views, starts, stops, owners, pauses, at, out)
    return out[:n], data


def unpack(
    streams: NDArray[np.void], rows: NDArray[np.void], data: NDArray[np.uint8], n_columns: int = 1
) -> NDArray[np.float64]:
    which = np.flatnonzero((rows["code"] == 0) & (rows["kind"] == wire.DATA))
    x = np.zeros((int(rows["n"][which].sum()), n_columns))
    offsets = np.zeros(len(which) + 1, np.int64)
    scale = np.full((len(streams), n_columns), 2.0)
    integers = data.view(np.int64), data.view(np.int16), data.view(np.int32)
    floats = data.view(np.float32), data.view(np.float64)
    n = records.unpack(streams, scale, np.ones_like(scale), *integers, *floats, rows, which, x, offsets)
    assert n == len(x) == offsets[-1]
    return x


class Twin:
    """What `scan` says, said slowly: decoder, then rules, one stream at a time."""

    def __init__(self, streams: int) -> None:
        self.next_seq = [0] * streams
        self.next_index = [0] * streams
        self.held = [0] * streams
        self.ended = [False] * streams

    def read(self, message: bytes) -> list[int]:
        return [code for item in wire.decode_records(message) if (code := self._take(item)) is not None]

    def _take(self, item: Record | Refused) -> int | None:
        if isinstance(item, Refused):
            return int(item.code)
        i = item.stream - 65536
        if not 0 <= i < len(self.next_seq):
            return Code.NOT_OPEN
        if item.session != 7:
            return Code.STALE_SESSION if item.session < 7 else Code.NOT_OPEN
        if item.seq != self.next_seq[i]:
            return None if item.seq < self.next_seq[i] else Code.SEQ_GAP
        if self.ended[i]:
            return Code.NOT_OPEN
        if item.sample_index < self.next_index[i]:
            return Code.BAD_FRAME
        if item.kind == wire.DATA and (
            item.values.shape[1] != 1 or item.values.dtype != "<i2" or item.times is not None
        ):
            return Code.BAD_FRAME
        size = len(wire.encode_record(item))
        if self.next_seq[i] >= 64 or self.held[i] + size > 1 << 18:
            return Code.NO_CREDIT
        self.held[i] += size
        self.next_seq[i] += 1
        self.next_index[i] = item.sample_index + len(item.values)
        self.ended[i] = item.kind == wire.END
        return 0


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_the_checksum_is_zlibs(data: bytes, before: int) -> None:
    bytes_ = np.frombuffer(data, np.uint8)
    assert records.crc32(records.CRC_SLICES, bytes_, 0, len(data), before) == zlib.crc32(data, before)


def test_the_numbers_of_the_kernel_are_those_of_the_wire() -> None:
    for name in (
        "BAD_FRAME",
        "NOT_OPEN",
        "STALE_SESSION",
        "SEQ_GAP",
        "NO_CREDIT",
        "TOO_BIG",
        "UNKNOWN_KIND",
    ):
        assert getattr(records, name) == Code[name]
    for name in ("DATA", "GAP", "END", "DISCONTINUITY", "TIMES", "UNSYNCHRONISED", "MAX_RECORD", "MAX_RECORDS"):
        assert getattr(records, name) == getattr(wire, name)
    assert (records.MAX_CHANNELS, records.MAX_INDEX) == (wire.MAX_CHANNELS, wire.MAX_INDEX)
    assert struct.pack("<I", records.MAGIC) == wire.RECORD_MAGIC


@pytest.mark.parametrize("name", names("records"))
def test_a_golden_message_gets_the_codes_of_the_slow_twin(name: str) -> None:
    message = frame(name)
    rows, _ = scan(open_streams(), [message])
    assert rows["code"].tolist() == Twin(2).read(message)


@st.composite
def traffic(draw: st.DrawFn) -> list[bytes]:
    """Messages that mostly follow the rules, with all kinds of damage."""
    seqs, indices = [0, 0], [0, 0]
    messages = []
    for _ in range(draw(st.integers(1, 6))):
        message = b""
        for _ in range(draw(st.integers(0, 5))):
            i = draw(st.integers(0, 1))
            n = draw(st.integers(1, 9))
            kind = draw(st.sampled_from([1, 1, 1, 1, 2, 3, 9])) if draw(st.booleans()) else wire.DATA
            jump = draw(st.sampled_from([0, 0, 0, 0, 5, -1]))
            values = np.arange(n if kind == wire.DATA else 0, dtype="<i2")[:, None]
            if draw(st.integers(0, 19)) == 0:
                values = np.hstack([values, values])
            seq = max(0, seqs[i] + draw(st.sampled_from([0, 0, 0, 0, 0, 1, -1])))
            index = max(0, indices[i] + jump)
            session = draw(st.sampled_from([7] * 9 + [6, 8]))
            flags = draw(st.sampled_from([0] * 8 + [2, 4, 16]))
            message += wire.encode_record(
                Record(kind, session, 65536 + draw(st.sampled_from([i] * 12 + [5])), seq, index, values, 0, None, flags)
            )
            seqs[i], indices[i] = seq + 1, index + len(values)
        damage = draw(st.integers(0, 9))
        if damage == 0:
            message = message[: draw(st.integers(0, len(message)))]
        elif damage == 1 and message:
            at = draw(st.integers(0, len(message) - 1))
            message = message[:at] + draw(st.binary(min_size=1, max_size=1)) + message[at + 1 :]
        elif damage == 2:
            message += draw(st.binary(max_size=90))
        messages.append(message)
    return messages


@settings(max_examples=300, deadline=None)
@given(traffic())
def test_any_traffic_gets_the_codes_of_the_slow_twin(messages: list[bytes]) -> None:
    streams, twin = open_streams(), Twin(2)
    rows, _ = scan(streams, messages)
    assert rows["code"].tolist() == [code for message in messages for code in twin.read(message)]
    assert streams["next_seq"].tolist() == twin.next_seq
    assert streams["next_index"].tolist() == twin.next_index


@settings(max_examples=50, deadline=None)
@given(traffic())
def test_compiled_and_interpreted_scans_agree_bit_for_bit(messages: list[bytes]) -> None:
    data, starts, stops = buffer_of(messages)
    results = []
    with pytest.MonkeyPatch.context() as patch:
        for interpreted in (False, True):
            function = records.scan.py_func if interpreted else records.scan  # type: ignore[attr-defined]  # a dispatcher
            if interpreted:
                for name in ("crc32", "check", "accept"):
                    patch.setattr(records, name, getattr(records, name).py_func)
            streams, out = open_streams(), np.zeros(len(data) // 64 + len(messages) + 1, records.ROW)
            views = data, data.view(np.int64), data.view(np.uint32), data.view(np.uint16)
            owners, at = np.full(len(messages), OWNER), np.zeros(1, np.int64)
            n = function(records.CRC_SLICES, streams, *views, starts, stops, owners, 1 << 30, at, out)
            results.append((n, streams.tobytes(), out.tobytes()))
    assert results[0] == results[1]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_arbitrary_bytes_change_no_stream(messages: list[bytes]) -> None:
    streams = open_streams()
    before = streams.tobytes()
    rows, _ = scan(streams, messages)
    assert (rows["code"] != 0).all()
    assert streams.tobytes() == before


@pytest.mark.parametrize(("dtype", "code"), [("<i2", 1), ("<i4", 2), ("<f4", 3), ("<f8", 4)])
def test_values_become_physical_numbers_whatever_their_dtype(dtype: str, code: int) -> None:
    streams = open_streams(n_channels=3, dtype=code)
    values = np.array([[1, -2, 3], [4, 5, -6]], dtype)
    message = wire.encode_record(Record(wire.DATA, 7, 65536, 0, 0, values))
    rows, data = scan(streams, [b"\x00", message])
    np.testing.assert_array_equal(unpack(streams, rows, data, 3), values * 2.0 + 1.0)


def test_infinite_huge_and_nan_values_are_missing_samples() -> None:
    streams = open_streams(dtype=4)
    values = np.array([[np.inf], [-np.inf], [np.nan], [1.7e308], [3.0]])
    rows, data = scan(streams, [wire.encode_record(Record(wire.DATA, 7, 65536, 0, 0, values))])
    np.testing.assert_array_equal(unpack(streams, rows, data), [[np.nan], [np.nan], [np.nan], [np.nan], [7.0]])


def timed(seq: int, times: list[int]) -> bytes:
    values = np.zeros((len(times), 1), "<i2")
    return wire.encode_record(Record(wire.DATA, 7, 65536, seq, seq * 2, values, times[0], np.array(times)))


def test_times_count_from_the_first_sample_of_the_stream() -> None:
    streams = open_streams(timed=1)
    rows, data = scan(streams, [timed(0, [10**18, 10**18 + 33]), timed(1, [10**18 + 66, 10**18 + 99])])
    assert rows["code"].tolist() == [0, 0]
    assert unpack(streams, rows, data, 2)[:, 0].tolist() == [0.0, 33.0, 66.0, 99.0]


@pytest.mark.parametrize(
    "second", [[10**18, 10**18 + 1], [10**18 + 5, 10**18 + 4], [-(2**63), 2**63 - 1], [2**63 - 2, 2**63 - 1]]
)
def test_times_that_stand_still_run_back_or_leave_the_range_are_refused(second: list[int]) -> None:
    streams = open_streams(timed=1)
    rows, _ = scan(streams, [timed(0, [10**18 - 1, 10**18]), timed(1, second)])
    assert rows["code"].tolist() == [0, Code.BAD_FRAME]
    assert streams[0]["next_seq"] == 1


def test_another_connection_can_not_write_to_a_stream() -> None:
    streams = open_streams()
    rows, _ = scan(streams, [frame("data_i16")], owner=OWNER + 1)
    assert rows["code"].tolist() == [Code.NOT_OPEN]


def test_a_duplicate_is_owed_an_acknowledgement_and_not_taken() -> None:
    streams = open_streams()
    rows, _ = scan(streams, [frame("data_i16"), frame("data_i16")])
    assert rows["code"].tolist() == [0]
    assert (streams[0]["duplicates"], streams[0]["due"], streams[0]["next_seq"]) == (1, 1, 1)


def test_a_jump_of_the_index_is_counted_as_an_undeclared_gap() -> None:
    streams = open_streams()
    jump = wire.encode_record(Record(wire.DATA, 7, 65536, 0, 100, np.ones((2, 1), "<i2")))
    told = wire.encode_record(Record(wire.GAP, 7, 65536, 1, 150, np.empty((0, 1), "<i2")))
    rows, _ = scan(streams, [jump + told])
    assert rows["missing"].tolist() == [100, 48]
    assert (streams[0]["gaps"], streams[0]["lost"], streams[0]["undeclared_gap"]) == (2, 148, 1)


def test_the_scan_pauses_between_messages_and_goes_on_where_it_was() -> None:
    gap = [wire.encode_record(Record(wire.GAP, 7, 65536, k, k + 1, np.empty((0, 1), "<i2"))) for k in range(6)]
    whole, _ = scan(open_streams(), gap)
    streams = open_streams()
    data, starts, stops = buffer_of(gap)
    views = data, data.view(np.int64), data.view(np.uint32), data.view(np.uint16)
    at, parts = np.zeros(1, np.int64), []
    while at[0] < len(gap):
        out = np.zeros(20, records.ROW)
        n = records.scan(records.CRC_SLICES, streams, *views, starts, stops, np.full(6, OWNER), 2, at, out)
        assert n == 2
        parts.append(out[:n])
    assert np.concatenate(parts).tobytes() == whole.tobytes()
