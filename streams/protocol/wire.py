"""The bytes of the protocol: sample records, acknowledgements and live messages, encoded, checked and decoded.

Everything here is pure: no socket, no clock, no table of streams. `docs/protocol.md` is the page for people.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ProtocolError

MAX_MESSAGE = 1 << 20  # bytes; a longer message makes libzmq drop the connection
MAX_RECORD = 1 << 18  # bytes, header included
MAX_RECORDS = 256  # in one message
MAX_CHANNELS = 1536  # 512 landmarks in three dimensions
MAX_INDEX = 1 << 53  # sample indices and times stay exact in a float64

# what a record is
DATA, GAP, END = 1, 2, 3

# flags of a record; bits 0-3 are all understood, bits 4-7 may be ignored
UNSYNCHRONISED, DISCONTINUITY, BACKFILL, TIMES, RESEND = 1, 2, 4, 8, 16

DTYPES: dict[int, np.dtype[np.generic]] = {
    1: np.dtype("<i2"),
    2: np.dtype("<i4"),
    3: np.dtype("<f4"),
    4: np.dtype("<f8"),
}
DTYPE_NAMES = {"i16": 1, "i32": 2, "f32": 3, "f64": 4}

RECORD = struct.Struct("<4sBBHQIIQQqHBBIII")
RECORD_MAGIC = b"VCD1"
CRC_AT = 56
ACK_FORMAT = struct.Struct("<4sBBHQIIQII")
ACK_MAGIC = b"VCA1"
LIVE = struct.Struct("<4sBBHQQqqqII")
LIVE_MAGIC = b"VCO1"
LIVE_CRC_AT = 52

# what a live message is
WHATS = ("beat", "event", "feature", "alarm", "wave", "gap", "heartbeat", "delineation")  # kind 1 is a beat
REPLAYED, PROVISIONAL = 2, 4  # flags of a live message beside BACKFILL_LIVE
BACKFILL_LIVE = 1


class Code(IntEnum):
    """Say why a record or a request is refused: 1 to 31 in NACK and ERR, from 32 in ERR only."""

    BAD_FRAME = 1
    NOT_OPEN = 2
    STALE_SESSION = 3
    SEQ_GAP = 4
    NO_CREDIT = 5
    TOO_BIG = 6
    FORBIDDEN = 7
    UNKNOWN_KIND = 8
    UNKNOWN_FLAG = 9
    SHUTTING_DOWN = 10
    STORAGE = 11
    QUARANTINED = 12
    BAD_MESSAGE = 32  # not a map of this protocol, or a field that breaks its rule
    BAD_PARAMETER = 33  # well-formed, but no such chain can be built
    FULL = 34  # no room for another stream
    UNSUPPORTED = 35  # part of the protocol, not of this version
    NOT_FOUND = 36


class Refusal(ProtocolError):
    """A request that is refused with a code."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


HELD = (0, int(Code.STORAGE))  # codes of an acknowledgement: as durably as agreed; in memory only, the disk refuses


@dataclass(frozen=True, eq=False)
class Record:
    """Hold one record.

    values : samples as sent, [n_samples, n_channels]; empty for GAP and END
    times  : ns in the stream's clock, [n_samples]; None without the TIMES flag
    """

    kind: int
    session: int
    stream: int
    seq: int
    sample_index: int
    values: NDArray[np.generic]
    t0_ns: int = 0
    times: NDArray[np.int64] | None = None
    flags: int = 0


@dataclass(frozen=True)
class Refused:
    """Name a record that breaks the format, by what its header claims.

    at : where it begins in the message, bytes
    """

    code: Code
    at: int
    session: int = 0
    stream: int = 0
    seq: int = 0


class Ack(NamedTuple):
    """Hold one acknowledgement (`code` is one of HELD) or refusal: all of the session below `next_seq` is held."""

    session: int
    stream: int
    next_seq: int
    credit_records: int
    credit_bytes: int
    code: int = 0


@dataclass(frozen=True)
class LiveHeader:
    """Hold the fixed fields of a live message.

    topic_seq    : counts the messages of a topic; the same when a message is sent again
    sample_index : of the sample that settled what is said
    t_event_ns   : when it was; t_known_ns: time of the settling sample; t_pub_ns: when the engine sent it
    """

    what: str
    topic_seq: int
    sample_index: int
    t_event_ns: int
    t_known_ns: int
    t_pub_ns: int
    flags: int = 0


def dtype_code(dtype: np.dtype[np.generic]) -> int:
    """Return the number of a dtype on the wire.

    Errors: ProtocolError for a dtype that records can't carry.
    """
    for code, known in DTYPES.items():
        if known == dtype:
            return code
    raise ProtocolError(f"records carry i16, i32, f32 or f64; these values are {dtype}")


def encode_record(record: Record) -> bytes:
    """Spell a record, padded to a multiple of 8 bytes.

    Errors: ProtocolError for values that records can't carry.
    """
    n, n_channels = record.values.shape
    dtype = dtype_code(record.values.dtype)
    flags = record.flags
    payload = np.ascontiguousarray(record.values).tobytes()
    if record.times is not None:
        payload = np.ascontiguousarray(record.times, "<i8").tobytes() + payload
        flags |= TIMES
    head = (RECORD_MAGIC, record.kind, flags, RECORD.size, record.session, record.stream, n, record.seq)
    tail = (record.sample_index, record.t0_ns, n_channels, dtype, 0, len(payload))
    header = RECORD.pack(*head, *tail, 0, 0)[:CRC_AT]
    crc = zlib.crc32(payload, zlib.crc32(header))
    return header + struct.pack("<II", crc, 0) + payload + bytes(-len(payload) % 8)


def readdress(record: bytes, stream: int, flags: int) -> bytes:
    """Spell a record of ours once more for another handle, with more flags."""
    head = record[:5] + bytes([record[5] | flags]) + record[6:16] + stream.to_bytes(4, "little") + record[20:CRC_AT]
    size = int.from_bytes(record[52:56], "little")
    payload = record[RECORD.size : RECORD.size + size]
    crc = zlib.crc32(payload, zlib.crc32(head))
    return head + crc.to_bytes(4, "little") + record[60:]


def decode_records(message: bytes) -> Iterator[Record | Refused]:
    """Read the records of a message one by one; the slow twin of `kernels.wire.records.scan`.

    A record whose bounds can't be trusted ends the message; after any other refusal the next record is read.
    """
    at = count = 0
    while at < len(message):
        left = len(message) - at
        count += 1
        if count > MAX_RECORDS:
            yield Refused(Code.TOO_BIG, at)
            return
        if left < RECORD.size or message[at : at + 4] != RECORD_MAGIC:
            yield Refused(Code.BAD_FRAME, at)
            return
        fields = RECORD.unpack_from(message, at)
        _, kind, flags, header_len, session, stream, n, seq, index, t0, n_channels, dtype, spare, size, crc, last = (
            fields
        )
        end = header_len + size + -size % 8
        refused = Refused(Code.BAD_FRAME, at, session, stream, seq)
        if header_len < RECORD.size or header_len % 8 or end > left:
            yield refused
            return
        payload = message[at + header_len : at + header_len + size]
        if zlib.crc32(payload, zlib.crc32(message[at : at + CRC_AT])) != crc:
            yield refused
            return
        code = _check(
            kind, flags, header_len + size, (session, seq, index, t0), n, n_channels, dtype, size, spare, last
        )
        if code:
            yield Refused(code, at, session, stream, seq)
        elif kind == DATA:
            split = 8 * n if flags & TIMES else 0
            times = np.frombuffer(payload, "<i8", n) if flags & TIMES else None
            values = np.frombuffer(payload, DTYPES[dtype], n * n_channels, split).reshape(n, n_channels)
            yield Record(kind, session, stream, seq, index, values, t0, times, flags)
        else:
            values = np.empty((0, n_channels), DTYPES.get(dtype, DTYPES[1]))
            yield Record(kind, session, stream, seq, index, values, t0, None, flags)
        at += end


def _check(
    kind: int,
    flags: int,
    length: int,
    numbers: tuple[int, int, int, int],
    n: int,
    n_channels: int,
    dtype: int,
    size: int,
    spare: int,
    last: int,
) -> Code | None:
    session, seq, index, _ = numbers
    if length > MAX_RECORD:
        return Code.TOO_BIG
    if kind not in (DATA, GAP, END):
        return Code.UNKNOWN_KIND
    if spare or last or session >> 63 or seq >> 63 or index + n > MAX_INDEX:
        return Code.BAD_FRAME
    if kind != DATA:
        return Code.BAD_FRAME if n or size or flags & TIMES else None
    if n == 0 or not 0 < n_channels <= MAX_CHANNELS or dtype not in DTYPES:
        return Code.BAD_FRAME
    implied = n * (n_channels * DTYPES[dtype].itemsize + (8 if flags & TIMES else 0))
    return Code.BAD_FRAME if size != implied else None


def encode_ack(ack: Ack) -> bytes:
    """Spell an acknowledgement or refusal; several stand back to back in a message."""
    kind = 1 if ack.code in HELD else 2
    head = (ACK_MAGIC, kind, ack.code, ACK_FORMAT.size, ack.session, ack.stream, ack.credit_records)
    return ACK_FORMAT.pack(*head, ack.next_seq, ack.credit_bytes, 0)


def decode_acks(message: bytes) -> Iterator[Ack]:
    """Read the acknowledgements of a message.

    Errors: ProtocolError
    """
    at, end = 0, len(message)
    while at < end:
        if end - at < ACK_FORMAT.size:
            raise ProtocolError(f"an acknowledgement is {ACK_FORMAT.size} bytes; only {end - at} are left")
        magic, kind, code, length, session, stream, records, next_seq, size, _ = ACK_FORMAT.unpack_from(message, at)
        if magic != ACK_MAGIC or kind not in (1, 2) or (kind == 1) != (code in HELD):
            raise ProtocolError("these bytes are no acknowledgement")
        if not ACK_FORMAT.size <= length <= end - at:
            raise ProtocolError(f"an acknowledgement can't be {length} bytes; {end - at} are left")
        yield Ack(session, stream, next_seq, records, size, code)
        at += length


def encode_live(header: LiveHeader, payload: bytes) -> bytes:
    """Spell the header frame of a live message."""
    times = header.t_event_ns, header.t_known_ns, header.t_pub_ns
    return spell_live(
        WHATS.index(header.what) + 1, header.flags, header.topic_seq, header.sample_index, *times, payload
    )


def spell_live(
    kind: int, flags: int, topic_seq: int, index: int, t_event_ns: int, t_known_ns: int, t_pub_ns: int, payload: bytes
) -> bytes:
    """Spell the header frame of a live message from its bare fields."""
    head = LIVE.pack(
        LIVE_MAGIC, kind, flags, LIVE.size, topic_seq, index, t_event_ns, t_known_ns, t_pub_ns, len(payload), 0
    )[:LIVE_CRC_AT]
    return head + zlib.crc32(payload, zlib.crc32(head)).to_bytes(4, "little")


def decode_live(header: bytes, payload: bytes) -> LiveHeader:
    """Read the header frame of a live message and check it against the payload.

    Errors: ProtocolError
    """
    if len(header) < LIVE.size or header[:4] != LIVE_MAGIC:
        raise ProtocolError("these bytes are no live message of version 1")
    _, kind, flags, length, seq, index, t_event, t_known, t_pub, size, crc = LIVE.unpack_from(header)
    if length != len(header):
        raise ProtocolError(f"the header says it is {length} bytes; it is {len(header)}")
    if not 1 <= kind <= len(WHATS):
        raise ProtocolError(f"kind {kind} of a live message is unknown; they are 1 to {len(WHATS)}")
    if size != len(payload) or zlib.crc32(payload, zlib.crc32(header[:LIVE_CRC_AT])) != crc:
        raise ProtocolError("the payload of this live message is damaged")
    return LiveHeader(WHATS[kind - 1], seq, index, t_event, t_known, t_pub, flags)
