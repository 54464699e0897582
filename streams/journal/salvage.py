"""A new journal of what can be read of a broken one."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

from vitalcore.errors import JournalError
from vitalcore.streams.journal import journal, wal
from vitalcore.streams.journal.archive import Archive, checksum, connect, note, transaction

_BATCH = 500  # rows in a transaction


def salvage(path: Path, new: Path) -> tuple[dict[str, int], list[str]]:
    """Copy every row that can be read and is whole into a new journal; the old one is left as it is.

    Returns how many rows of each table were copied, and what is lost.

    Errors: JournalError where an engine has the old file, the new one exists, or nothing can be read.
    """
    if not path.is_file():
        raise JournalError(f"there is no journal {path}")
    if new.exists():
        raise JournalError(f"{new} exists; name another file")
    with journal.lock(path), tempfile.TemporaryDirectory(dir=new.parent, prefix=".salvage-") as folder:
        copy = Path(folder) / "copy.db"
        try:
            _settle(path, copy)
            archive = Archive(copy)
            copied = _copy(archive, new)
        except OSError as error:
            raise JournalError(f"can't copy {path}: {error.strerror}") from None
        archive.close()
        return copied, archive.damage


def _settle(path: Path, copy: Path) -> None:
    """Copy a database with its log written into it, and the first page of a new journal, which is that of every one."""
    shutil.copyfile(path, copy)
    with copy.open("r+b") as file, tempfile.TemporaryDirectory() as folder:
        written = list(wal.frames(path))
        whole = max((frame.number for frame in written if frame.pages), default=0)
        if whole:
            with wal.beside(path).open("rb") as log:
                for frame in written[:whole]:
                    log.seek(frame.at)
                    file.seek((frame.page - 1) * wal.PAGE_SIZE)
                    file.write(log.read(wal.PAGE_SIZE))
        pages = file.seek(0, 2) // wal.PAGE_SIZE
        fresh = Path(folder) / "fresh.db"
        connect(fresh, "NORMAL").close()
        first = bytearray(fresh.read_bytes()[: wal.PAGE_SIZE])
        first[28:32] = pages.to_bytes(4, "big")
        first[32:40] = bytes(8)  # no free pages: nothing is written into it
        first[92:96] = first[24:28]  # the number of pages holds
        first[18:20] = b"\x01\x01"  # there is no log any more
        file.seek(0)
        file.write(first)


def _copy(archive: Archive, new: Path) -> dict[str, int]:
    database = connect(new, "FULL")
    copied: dict[str, int] = {"log": 0, "opening": 0, "stream": 0, "result": 0}
    rows = {
        "log": ((e.id, e.kind, e.t_ns, e.body, checksum(e.body, e.id, e.kind, e.t_ns)) for e in archive.entries()),
        "opening": ((o.id, o.key, o.t_ns, o.body, checksum(o.body, o.id, o.key, o.t_ns)) for o in archive.openings()),
        "stream": (
            (s.key, s.as_of, s.state, checksum(s.state, s.key, s.as_of)) for s in archive.saves() if s.state is not None
        ),
        "result": (
            (p.topic, p.first, p.last, p.t_ns, p.body, checksum(p.body, p.topic, p.first, p.last))
            for p in archive.results()
        ),
    }
    low = archive.number("low")
    for table, found in rows.items():
        batch: list[tuple[object, ...]] = []
        for row in found:
            batch.append(row)
            copied[table] += 1
            if len(batch) == _BATCH:
                _insert(database, table, batch)
        _insert(database, table, batch)
    (oldest,) = database.execute("SELECT coalesce(min(id) - 1, 0) FROM log").fetchone()
    numbers = {"low": low or oldest, "last": archive.last_id(), "streams": copied["stream"]}
    note(database, **numbers)
    database.close()
    return copied


def _insert(database: sqlite3.Connection, table: str, rows: list[tuple[object, ...]]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        with transaction(database):
            database.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)
        rows.clear()
