"""Erasing what belongs to some streams from a journal, some rows at a time, between the commits of the others."""

import sqlite3
import threading
from dataclasses import dataclass, field

from vitalcore.streams.journal.archive import count_streams, note, transaction
from vitalcore.streams.journal.sweep import Sweep

RESULTS = 200  # removed in one transaction
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
    sweep: Sweep = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin with the oldest entry."""
        self.sweep = Sweep(lambda key: key.startswith(self.prefix))


def erase(database: sqlite3.Connection, job: Erasure) -> bool:
    """Go on with removing what belongs to the streams; tell whether all of it is gone.

    What fails is done again from the beginning.
    """
    gone = job.gone
    try:
        with transaction(database):
            done = _some(database, job)
    except BaseException:
        job.gone = gone
        job.begin()
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
    job.gone += database.execute(
        "DELETE FROM stream WHERE key >= ? AND key < ? AND as_of <= ?", (*inside, job.last)
    ).rowcount
    found, changed = job.sweep.some(database, job.last)
    results = "SELECT rowid FROM result WHERE topic >= ? AND topic < ? LIMIT ?"
    removed = database.execute(f"DELETE FROM result WHERE rowid IN ({results})", (*inside, RESULTS)).rowcount
    job.gone += changed + removed
    done = not found and not removed
    if done:
        job.gone += database.execute(
            "DELETE FROM opening WHERE key >= ? AND key < ? AND id <= ?", (*inside, job.last)
        ).rowcount
    note(database, streams=count_streams(database))
    return done
