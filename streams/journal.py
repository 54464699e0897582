"""The journal: one SQLite file with what came in, what was made of it, and where to go on after a crash."""

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from vitalcore.errors import JournalError
from vitalcore.streams import entries
from vitalcore.streams.entries import Entry

LEVELS = {"journaled": "NORMAL", "fsynced": "FULL"}
RETRY_S = 1.0  # between attempts on a disk that refuses
TIDY_S = 10.0
TIDY_ROWS = 2000  # deleted in one transaction
FORMAT = 1

_APPLICATION = 0x76636A31  # vcj1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS log (
    id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, t_ns INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS opening (
    id INTEGER PRIMARY KEY, handle INTEGER NOT NULL, session INTEGER NOT NULL, key TEXT NOT NULL, t_ns INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS stream (
    key TEXT PRIMARY KEY, as_of INTEGER NOT NULL, state BLOB NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS result (
    topic TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, t_ns INTEGER NOT NULL,
    body BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (topic, last)
) STRICT;
CREATE INDEX IF NOT EXISTS result_age ON result (t_ns);
"""


@dataclass(frozen=True)
class Keep:
    """Bound what the journal holds; what recovery needs is kept beyond it.

    age_s      : s, of entries and results
    size_bytes : of the file
    """

    age_s: float = 7 * 86400.0
    size_bytes: int = 16 << 30


@dataclass(frozen=True)
class Page:
    """Hold results of one topic, first to last."""

    topic: str
    first: int
    last: int
    t_ns: int
    body: bytes


@dataclass(frozen=True)
class Save:
    """Hold the state of a stream after the entry `as_of`; None: the stream is forgotten."""

    key: str
    as_of: int
    state: bytes | None


@dataclass(frozen=True)
class Opening:
    """Hold which stream a handle means, from the entry `id` on."""

    id: int
    handle: int
    session: int
    key: str
    t_ns: int


@dataclass
class _Batch:
    number: int
    low: int = 0
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
        self.damage: list[str] = []
        try:
            self._reader = self._open()
        except BaseException:
            self._lock.close()
            raise
        self.last_id = max(self._number("SELECT max(id) FROM log"), self._number("SELECT max(as_of) FROM stream"))
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

    def opened(self, handle: int, session: int, key: str, t_ns: int) -> None:
        """Gather what the handle in the records after the last entry means."""
        self._next.openings.append(Opening(self.last_id, handle, session, key, t_ns))

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
        batch.low = low
        with self._wake:
            self._batches.append(batch)
            self._held += batch.size
            self._wake.notify()
        return batch.number

    @property
    def waiting(self) -> int:
        """Count the batches that are not on disk."""
        return len(self._batches)

    def erase(self, prefix: str) -> "Erasure":
        """Remove everything of the streams whose keys begin so, once what was handed over is on disk."""
        job = Erasure(prefix)
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
        self._reader.close()
        self._lock.close()
        return not self._batches

    def low(self) -> int:
        """Return the entry after which recovery begins."""
        return self._number("SELECT value FROM meta WHERE name = 'low'")

    def saves(self) -> Iterator[Save]:
        """Read the saved states; one that is damaged is named in `damage` and left out."""
        for key, as_of, state, crc in self._rows("SELECT key, as_of, state, crc FROM stream"):
            if crc != _crc(state, key, as_of):
                self.damage.append(f"the state of {key}")
            else:
                yield Save(key, as_of, state)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Read the entries after a number, in order; what is damaged is named in `damage` and left out."""
        expected = 0
        for id_, kind, t_ns, body, crc in self._rows(
            "SELECT id, kind, t_ns, body, crc FROM log WHERE id > ? ORDER BY id", after
        ):
            good = crc == _crc(body, id_, kind, t_ns)
            refused = good and kind == entries.LOST
            begins = int.from_bytes(body, "little") if refused else id_
            if expected and begins > expected:
                self.damage.append(f"entries {expected} to {begins - 1}")
            expected = id_ + 1
            if refused:
                self.damage.append(f"entries {begins} to {id_}: the disk refused them")
            elif not good:
                self.damage.append(f"entry {id_}")
            else:
                yield Entry(id_, kind, t_ns, body)

    def pages(self, topic: str, first: int, last: int) -> Iterator[Page]:
        """Read the results of a topic that touch first to last, in order."""
        for name, low, high, t_ns, body, crc in self._rows(
            "SELECT topic, first, last, t_ns, body, crc FROM result WHERE topic = ? AND last >= ? AND first <= ?"
            " ORDER BY last",
            topic,
            min(first, (1 << 63) - 1),
            min(last, (1 << 63) - 1),
        ):
            if crc != _crc(body, name, low, high):
                self.damage.append(f"results {low} to {high} of {name}")
            else:
                yield Page(name, low, high, t_ns, body)

    def openings(self) -> list[Opening]:
        """Read what the handles in records mean, in order."""
        return [Opening(*row) for row in self._rows("SELECT id, handle, session, key, t_ns FROM opening ORDER BY id")]

    def topics(self, prefix: str = "") -> list[str]:
        """List the topics of which results are held."""
        found = self._rows("SELECT DISTINCT topic FROM result WHERE substr(topic, 1, ?) = ?", len(prefix), prefix)
        return sorted(topic for (topic,) in found)

    def size_bytes(self) -> int:
        """Return what the file holds, free pages left out."""
        return _used(self._reader)

    def _rows(self, sql: str, *values: int | str) -> Iterator[tuple[Any, ...]]:
        cursor = self._reader.execute(sql, values)
        while True:
            try:
                row = cursor.fetchone()
            except sqlite3.DatabaseError as error:
                self.damage.append(f"the rest of a table: {error}")
                return
            if row is None:
                return
            yield row

    def _number(self, sql: str) -> int:
        for (value,) in self._rows(sql):
            return value or 0
        return 0

    def _open(self) -> sqlite3.Connection:
        return open_database(self.path, LEVELS[self.level])

    def _work(self) -> None:
        database = self._open()
        tidy_at = time.monotonic() + TIDY_S
        while True:
            with self._wake:
                while not (self._batches or self._erasing or self._closing):
                    if not self._wake.wait(max(0.0, tidy_at - time.monotonic())):
                        break
                batch = self._batches[0] if self._batches else None
                job = self._erasing[0] if self._erasing and not self._batches else None
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
                if job is not None:
                    _erase(database, job)
                    self._erasing.popleft()
                if time.monotonic() >= tidy_at:
                    tidy_at = time.monotonic() + (0.0 if _tidy(database, self._keep) else TIDY_S)
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


@dataclass
class Erasure:
    """Hold a request to erase, and what came of it: rows removed or rewritten; None while it waits."""

    prefix: str
    rows: int | None = None


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


def open_database(path: Path, synchronous: str = "NORMAL") -> sqlite3.Connection:
    """Open or make a journal's database.

    Errors: JournalError where the file is not a journal; sqlite3.Error
    """
    fresh = not path.exists()
    if fresh:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables and application != _APPLICATION:
            raise JournalError(f"{path} is a database of something else")
        if application == _APPLICATION and version != FORMAT:
            raise JournalError(f"{path} is a journal of format {version}; this version reads format {FORMAT}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA secure_delete = ON")  # what is deleted leaves no bytes behind
        database.execute(f"PRAGMA synchronous = {synchronous}")
        if not tables:
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
            database.execute(f"PRAGMA user_version = {FORMAT}")
            database.executescript("BEGIN;" + _SCHEMA + "COMMIT;")
    except sqlite3.DatabaseError as error:
        database.close()
        raise JournalError(f"can't read {path}: {error}") from None
    except JournalError:
        database.close()
        raise
    return database


def _write(database: sqlite3.Connection, batch: _Batch) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        database.executemany(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?)",
            [(e.id, e.kind, e.t_ns, e.body, _crc(e.body, e.id, e.kind, e.t_ns)) for e in batch.entries],
        )
        database.executemany(
            "INSERT INTO opening VALUES (?, ?, ?, ?, ?)",
            [(o.id, o.handle, o.session, o.key, o.t_ns) for o in batch.openings],
        )
        for save in batch.saves:
            if save.state is None:
                database.execute("DELETE FROM stream WHERE key = ?", (save.key,))
            else:
                row = save.key, save.as_of, save.state, _crc(save.state, save.key, save.as_of)
                database.execute("INSERT OR REPLACE INTO stream VALUES (?, ?, ?, ?)", row)
        database.executemany(
            "INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?, ?)",
            [(p.topic, p.first, p.last, p.t_ns, p.body, _crc(p.body, p.topic, p.first, p.last)) for p in batch.pages],
        )
        database.execute("INSERT OR REPLACE INTO meta VALUES ('low', ?)", (batch.low,))
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _tidy(database: sqlite3.Connection, keep: Keep) -> bool:
    """Delete what is too old or too much, some at a time; tell whether more is."""
    before_ns = time.time_ns() - int(keep.age_s * 1e9)
    low = database.execute("SELECT value FROM meta WHERE name = 'low'").fetchone()
    low = low[0] if low else 0
    too_much = _used(database) > keep.size_bytes
    database.execute("BEGIN IMMEDIATE")
    old = database.execute(
        "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE id <= ? AND (t_ns < ? OR ?) ORDER BY id LIMIT ?)",
        (low, before_ns, too_much, TIDY_ROWS),
    ).rowcount
    old += database.execute(
        "DELETE FROM result WHERE rowid IN (SELECT rowid FROM result WHERE t_ns < ? OR ? ORDER BY t_ns LIMIT ?)",
        (before_ns, too_much, TIDY_ROWS),
    ).rowcount
    database.execute(
        "DELETE FROM opening WHERE t_ns < ? AND id NOT IN (SELECT max(id) FROM opening GROUP BY key)", (before_ns,)
    )
    database.execute("COMMIT")
    return old > 0


def _erase(database: sqlite3.Connection, job: Erasure) -> None:
    """Remove what belongs to the streams; entries that held other streams too are written again without them."""
    like = len(job.prefix), job.prefix
    mine: dict[int, str] = {}
    rows = 0
    database.execute("BEGIN IMMEDIATE")
    try:
        openings = deque(database.execute("SELECT id, handle, key FROM opening ORDER BY id").fetchall())
        found = database.execute("SELECT id, kind, t_ns, body FROM log ORDER BY id")
        for id_, kind, t_ns, body in found:
            while openings and openings[0][0] <= id_:
                _, handle, key = openings.popleft()
                mine[handle] = key
            handles = {handle for handle, key in mine.items() if key.startswith(job.prefix)}
            left = entries.without(Entry(id_, kind, t_ns, body), handles, job.prefix)
            if left.body != body or left.kind != kind:
                rows += 1
                crc = _crc(left.body, id_, left.kind, t_ns)
                database.execute(
                    "UPDATE log SET kind = ?, body = ?, crc = ? WHERE id = ?", (left.kind, left.body, crc, id_)
                )
        for table, column in (("opening", "key"), ("stream", "key"), ("result", "topic")):
            rows += database.execute(f"DELETE FROM {table} WHERE substr({column}, 1, ?) = ?", like).rowcount
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    job.rows = rows


def _used(database: sqlite3.Connection) -> int:
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _crc(body: bytes, *fields: int | str) -> int:
    return zlib.crc32(repr(fields).encode(), zlib.crc32(body))
