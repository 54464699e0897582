"""A stream as bytes: what is saved of it, so that an engine that starts again goes on where it was."""

import hashlib
from collections import deque
from dataclasses import astuple
from functools import cache
from typing import Any

import msgpack
import numpy as np

from vitalcore.alarms import Limits, limits_of
from vitalcore.errors import ProtocolError, SnapshotError
from vitalcore.kernels.wire.records import STREAM
from vitalcore.streams.engine.stream import REPLAY_MESSAGES, Backlog, Stream
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.protocol import maps
from vitalcore.version import version


def spell(streams: Streams, stream: Stream) -> bytes:
    """Spell everything that the future of a stream hangs on."""
    packed: bytes = msgpack.packb(
        {
            "print": _print(streams.layout(stream)),
            "open": maps.write_open(stream.opened),
            "row": stream.row,
            "numbers": streams.rows[stream.row].tobytes(),
            "memory": streams.memory(stream),
            "base": stream.base,
            "wave_base": stream.wave_base,
            "offset_ns": None if stream.clock is None else stream.clock.offset_ns,
            "limits": None if stream.limits is None else stream.limits.spelled(),
            "own_limits": stream.own_limits,
            "counts": stream.counts,
            "last": {what: kept[-1] for what, kept in stream.recent.items() if kept},
            "standing": stream.standing,
            "backlogs": [astuple(each) for each in stream.backlogs],
        }
    )
    return packed


def restore(streams: Streams, state: bytes, now_ns: int) -> tuple[Stream, int, int]:
    """Put a saved stream back into its row; nobody owns it yet. Return it with the handle and owner that it had.

    Errors: SnapshotError where it was saved by another version or does not fit.
    """
    fields: dict[str, Any] = msgpack.unpackb(state, strict_map_key=False, use_list=False)
    try:
        opened = maps.read_open(maps.unpack(fields["open"]))
        stream = Stream(opened.name, -1, opened, b"", fields["base"])
        stream.wave_base = fields["wave_base"]
        stream.limits, stream.own_limits = limits_again(fields), fields.get("own_limits", False)
        stream.backlogs = [Backlog(*each) for each in fields.get("backlogs", ())]
        numbers = np.frombuffer(fields["numbers"], STREAM)[0]
        streams.admit(stream, numbers, fields["memory"], fields["row"], now_ns)
        if fields["print"] != _print(streams.layout(stream)):
            streams.remove(stream)
            raise SnapshotError("it was saved by another version")
    except ProtocolError as error:
        raise SnapshotError(str(error)) from None
    if stream.clock is not None:
        stream.clock.offset_ns = fields["offset_ns"]
    for what, message in fields["last"].items():
        stream.topic(what)
        stream.recent[what] = deque([message], maxlen=REPLAY_MESSAGES)
    stream.counts = dict(fields["counts"])
    stream.standing = dict(fields["standing"])
    return stream, int(numbers["handle"]), int(numbers["owner"])


def limits_again(fields: dict[str, Any]) -> Limits | None:
    """Read the limits that a state or an entry names; None where it has none."""
    limits = fields.get("limits")
    return None if limits is None else limits_of("adult").changed(limits)


@cache
def _print(layout: str) -> bytes:
    return hashlib.sha256(f"{version()} {STREAM.descr} {layout}".encode()).digest()[:8]
