"""The journal: one SQLite file with what came in, what was made of it, and where to go on after a crash."""

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from vitalcore.errors import JournalError
from vitalcore.streams.journal import entries, wal
from vitalcore.streams.journal.archive import (
    Archive,
    Opening,
    Page,
    Save,
    checksum,
    connect,
    count_streams,
    note,
    transaction,
    unreadable,
)
from vitalcore.streams.journal.entries import Entry
from vitalcore.streams.journal.erasure import Erasure, erase
from vitalcore.streams.journal.retention import Keep, Retention

LEVELS = {"journaled": "NORMAL", "fsynced": "FULL"}
RETRY_S = 1.0  # between attempts on a disk that refuses
TIDY_S = 10.0
PAUSE_S = 0.05  # until a file that is being read is tried again


@dataclass
class _Batch:
    number: int
    low: int = 0
    last: int = 0
    entries: list[Entry] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    saves: list[Save] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    size: int = 0


class Journal:
    """Write entries, states and results in transactions on a thread of its own; read them back.

    path  : of the file; made if it is not there, readable by its owner only
    level : what a commit survives: `journaled` (the engine's end) or `fsynced` (loss of power)
    keep  : bounds of age and size
    room  : bytes that wait in memory while the disk refuses; what comes after is not journaled, and the journal says so

    `append` and `save` gather, `commit` hands over what was gathered. A commit that the disk refuses is tried again
    until it succeeds; `failure` names the reason meanwhile.

    Errors: JournalError where another process has the file, or it is no journal.
    """

    def __init__(self, path: str | Path, level: str = "journaled", keep: Keep | None = None, room: int = 1 << 26):
        if level not in LEVELS:
            raise JournalError(f"the level of a journal is {' or '.join(LEVELS)}; not {level}")
        self.path, self.level, self._keep, self._room = Path(path), level, keep or Keep(), room
        self._lock = lock(self.path)
        try:
            torn = wal.torn(self.path)
            self.archive = Archive(self.path, self._open())
            self.last_id = self.archive.last_id()
            if self.archive.malformed:
                self.archive.close()
                raise unreadable(self.path, self.archive.malformed)
        except BaseException:
            self._lock.close()
            raise
        self.archive.damage += torn
        self.failure = ""
        self.refused = 0  # commits
        self.done = 0  # number of the last batch that is on disk
        self.commit_s = 0.0  # that the last commit took
        self.skipped = 0  # entries that never got there
        self._lost = 0  # first entry of those that LOST will stand for
        self._next = _Batch(1)
        self._batches: deque[_Batch] = deque()
        self._held = 0
        self._wake = threading.Condition()
        self._closing = False
        self._erasing: deque[Erasure] = deque()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def append(self, kind: int, t_ns: int, body: bytes) -> int:
        """Gather an entry; return its number."""
        self.last_id += 1
        if self.failure and self._held + self._next.size + len(body) > self._room:
            self._lost = self._lost or self.last_id
            self.skipped += 1
            return self.last_id
        if self._lost:
            gone = Entry(self.last_id - 1, entries.LOST, t_ns, self._lost.to_bytes(8, "little"))
            self._next.entries.append(gone)
            self._lost = 0
        self._next.entries.append(Entry(self.last_id, kind, t_ns, body))
        self._next.size += len(body)
        return self.last_id

    def opened(self, key: str, t_ns: int, body: bytes) -> int:
        """Gather that a stream was opened, as an entry and as what its handle means from then on."""
        number = self.append(entries.OPENED, t_ns, body)
        self._next.openings.append(Opening(number, key, t_ns, body))
        return number

    @property
    def losing(self) -> bool:
        """Tell whether entries are not journaled just now: memory is full of those that the disk refuses."""
        return self._lost != 0

    def save(self, save: Save, pages: list[Page]) -> None:
        """Gather the state of a stream and its results since the last time."""
        self._next.saves.append(save)
        self._next.pages += pages
        self._next.size += len(save.state or b"") + sum(len(page.body) for page in pages)

    def commit(self, low: int) -> int:
        """Hand over what was gathered; return the number that `done` reaches when it is on disk.

        low : entry after which recovery begins
        """
        batch, self._next = self._next, _Batch(self._next.number + 1)
        batch.low, batch.last = low, self.last_id
        with self._wake:
            self._batches.append(batch)
            self._held += batch.size
            self._wake.notify()
        return batch.number

    @property
    def waiting(self) -> int:
        """Count the batches that are not on disk."""
        return len(self._batches)

    def counters(self) -> dict[str, int]:
        """Count what has happened since the start; from any thread."""
        parts = (self.path.with_name(self.path.name + ending) for ending in ("", "-wal"))
        return {
            "journal_refused": self.refused,
            "journal_skipped": self.skipped,
            "journal_waiting": self.waiting,
            "journal_bytes": sum(part.stat().st_size for part in parts if part.exists()),
            "journal_commit_ns": int(self.commit_s * 1e9),
        }

    def erase(self, prefix: str) -> Erasure:
        """Remove everything of the streams whose keys begin so, up to what was handed over last.

        prefix : ends with a slash
        """
        job = Erasure(prefix, self._next.number - 1, self.last_id)
        with self._wake:
            self._erasing.append(job)
            self._wake.notify()
        return job

    def close(self, timeout_s: float = 10.0) -> bool:
        """Wait for what was handed over and close; tell whether all of it is on disk."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout_s)
        self.archive.close()
        self._lock.close()
        return not self._batches

    def _open(self) -> sqlite3.Connection:
        return connect(self.path, LEVELS[self.level])

    def _work(self) -> None:
        database = self._open()
        retention = Retention(self._keep)
        tidy_at = time.monotonic() + TIDY_S
        while True:
            with self._wake:
                while not (self._batches or self._erasing or self._closing):
                    if not self._wake.wait(max(0.0, tidy_at - time.monotonic())):
                        break
                batch = self._batches[0] if self._batches else None
                job = self._erasing[0] if self._erasing else None
                if self._closing and batch is None:
                    break
            try:
                if batch is not None:
                    begun = time.monotonic()
                    _write(database, batch)
                    self.commit_s = time.monotonic() - begun
                    with self._wake:
                        self._batches.popleft()
                        self._held -= batch.size
                    self.done = batch.number
                    self.failure = ""
                if job is not None and job.after <= self.done:
                    if erase(database, job):
                        self._erasing.popleft()
                        job.done.set()
                    elif batch is None and job.sweep.at >= job.last:
                        time.sleep(PAUSE_S)
                if time.monotonic() >= tidy_at:
                    tidy_at = time.monotonic() + (0.0 if retention.tidy(database) else TIDY_S)
            except (sqlite3.Error, OSError) as error:
                self.failure = str(error)
                self.refused += 1
                database = self._again(database)
                if self._closing:
                    break
                time.sleep(RETRY_S)
        database.close()

    def _again(self, database: sqlite3.Connection) -> sqlite3.Connection:
        """Open the file once more: what a failed commit has left in the connection is let go."""
        try:
            fresh = self._open()
        except (sqlite3.Error, OSError, JournalError):
            with contextlib.suppress(sqlite3.Error):
                database.rollback()
            return database
        database.close()
        return fresh


def lock(path: Path) -> IO[bytes]:
    """Take the file's lock, which ends with the process.

    Errors: JournalError
    """
    beside = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise JournalError(f"can't write {beside}: {error.strerror}") from None
    held = os.fdopen(descriptor, "r+b")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise JournalError(f"another process has {path}; stop it first, or name another file") from None
    return held


def _write(database: sqlite3.Connection, batch: _Batch) -> None:
    with transaction(database):
        # where damage has made up a number, its row gives way
        database.executemany(
            "INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?, ?)",
            [(e.id, e.kind, e.t_ns, e.body, checksum(e.body, e.id, e.kind, e.t_ns)) for e in batch.entries],
        )
        database.executemany(
            "INSERT INTO opening VALUES (?, ?, ?, ?, ?)",
            [(o.id, o.key, o.t_ns, o.body, checksum(o.body, o.id, o.key, o.t_ns)) for o in batch.openings],
        )
        for save in batch.saves:
            if save.state is None:
                database.execute("DELETE FROM stream WHERE key = ?", (save.key,))
            else:
                row = save.key, save.as_of, save.state, checksum(save.state, save.key, save.as_of)
                database.execute("INSERT OR REPLACE INTO stream VALUES (?, ?, ?, ?)", row)
        database.executemany(
            "INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?, ?)",
            [
                (p.topic, p.first, p.last, p.t_ns, p.body, checksum(p.body, p.topic, p.first, p.last))
                for p in batch.pages
            ],
        )
        numbers = {"low": batch.low, "last": batch.last}
        if batch.saves:
            numbers["streams"] = count_streams(database)
        note(database, **numbers)
