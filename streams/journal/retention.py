"""What is too old or too much goes from a journal, some at a time, between the commits of what comes in."""

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass

from vitalcore.streams.journal.archive import checksum, transaction, used_bytes

BYTES = 1 << 20  # removed in one transaction: commits don't wait for it long, and nothing piles up meanwhile


@dataclass(frozen=True)
class Keep:
    """Bound what the journal holds; what recovery needs is kept beyond it.

    age_s      : s, of entries and results
    size_bytes : of the file
    """

    age_s: float = 7 * 86400.0
    size_bytes: int = 16 << 30


def tidy(database: sqlite3.Connection, keep: Keep) -> bool:
    """Delete what is too old or too much, some of it; tell whether more is.

    Where the file is too large, results go with the samples that they were made of.
    """
    now_ns = time.time_ns()
    before_ns = now_ns - int(keep.age_s * 1e9)
    low = _low(database)
    too_much = used_bytes(database) > keep.size_bytes
    # from the oldest on, without a hole, whatever the clock has done; what claims to be of the future is old
    young = "SELECT coalesce(min(id), ?) FROM log WHERE t_ns BETWEEN ? AND ? AND NOT ?"
    (stop,) = database.execute(young, (low + 1, before_ns, now_ns, too_much)).fetchone()
    with transaction(database):
        entries = _some(
            database.execute("SELECT id, length(body) FROM log WHERE id < ? ORDER BY id", (min(stop, low + 1),))
        )
        database.executemany("DELETE FROM log WHERE id = ?", entries)
        (oldest, oldest_ns) = database.execute("SELECT coalesce(min(id), ?), t_ns FROM log", (low + 1,)).fetchone()
        if too_much:
            before_ns = oldest_ns if entries and oldest_ns is not None else now_ns
        results = _some(
            database.execute("SELECT rowid, length(body) FROM result WHERE t_ns < ? ORDER BY t_ns", (before_ns,))
        )
        database.executemany("DELETE FROM result WHERE rowid = ?", results)
        if not (entries or results):  # nothing more goes just now
            _forget_handles(database, oldest)
    return bool(entries or results)


def _forget_handles(database: sqlite3.Connection, oldest: int) -> None:
    """Delete openings whose handles no entry from `oldest` on can have: the next one of the stream is older, too."""
    database.execute(
        "DELETE FROM opening WHERE id < ? AND EXISTS"
        " (SELECT 1 FROM opening AS later WHERE later.key = opening.key AND later.id > opening.id AND later.id <= ?)",
        (oldest, oldest),
    )


def _some(rows: Iterable[tuple[int, int]]) -> list[tuple[int]]:
    """Take the first rows, as many as hold BYTES together.

    rows : number and size
    """
    taken, size = [], 0
    for row, length in rows:
        taken.append((row,))
        size += length
        if size >= BYTES:
            break
    return taken


def _low(database: sqlite3.Connection) -> int:
    found = database.execute("SELECT value, crc FROM meta WHERE name = 'low'").fetchone()
    return int(found[0]) if found and found[1] == checksum(b"", "low", found[0]) else 0
