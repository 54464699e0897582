"""Erasing what belongs to some streams from a journal, some rows at a time, between the commits of the others."""

import sqlite3
import threading
from collections import deque
from dataclasses import dataclass, field

from vitalcore.streams.journal import entries
from vitalcore.streams.journal.archive import checksum, count_streams, note, transaction
from vitalcore.streams.journal.entries import Entry

ROWS = 100  # of the log looked at in one transaction
RESULTS = 200  # removed in one
BUSY_MS = 5000  # until a transaction gives up waiting for a lock


@dataclass
class Erasure:
    """Hold a request to erase, and how far it is.

    after  : commit that must be on disk before it begins
    last   : entry up to which it goes
    gone   : rows removed or written again
    """

    prefix: str
    after: int
    last: int
    gone: int = 0
    done: threading.Event = field(default_factory=threading.Event)
    at: int = 0
    openings: deque[tuple[int, int, str]] | None = None
    mine: set[int] = field(default_factory=set)


def erase(database: sqlite3.Connection, job: Erasure) -> bool:
    """Go on with removing what belongs to the streams; tell whether all of it is gone.

    Entries that held other streams too are written again without them. What fails is done again from the beginning.
    """
    gone = job.gone
    try:
        with transaction(database):
            done = _some(database, job)
    except BaseException:
        job.gone, job.at, job.openings, job.mine = gone, 0, None, set()
        raise
    if done:
        database.execute("PRAGMA busy_timeout = 0")  # commits don't wait for whoever reads the file
        (busy, _, _) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        database.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        done = not busy
    return done


def _some(database: sqlite3.Connection, job: Erasure) -> bool:
    """Remove some; tell whether nothing was left."""
    inside = job.prefix, job.prefix[:-1] + "0"  # which is what follows a slash
    if job.openings is None:
        rows = database.execute("SELECT id, key, t_ns, body, crc FROM opening WHERE id <= ? ORDER BY id", (job.last,))
        job.openings = deque(
            (id_, entries.read(body)["handle"], key)
            for id_, key, t_ns, body, crc in rows
            if crc == checksum(body, id_, key, t_ns)
        )
    job.gone += database.execute(
        "DELETE FROM stream WHERE key >= ? AND key < ? AND as_of <= ?", (*inside, job.last)
    ).rowcount
    found = database.execute(
        "SELECT id, kind, t_ns, body, crc FROM log WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
        (job.at, job.last, ROWS),
    ).fetchall()
    for id_, kind, t_ns, body, crc in found:
        job.at = id_
        while job.openings and job.openings[0][0] <= id_:
            _, handle, key = job.openings.popleft()
            job.mine.discard(handle)
            if key.startswith(job.prefix):
                job.mine.add(handle)
        if crc == checksum(body, id_, kind, t_ns):
            left = entries.without(Entry(id_, kind, t_ns, body), job.mine, job.prefix)
            crc = checksum(left.body, id_, left.kind, t_ns)
        else:
            left = Entry(id_, kind, t_ns, b"")  # nobody can tell whose it was: it stays damaged, and empty
        if left.body != body or left.kind != kind:
            job.gone += 1
            database.execute(
                "UPDATE log SET kind = ?, body = ?, crc = ? WHERE id = ?", (left.kind, left.body, crc, id_)
            )
    results = "SELECT rowid FROM result WHERE topic >= ? AND topic < ? LIMIT ?"
    removed = database.execute(f"DELETE FROM result WHERE rowid IN ({results})", (*inside, RESULTS)).rowcount
    job.gone += removed
    done = not found and not removed
    if done:
        job.gone += database.execute(
            "DELETE FROM opening WHERE key >= ? AND key < ? AND id <= ?", (*inside, job.last)
        ).rowcount
    note(database, streams=count_streams(database))
    return done
