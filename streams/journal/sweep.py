"""Going through a journal's log, some entries at a time, and taking out what belongs to some streams."""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from vitalcore.streams.journal import entries
from vitalcore.streams.journal.archive import checksum
from vitalcore.streams.journal.entries import Entry

ROWS = 100  # looked at in one transaction
BYTES = 1 << 20  # of them: commits don't wait for it long, and nothing piles up meanwhile


class Sweep:
    """Take out of the log what belongs to some streams, from the oldest entry on.

    of : tells by its key whether a stream is one of them
    at : entry up to which it has come

    Entries that hold other streams too are written again without them.
    """

    def __init__(self, of: Callable[[str], bool]) -> None:
        self.at = 0
        self._of = of
        self._handles: set[int] = set()  # that mean one of them at that entry

    def some(self, database: sqlite3.Connection, last: int) -> tuple[int, int]:
        """Go on, at most up to an entry; return how many entries were looked at, and how many were changed."""
        log = "SELECT id, kind, t_ns, body, crc FROM log WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
        found = some((len(row[3]), row) for row in database.execute(log, (self.at, last, ROWS)))
        openings = deque(self._openings(database, found[-1][0]) if found else ())
        changed = 0
        for id_, kind, t_ns, body, crc in found:
            self.at = id_
            while openings and openings[0][0] <= id_:
                _, handle, mine = openings.popleft()
                (self._handles.add if mine else self._handles.discard)(handle)
            if crc == checksum(body, id_, kind, t_ns):
                left = entries.without(Entry(id_, kind, t_ns, body), self._handles, self._of)
                crc = checksum(left.body, id_, left.kind, t_ns)
            else:
                left = Entry(id_, kind, t_ns, b"")  # nobody can tell whose it was: it stays damaged, and empty
            if left.body != body or left.kind != kind:
                changed += 1
                database.execute(
                    "UPDATE log SET kind = ?, body = ?, crc = ? WHERE id = ?", (left.kind, left.body, crc, id_)
                )
        return len(found), changed

    def _openings(self, database: sqlite3.Connection, last: int) -> Iterable[tuple[int, int, bool]]:
        """Read which handles are given from here to an entry, and whether one of the streams has them."""
        rows = database.execute(
            "SELECT id, key, t_ns, body, crc FROM opening WHERE id > ? AND id <= ? ORDER BY id", (self.at, last)
        )
        for id_, key, t_ns, body, crc in rows:
            if crc == checksum(body, id_, key, t_ns):
                yield id_, entries.read(body)["handle"], self._of(key)


def some(rows: Iterable[tuple[int, Any]]) -> list[Any]:
    """Take the first rows, as many as hold BYTES together.

    rows : size and what is taken
    """
    taken, size = [], 0
    for length, row in rows:
        taken.append(row)
        size += length
        if size >= BYTES:
            break
    return taken
