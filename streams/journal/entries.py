"""What the journal's entries say: records as they came, and changes of what is done with them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from vitalcore.streams.protocol import maps
from vitalcore.streams.protocol.maps import Open

RECORDS, OPENED, CONFIGURED, ACKNOWLEDGED, FORGOTTEN, LOST, ERASED, CLOSED = 1, 2, 3, 4, 5, 6, 7, 8
KINDS = {RECORDS: "records", OPENED: "open", CONFIGURED: "limits", ACKNOWLEDGED: "alarm_ack"}
KINDS |= {FORGOTTEN: "forget", LOST: "lost", ERASED: "erased", CLOSED: "closed"}


@dataclass(frozen=True)
class Entry:
    """Hold one thing that came in.

    t_ns : when, by the engine's clock
    """

    id: int
    kind: int
    t_ns: int
    body: bytes


def spell_records(starts: NDArray[np.int64], lengths: NDArray[np.int64], data: NDArray[np.uint8]) -> bytes:
    """Spell records: their number, where each begins, and their bytes.

    starts, lengths : of the records in data, bytes, multiples of 8, [n]
    """
    n = len(starts)
    if n and starts[0] == 0 and starts[-1] + lengths[-1] == len(data) and (starts[1:] == (starts + lengths)[:-1]).all():
        whole = data.tobytes()
    else:
        whole = b"".join(
            data[a : a + size].tobytes() for a, size in zip(starts.tolist(), lengths.tolist(), strict=True)
        )
    begins = np.zeros(n + 1, np.int64)
    begins[0] = n
    begins[1:] = np.cumsum(lengths) - lengths
    return begins.tobytes() + whole


def read_records(body: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Read records; return where each begins and ends, and their bytes."""
    n = int.from_bytes(body[:8], "little")
    starts = np.frombuffer(body, np.int64, n, 8)
    data = np.frombuffer(body, np.uint8, offset=8 * (n + 1))
    return starts, np.append(starts[1:], len(data)), data


def handles(starts: NDArray[np.int64], data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the handle in the header of each record."""
    return data.view(np.uint32)[(starts >> 2) + 4].astype(np.int64)


def spell_open(opened: Open, row: int, handle: int, owner: int, limits: dict[str, Any] | None) -> bytes:
    """Spell that a stream was opened or went on with another connection.

    row    : where its numbers stood in the engine's table
    limits : of its alarms; None where it has none. The file of limits may have changed when this is read
    """
    numbers = {"row": row, "handle": handle, "owner": owner}
    return _pack({"key": opened.name, "open": maps.write_open(opened), "limits": limits} | numbers)


def spell(**fields: Any) -> bytes:
    """Spell a change of a stream; `key` names it."""
    return _pack(fields)


def read(body: bytes) -> dict[str, Any]:
    """Read a change of a stream."""
    fields: dict[str, Any] = msgpack.unpackb(body, strict_map_key=False)
    if "open" in fields:
        fields["open"] = maps.read_open(maps.unpack(fields["open"]))
    return fields


def without(entry: Entry, gone: set[int], of: Callable[[str], bool]) -> Entry:
    """Return an entry without what belongs to some streams, or with nothing left.

    gone : their handles
    of   : tells by its key whether a stream is one of them
    """
    if entry.kind == RECORDS:
        starts, stops, data = read_records(entry.body)
        keep = ~np.isin(handles(starts, data), list(gone)) if gone else np.ones(len(starts), bool)
        if keep.all():
            return entry
        if not keep.any():
            return replace(entry, kind=ERASED, body=b"")
        return replace(entry, body=spell_records(starts[keep], (stops - starts)[keep], data))
    if entry.kind in (LOST, ERASED) or not of(read(entry.body)["key"]):
        return entry
    return replace(entry, kind=ERASED, body=b"")


def _pack(fields: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return packed
