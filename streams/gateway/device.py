"""A gateway's config file: what a device measures, how it comes in, and which engine it goes to."""

import math
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

from vitalcore.errors import ProtocolError
from vitalcore.streams.process import toml
from vitalcore.streams.process.toml import Table
from vitalcore.streams.protocol import maps, sockets, wire
from vitalcore.streams.protocol.maps import Channel

SOURCES = ("stdin", "serial", "file")
FORMATS = ("csv", "binary", "records")
TIME_UNITS_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
MAX_RATE_HZ = 100_000


@dataclass(frozen=True)
class Source:
    """Hold where samples come from.

    time : CSV column of the time, by name or number; None: there is none
    sync : bytes in front of each binary frame
    """

    from_: str
    format: str = "csv"
    separator: str = ","
    time: str | int | None = None
    time_unit: str = "s"
    port: str = ""
    baud: int = 115_200
    sync: bytes = b""
    path: Path = Path()
    place: str = ""
    speed: float = 1.0
    signal: str | None = None
    fs_hz: Fraction | None = None


@dataclass(frozen=True)
class Lane:
    """Hold one stream of a device.

    columns : of a CSV line, by name or number from 1, one a channel
    """

    key: str
    kind: str
    fs_hz: Fraction | None
    channels: tuple[Channel, ...]
    dtype: str
    columns: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class Device:
    """Hold a gateway's config.

    own_key, engine_key : files; None: there are no keys
    spool               : file; None: in memory
    """

    engine: str
    ack: str
    resume: str
    own_key: Path | None
    engine_key: Path | None
    spool: Path | None
    room: int
    keep_s: float
    synchronous: str
    source: Source
    lanes: tuple[Lane, ...]


def example() -> str:
    """Return a config that says of everything what it is."""
    return files("vitalcore.streams.gateway").joinpath("gateway.toml").read_text(encoding="utf-8")


def read(path: str | Path) -> Device:
    """Read a config; paths in it are relative to its folder.

    Errors: ReadError; ParameterError naming the file, the line, the key, its limit and its value.
    """
    return parse(toml.text_of(path), Path(path))


def parse(text: str, path: Path) -> Device:
    """Understand the text of a config.

    Errors: ReadError, ParameterError
    """
    top = toml.parse(text, path)
    top.only("engine", "ack", "resume", "keys", "spool", "input", "stream")
    keys, spool = top.table("keys"), top.table("spool")
    keys.only("own", "engine")
    spool.only("path", "max_mb", "max_hours", "synchronous")
    own, engine_key = keys.file("own"), keys.file("engine")
    if (own is None) != (engine_key is None):
        raise keys.wrong("own" if own else "engine", "own and engine must both be there, or none of them")
    kept = spool.file("path")
    if kept is None and spool.content:
        raise spool.wrong("", "path is missing: without it there is no spool")
    source = _source(top.table("input"), top)
    lanes = tuple(_lane(each, source) for each in top.tables("stream"))
    _check_lanes(lanes, source, top)
    return Device(
        engine=top.text("engine", sockets.INGEST),
        ack=top.choice("ack", maps.ACKS, "journaled"),
        resume=top.choice("resume", maps.RESUMES, "in_order"),
        own_key=own,
        engine_key=engine_key,
        spool=kept,
        room=int(spool.number("max_mb", 0.1, 1e6, 256.0 if kept else 16.0) * 1e6),
        keep_s=spool.number("max_hours", 0.001, 1e5, math.inf) * 3600,
        synchronous=spool.choice("synchronous", ("normal", "full"), "normal"),
        source=source,
        lanes=lanes,
    )


def _is_column(value: object) -> bool:
    return (isinstance(value, str) and bool(value)) or (type(value) is int and 1 <= value <= wire.MAX_CHANNELS)


def _rate(table: Table, key: str) -> Fraction | None:
    """Return a rate in Hz: a number, or a fraction as text; None where it is missing."""
    value = table.content.get(key)
    if value is None:
        return None
    try:
        rate = Fraction(str(value)) if not isinstance(value, bool) else Fraction(0)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= MAX_RATE_HZ:
        raise table.wrong(key, f"{key} is {value!r}; it must be a rate above 0 and up to {MAX_RATE_HZ} Hz")
    return rate


def _names(table: Table, key: str) -> tuple[str | int, ...]:
    """Return an array of names or numbers from 1; empty where it is missing."""
    value = table.content.get(key, [])
    if not isinstance(value, list) or not all(_is_column(each) for each in value):
        raise table.wrong(key, f"{key} is {value!r}; it must be an array of names, or of numbers from 1")
    return tuple(value)


def _source(table: Table, top: Table) -> Source:
    if "input" not in top.content:
        raise top.wrong("", "[input] is missing")
    from_ = table.choice("from", SOURCES)
    if from_ == "file":
        table.only("from", "path", "place", "speed", "signal", "fs_hz")
        place = table.text("place")
        try:
            maps.check_key(f"{place}/ecg")
        except ProtocolError:
            raise table.wrong("place", f"place is {place!r}; it must be site/subject/device") from None
        path = table.file("path")
        if path is None:
            raise table.wrong("", "path is missing")
        signal = table.choice("signal", ("ecg", "ppg", "face")) if "signal" in table.content else None
        speed = table.number("speed", 0.0, 1000.0, 1.0)
        return Source(from_, path=path, place=place, speed=speed, signal=signal, fs_hz=_rate(table, "fs_hz"))
    table.only("from", "format", "separator", "time", "time_unit", "sync", *(("port", "baud") * (from_ == "serial")))
    separator = table.text("separator", ",")
    if len(separator) != 1 or separator in "+-.0123456789eE\n\r":
        raise table.wrong("separator", f"separator is {separator!r}; it must be one character that is in no number")
    time = table.content.get("time")
    if time is not None and not _is_column(time):
        raise table.wrong("time", f"time is {time!r}; it must be the name of a column, or its number from 1")
    try:
        sync = bytes.fromhex(table.text("sync")) if "sync" in table.content else b""
    except ValueError:
        raise table.wrong("sync", f"sync is {table.content['sync']!r}; it must be bytes in hexadecimal") from None
    if len(sync) > 16:
        raise table.wrong("sync", f"sync is {len(sync)} bytes; at most 16 are allowed")
    return Source(
        from_,
        table.choice("format", FORMATS, "csv"),
        separator,
        time,
        table.choice("time_unit", tuple(TIME_UNITS_NS), "s"),
        table.text("port") if from_ == "serial" else "",
        int(table.number("baud", 50, 10_000_000, 115_200)) if from_ == "serial" else 0,
        sync,
    )


def _lane(table: Table, source: Source) -> Lane:
    table.only(
        "key", "kind", "fs_hz", "unit", "columns", "channels", "labels", "dtype", "scale", "offset"
    )  # fmt: skip
    key = table.text("key")
    try:
        maps.check_key(key)
    except ProtocolError as error:
        raise table.wrong("key", f"key is {key!r}; {error}") from None
    columns, labels = _names(table, "columns"), _names(table, "labels")
    csv = source.format == "csv"
    if csv and not columns:
        raise table.wrong("columns", "columns is missing: which of a line belong to this stream?")
    n = len(columns) if csv else int(table.number("channels", 1, wire.MAX_CHANNELS, 1))
    if labels and len(labels) != n:
        raise table.wrong("labels", f"labels are {len(labels)}; the stream has {n} channels")
    known = labels or tuple(column if isinstance(column, str) else "" for column in columns) or ("",) * n
    scale, offset = table.number("scale", -1e12, 1e12, 1.0), table.number("offset", -1e12, 1e12, 0.0)
    if scale == 0:
        raise table.wrong("scale", "scale is 0; it must not be")
    fs_hz = _rate(table, "fs_hz")
    if fs_hz is None and source.format != "records" and not (csv and source.time is not None):
        raise table.wrong("", "fs_hz is missing: without it each sample needs a time (csv with `time`)")
    unit = table.text("unit") if table.content.get("unit") else ""
    dtypes = ("f32", "f64") if csv else tuple(wire.DTYPE_NAMES)
    return Lane(
        key,
        table.choice("kind", maps.KINDS),
        fs_hz,
        tuple(Channel(str(label)[:64], unit[:32], scale, offset) for label in known),
        table.choice("dtype", dtypes, "f32"),
        columns,
    )


def _check_lanes(lanes: tuple[Lane, ...], source: Source, top: Table) -> None:
    if source.from_ == "file":
        if lanes:
            raise top.tables("stream")[0].wrong("", "a file's streams are those it holds; [[stream]] must not be there")
        return
    if not lanes:
        raise top.wrong("", "[[stream]] is missing: what does the input hold?")
    for k, lane in enumerate(lanes):
        table = top.tables("stream")[k]
        if lane.key in {other.key for other in lanes[:k]}:
            raise table.wrong("key", f"key {lane.key} is there twice")
        if source.format != "records" and lane.fs_hz != lanes[0].fs_hz:
            raise table.wrong(
                "fs_hz", "fs_hz differs from the first stream's; a line or frame holds a sample of every stream"
            )
