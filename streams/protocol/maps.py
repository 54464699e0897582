"""Control messages: msgpack maps with string keys, read under strict limits."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ProtocolError
from vitalcore.operator import Signal
from vitalcore.streams.protocol import pseudonyms
from vitalcore.streams.protocol.wire import DTYPE_NAMES, MAX_CHANNELS, MAX_INDEX, MAX_MESSAGE, MAX_RECORD, MAX_RECORDS
from vitalcore.version import version

MAX_STR = 512
_MOST = (1 << 63) - 1
MAX_MAP = 64
MAX_ARRAY = MAX_CHANNELS
MAX_TOPICS = 256  # in one heartbeat
KINDS = ("ecg", "ppg", "resp", "acc", "face", "ear", "rr", "numeric")
ACKS = ("received", "journaled", "fsynced")
RESUMES = ("in_order", "live_first")
WIRE_VERSION = 1

_LIVE_LIMITS = {
    "raw": False,
    "strict_map_key": True,
    "max_str_len": MAX_STR,
    "max_array_len": MAX_ARRAY,
    "max_map_len": MAX_TOPICS,
    "max_ext_len": 0,
}
_SUBJECT = re.compile(r"[A-Za-z0-9._-]{1,64}/[A-Za-z0-9._-]{1,64}", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9._-]{1,64}(/[A-Za-z0-9._-]{1,64}){3}", re.ASCII)


@dataclass(frozen=True)
class Channel:
    """Describe a channel: physical value = raw * scale + offset, in `unit`."""

    label: str = ""
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Open:
    """Hold what a gateway asks for when it opens a stream.

    session     : producer epoch, strictly larger at each start of the producer
    rate        : Hz; None: each sample carries its time
    first_seq   : oldest record that the gateway can still send; first_index: its sample index
    backfill    : a session that is over, sent while a later one of its key is live
    backlog     : of a session that begins with a GAP over what is sent so: its number, and from and to which of its
                  samples
    """

    key: str
    session: int
    kind: str
    rate: Fraction | None
    channels: tuple[Channel, ...]
    dtype: int
    clock: str = ""
    ack: str = "received"
    resume: str = "in_order"
    meta: Mapping[str, Any] | None = None
    first_seq: int = 0
    first_index: int = 0
    backfill: bool = False
    backlog: tuple[int, int, int] | None = None

    @property
    def name(self) -> str:
        """Name the stream among those of an engine: a backlog has its own state and topics beside the live one."""
        return f"{self.key}/backfill" if self.backfill else self.key


def greeting(instance: str) -> dict[str, Any]:
    """Return what WELCOME says beside the time.

    instance : another one after each start of an engine
    """
    return {
        "version": WIRE_VERSION,
        "engine": f"vitalcore {version()}",
        "instance": instance,
        "max_record": MAX_RECORD,
        "max_records": MAX_RECORDS,
        "max_message": MAX_MESSAGE,
    }


def is_map(message: bytes) -> bool:
    """Tell a control map from records by its first byte."""
    return bool(message) and (0x80 <= message[0] <= 0x8F or message[0] in (0xDE, 0xDF))


def pack(type_: str, **fields: Any) -> bytes:
    """Spell a control message; fields that are None are left out."""
    packed: bytes = msgpack.packb({"type": type_} | {k: v for k, v in fields.items() if v is not None})
    return packed


def unpack(message: bytes, max_array: int = MAX_ARRAY, max_bin: int = 0) -> dict[str, Any]:
    """Read a control message.

    max_array, max_bin : what a client allows the engine to send it; an engine takes no binary strings

    Errors: ProtocolError
    """
    if len(message) > MAX_MESSAGE:
        raise ProtocolError(f"this message is {len(message)} bytes; at most {MAX_MESSAGE} are allowed")
    try:
        value = msgpack.unpackb(
            message,
            raw=False,
            strict_map_key=True,
            max_str_len=MAX_STR,
            max_bin_len=max_bin,
            max_array_len=max_array,
            max_map_len=MAX_MAP,
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException) as error:
        raise ProtocolError(f"this is no control message within the limits: {error or 'cut short'}") from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise ProtocolError("a control message is a map with a string called type")
    return value


def unpack_payload(payload: bytes) -> dict[str, Any]:
    """Read the map of a live payload.

    Errors: ProtocolError
    """
    try:
        value = msgpack.unpackb(payload, max_bin_len=0, **_LIVE_LIMITS)
    except (ValueError, msgpack.UnpackException) as error:
        raise ProtocolError(f"this payload is no map within the limits: {error or 'cut short'}") from None
    return _map(value)


def _unpack_front(payload: bytes) -> tuple[dict[str, Any], bytes]:
    reader = msgpack.Unpacker(read_size=1024, max_buffer_size=MAX_MESSAGE, max_bin_len=0, **_LIVE_LIMITS)
    try:
        reader.feed(payload)
        value = reader.unpack()
    except (ValueError, msgpack.UnpackException, msgpack.BufferFull) as error:
        raise ProtocolError(f"this payload does not begin with a map within the limits: {error}") from None
    return _map(value), payload[reader.tell() :]


def _map(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProtocolError("a live payload begins with a map")
    return value


def pack_wave(signal: Signal, wave: NDArray[np.float64], t_ns: NDArray[np.int64] | None = None) -> bytes:
    """Spell the payload of a wave: its short map, the times of a variable rate as i64, then f32, sample by sample."""
    rate = [signal.fs_hz.numerator, signal.fs_hz.denominator] if signal.fs_hz else None
    head: bytes = msgpack.packb(
        {"channels": signal.channels, "unit": signal.unit, "n": len(wave), "rate": rate, "timed": t_ns is not None}
    )
    times = b"" if t_ns is None else t_ns.astype("<i8").tobytes()
    return head + times + wave.astype("<f4").tobytes()


def unpack_wave(payload: bytes) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """Read the payload of a wave: its map, with `t_ns` where the rate varies, and samples, [n, n_channels].

    Errors: ProtocolError
    """
    fields, raw = _unpack_front(payload)
    channels = fields.get("channels")
    n = integer(fields, "n", 0, MAX_MESSAGE)
    split = 8 * n if fields.get("timed") else 0
    if not isinstance(channels, list) or not channels or len(raw) != split + 4 * n * len(channels):
        raise ProtocolError(f"a wave of {n} samples does not fit {len(raw)} bytes")
    if split:
        fields["t_ns"] = np.frombuffer(raw, "<i8", n)
    return fields, np.frombuffer(raw, "<f4", n * len(channels), split).reshape(n, len(channels))


def check_key(key: object) -> str:
    """Return a stream key, site/subject/device/signal, each part of 1 to 64 of A-Z a-z 0-9 . _ -, of a pseudonym.

    Errors: ProtocolError
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ProtocolError("key must be site/subject/device/signal, each of 1 to 64 letters, digits, '.', '_' or '-'")
    looks_like = pseudonyms.looks_like(key.split("/")[1])
    if looks_like:
        raise ProtocolError(f"the subject in the key looks like {looks_like}; subjects go by pseudonyms, such as p17")
    return key


def check_subject(subject: object) -> str:
    """Return site/subject/ of what names a subject, with or without the last slash: all keys of it begin so.

    Errors: ProtocolError
    """
    bare = subject.removesuffix("/") if isinstance(subject, str) else ""
    if not _SUBJECT.fullmatch(bare):
        raise ProtocolError("a subject is named by site/subject, each of 1 to 64 letters, digits, '.', '_' or '-'")
    return f"{bare}/"


def integer(fields: Mapping[str, Any], name: str, low: int, high: int, default: int | None = None) -> int:
    """Return an integer field between low and high.

    Errors: ProtocolError
    """
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ProtocolError(f"{name} must be an integer from {low} to {high}")
    return value


def text(fields: Mapping[str, Any], name: str, default: str | None = None, max_len: int = MAX_STR) -> str:
    """Return a string field.

    Errors: ProtocolError
    """
    value = fields.get(name, default)
    if not isinstance(value, str) or len(value) > max_len:
        raise ProtocolError(f"{name} must be a string of at most {max_len} characters")
    return value


def choice(fields: Mapping[str, Any], name: str, known: tuple[str, ...], default: str | None = None) -> str:
    """Return a string field that is one of the known.

    Errors: ProtocolError
    """
    value = fields.get(name, default)
    if not isinstance(value, str) or value not in known:
        raise ProtocolError(f"{name} must be one of {', '.join(known)}")
    return value


def number(fields: Mapping[str, Any], name: str, default: float) -> float:
    """Return a finite number.

    Errors: ProtocolError
    """
    value = fields.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ProtocolError(f"{name} must be a number")
    if not math.isfinite(value) or abs(value) > 1e12:
        raise ProtocolError(f"{name} must be finite and at most 1e12")
    return float(value)


def read_open(fields: Mapping[str, Any]) -> Open:
    """Check every field of OPEN.

    Errors: ProtocolError
    """
    rate = fields.get("rate")
    if rate is not None:
        if not isinstance(rate, list) or len(rate) != 2:
            raise ProtocolError(
                "rate must be [numerator, denominator] in Hz, or nil where each sample carries its time"
            )
        pair = {"rate": rate[0], "denominator of rate": rate[1]}
        rate = Fraction(integer(pair, "rate", 1, 100_000_000_000), integer(pair, "denominator of rate", 1, 1_000_000))
    meta = fields.get("meta", {})
    if not isinstance(meta, dict):
        raise ProtocolError("meta must be a map")
    backfill = fields.get("backfill", False)
    if not isinstance(backfill, bool):
        raise ProtocolError("backfill must be true or false")
    backlog = fields.get("backlog")
    if backlog is not None:
        if not isinstance(backlog, list) or len(backlog) != 3:
            raise ProtocolError("backlog must be [session, from, to]")
        part: dict[str, Any] = dict(zip(("session", "from", "to"), backlog, strict=True))
        start = integer(part, "from", 0, MAX_INDEX)
        backlog = integer(part, "session", 0, _MOST), start, integer(part, "to", start, MAX_INDEX)
    return Open(
        key=check_key(fields.get("key")),
        session=integer(fields, "session", 0, _MOST),
        kind=choice(fields, "kind", KINDS),
        rate=rate,
        channels=_channels(fields.get("channels")),
        dtype=DTYPE_NAMES[choice(fields, "dtype", tuple(DTYPE_NAMES))],
        clock=text(fields, "clock", "", 64),
        ack=choice(fields, "ack", ACKS, "received"),
        resume=choice(fields, "resume", RESUMES, "in_order"),
        meta=meta,
        first_seq=integer(fields, "first_seq", 0, _MOST, 0),
        first_index=integer(fields, "first_index", 0, MAX_INDEX, 0),
        backfill=backfill,
        backlog=backlog,
    )


def write_open(opened: Open) -> bytes:
    """Spell OPEN; equal neighbours among the channels are sent once, with their count."""
    channels: list[dict[str, Any]] = []
    for channel in opened.channels:
        fields = {"label": channel.label, "unit": channel.unit, "scale": channel.scale, "offset": channel.offset}
        if channels and channels[-1] | {"count": 0} == fields | {"count": 0}:
            channels[-1]["count"] += 1
        else:
            channels.append(fields | {"count": 1})
    return pack(
        "OPEN",
        key=opened.key,
        session=opened.session,
        kind=opened.kind,
        rate=[opened.rate.numerator, opened.rate.denominator] if opened.rate else None,
        channels=channels,
        dtype={code: name for name, code in DTYPE_NAMES.items()}[opened.dtype],
        clock=opened.clock,
        ack=opened.ack,
        resume=opened.resume,
        meta=dict(opened.meta or {}),
        first_seq=opened.first_seq,
        first_index=opened.first_index,
        backfill=opened.backfill or None,
        backlog=opened.backlog and list(opened.backlog),
    )


def _channels(value: object) -> tuple[Channel, ...]:
    if not isinstance(value, list) or not value:
        raise ProtocolError("channels must be an array of at least one map {label, unit, scale, offset}")
    channels: list[Channel] = []
    for fields in value:
        if not isinstance(fields, dict):
            raise ProtocolError("each of channels must be a map {label, unit, scale, offset}")
        scale = number(fields, "scale", 1.0)
        if scale == 0.0:
            raise ProtocolError("scale must not be 0")
        channel = Channel(
            text(fields, "label", "", 64), text(fields, "unit", "", 32), scale, number(fields, "offset", 0.0)
        )
        channels += [channel] * integer(fields, "count", 1, MAX_CHANNELS, 1)
        if len(channels) > MAX_CHANNELS:
            raise ProtocolError(f"there are more than {MAX_CHANNELS} channels")
    return tuple(channels)
