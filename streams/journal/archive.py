"""A journal's file as it is read: rows with their checksums, whatever of it can be read, and what can't by name."""

import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitalcore.errors import JournalError
from vitalcore.streams.journal import entries
from vitalcore.streams.journal.entries import Entry

FORMAT = 2
APPLICATION = 0x76636A31  # vcj1
_UNLIKELY = 1 << 62  # a number that only damage makes
NUMBERS = ("low", "last", "streams")  # in `meta`: where recovery begins, the last entry, how many states there are

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS log (
    id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, t_ns INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS opening (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, t_ns INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS opening_key ON opening (key);
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
    """Hold which stream a handle means from the entry `id` on: `body` is that entry's."""

    id: int
    key: str
    t_ns: int
    body: bytes


class Archive:
    """Read a journal.

    path     : of the file; an engine may have it open
    database : a connection to it; None: one that can't write

    What can't be read is named in `damage`, once. `malformed` is what SQLite says where the file itself is broken, and
    not only a row.

    Errors: JournalError where it is no journal, or can't be read at all.
    """

    def __init__(self, path: Path, database: sqlite3.Connection | None = None) -> None:
        self.path = path
        self._database = connect(path) if database is None else database
        self.damage: list[str] = []
        self.malformed = ""

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def number(self, name: str) -> int:
        """Read one of NUMBERS; 0 where it is damaged."""
        for value, crc in self._select("SELECT value, crc FROM meta WHERE name = ?", name):
            if crc == checksum(b"", name, value):
                return int(value)
            self._lost(f"the number {name}")
        return 0

    def last_id(self) -> int:
        """Return the number of the last entry that there was."""
        last = self.number("last")
        if last:
            return last
        for (highest,) in self._select("SELECT max(id) FROM log WHERE id < ?", _UNLIKELY):
            last = highest or 0
        return last

    def saves(self) -> Iterator[Save]:
        """Read the saved states."""
        latest: dict[str, int] = {}
        for key, as_of in self._scan("stream", "key, as_of"):
            if isinstance(as_of, int):
                latest[key] = max(as_of, latest.get(key, 0))
        due, found = self.number("streams"), 0
        for key, as_of, state, crc in self._scan("stream", "key, as_of, state, crc"):
            found += 1
            if crc != checksum(state, key, as_of):
                self._lost(f"the state of {key}")
            elif as_of == latest[key]:
                yield Save(key, as_of, state)
        if found < due:
            self._lost(f"{due - found} states of {due}")

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Read the entries after a number, in order."""
        low, last = self.number("low"), self.number("last")
        must = max(after, low) + 1  # what recovery does not need may have been deleted
        expected = 0
        for id_, kind, t_ns, body, crc in self._scan("log", "id, kind, t_ns, body, crc", after):
            good = crc == checksum(body, id_, kind, t_ns)
            refused = good and kind == entries.LOST
            begins = int.from_bytes(body, "little") if refused else id_
            self._hole(expected or must, begins)
            expected = id_ + 1
            if refused:
                self._lost(f"entries {begins} to {id_}: the disk refused them")
            elif not good:
                self._lost(f"entry {id_}")
            else:
                yield Entry(id_, kind, t_ns, body)
        self._hole(expected or must, last + 1)

    def lately(self, kind: int, since_ns: int) -> list[Entry]:
        """Read the last entries, back to a time, that are of a kind; in order."""
        found: list[Entry] = []
        for id_, kind_, t_ns in self._select("SELECT id, kind, t_ns FROM log ORDER BY id DESC"):
            if not isinstance(t_ns, int):
                continue  # damaged: whoever needs the entry names it
            if t_ns < since_ns:
                break
            if kind_ == kind:
                for body, crc in self._select("SELECT body, crc FROM log WHERE id = ?", id_):
                    if crc == checksum(body, id_, kind, t_ns):
                        found.append(Entry(id_, kind, t_ns, body))
        return found[::-1]

    def openings(self) -> Iterator[Opening]:
        """Read what the handles in records mean, in order."""
        for id_, key, t_ns, body, crc in self._scan("opening", "id, key, t_ns, body, crc"):
            if crc != checksum(body, id_, key, t_ns):
                self._lost(f"what was opened with entry {id_}")
            else:
                yield Opening(id_, key, t_ns, body)

    def pages(self, topic: str, first: int, last: int) -> Iterator[Page]:
        """Read the results of a topic that touch first to last, in order."""
        most = (1 << 63) - 1
        sql = "SELECT topic, first, last, t_ns, body, crc FROM result WHERE topic = ? AND last >= ? AND first <= ?"
        yield from self._pages(self._select(f"{sql} ORDER BY last", topic, min(first, most), min(last, most)))

    def results(self) -> Iterator[Page]:
        """Read all results; those of a topic in order."""
        yield from self._pages(self._scan("result", "topic, first, last, t_ns, body, crc"))

    def size_bytes(self) -> int:
        """Return what the file holds, free pages left out."""
        return used_bytes(self._database)

    def check(self) -> list[str]:
        """Return what SQLite finds wrong with the structure of the file."""
        return [str(line) for (line,) in self._select("PRAGMA integrity_check") if line != "ok"]

    def _pages(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[Page]:
        for topic, first, last, t_ns, body, crc in rows:
            if crc != checksum(body, topic, first, last):
                self._lost(f"results {first} to {last} of {topic}")
            else:
                yield Page(topic, first, last, t_ns, body)

    def _hole(self, expected: int, found: int) -> None:
        if found > expected:
            self._lost(f"entries {expected} to {found - 1}" if found > expected + 1 else f"entry {expected}")

    def _lost(self, what: str) -> None:
        if what not in self.damage:
            self.damage.append(what)

    def _broken(self, error: sqlite3.DatabaseError) -> str:
        self.malformed = str(error)
        return self.malformed

    def _select(self, sql: str, *values: int | str) -> Iterator[tuple[Any, ...]]:
        try:
            cursor = self._database.execute(sql, values)
            while (row := cursor.fetchone()) is not None:
                yield row
        except sqlite3.DatabaseError as error:
            self._lost(f"what was asked for: {self._broken(error)}")

    def _scan(self, table: str, columns: str, after: int = 0) -> Iterator[tuple[Any, ...]]:
        """Read the rows of a table in their order, past those that SQLite can't read."""
        at = after
        while True:
            try:
                cursor = self._database.execute(self._rows(table, columns), (at,))
                while (row := cursor.fetchone()) is not None:
                    if row[0] <= at:
                        self._broken(sqlite3.DatabaseError(f"rows of {table} out of order"))
                        continue
                    at = row[0]
                    yield row[1:]
                return
            except sqlite3.DatabaseError as error:
                reason = self._broken(error)
            beyond = self._beyond(table, columns, at)
            if beyond is None:
                self._lost(f"rows from {at + 1} on of the table {table}: {reason}")
                return
            self._lost(f"rows {at + 1} to {beyond} of the table {table}: {reason}")
            at = beyond

    def _beyond(self, table: str, columns: str, at: int) -> int | None:
        """Find the first place behind which the next row can be read; None: there is none."""
        step = 1
        while not self._can_read(table, columns, at + step):
            step *= 2
            if step >> 61:
                return None
        bad, good = at + step // 2, at + step
        while good - bad > 1:
            middle = (good + bad) // 2
            if self._can_read(table, columns, middle):
                good = middle
            else:
                bad = middle
        return good

    def _can_read(self, table: str, columns: str, at: int) -> bool:
        try:
            self._database.execute(self._rows(table, columns) + " LIMIT 1", (at,)).fetchone()
        except sqlite3.DatabaseError:
            return False
        return True

    def _rows(self, table: str, columns: str) -> str:
        return f"SELECT rowid, {columns} FROM {table} WHERE rowid > ? ORDER BY rowid"


def connect(path: Path, synchronous: str | None = None) -> sqlite3.Connection:
    """Open a journal's database.

    synchronous : as SQLite has it, and the file is made if it is not there; None: it is only read

    Errors: JournalError where the file is not a journal, or can't be read.
    """
    if synchronous is not None and not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    if not path.is_file():
        raise JournalError(f"there is no journal {path}")
    mode = "ro" if synchronous is None else "rw"
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if (tables or synchronous is None) and application != APPLICATION:
            raise JournalError(f"{path} is a database of something else")
        if application == APPLICATION and version != FORMAT:
            raise JournalError(f"{path} is a journal of format {version}; this version reads format {FORMAT}")
        if synchronous is not None:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA secure_delete = ON")  # what is deleted leaves no bytes behind
            database.execute(f"PRAGMA synchronous = {synchronous}")
            if not tables:
                marks = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT};"
                database.executescript(f"BEGIN; {marks} {_SCHEMA} COMMIT;")
    except sqlite3.DatabaseError as error:
        database.close()
        raise unreadable(path, str(error)) from None
    except JournalError:
        database.close()
        raise
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Write all of it, or nothing where something fails."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def unreadable(path: Path, reason: str) -> JournalError:
    """Say that a journal is broken, and what to do."""
    return JournalError(
        f"can't read {path}: {reason}; `vitalcore journal salvage {path} NEW` copies what can be read into a new file"
    )


def used_bytes(database: sqlite3.Connection) -> int:
    """Return what a database holds, free pages left out."""
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def checksum(body: bytes, *fields: int | str) -> int:
    """Return the checksum of a row; -1, which is none, where a damaged one holds no bytes."""
    if not isinstance(body, bytes):
        return -1
    return zlib.crc32(repr(fields).encode(), zlib.crc32(body))


def note(database: sqlite3.Connection, **numbers: int) -> None:
    """Write numbers of a journal."""
    rows = [(name, value, checksum(b"", name, value)) for name, value in numbers.items()]
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", rows)


def count_streams(database: sqlite3.Connection) -> int:
    """Count the saved states."""
    (n,) = database.execute("SELECT count(*) FROM stream").fetchone()
    return int(n)
