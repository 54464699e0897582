"""SQLite's write-ahead log as bytes: what stands in it, and whether SQLite can read as far."""

import os
import sqlite3
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitalcore.streams.journal import archive

PAGE_SIZE = 4096  # SQLite's own choice for a new file
_HEADER = struct.Struct(">8I")  # magic, format, page size, checkpoints, two salts, two checksums
_FRAME = struct.Struct(">6I")  # page, size of the database after a commit or 0, two salts, two checksums


@dataclass(frozen=True)
class Frame:
    """Hold a page of the log, whatever its checksums say.

    number  : from 1
    page    : of the database
    pages   : of the database after the transaction that it ends; 0: it ends none
    at      : where its bytes begin
    """

    number: int
    page: int
    pages: int
    at: int


def beside(path: Path) -> Path:
    """Return where the log of a database is."""
    return path.with_name(path.name + "-wal")


def frames(path: Path) -> Iterator[Frame]:
    """Read what stands in the log of a database since it last began anew (sqlite.org/fileformat2.html, 4.1)."""
    if not beside(path).exists():
        return
    with beside(path).open("rb") as file:
        header = file.read(_HEADER.size)
        heads = []
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            heads.append(_FRAME.unpack(head))
            file.seek(PAGE_SIZE, os.SEEK_CUR)
        size = os.fstat(file.fileno()).st_size
    if not heads:
        return
    # three places name the salts, so that a damaged one is outvoted
    (salts, _), *_ = Counter([_HEADER.unpack(header)[4:6], *(head[2:4] for head in heads[:2])]).most_common(1)
    for i, (page, pages, *rest) in enumerate(heads):
        at = _HEADER.size + (i + 1) * _FRAME.size + i * PAGE_SIZE
        if tuple(rest[:2]) == salts and at + PAGE_SIZE <= size:
            yield Frame(i + 1, page, pages, at)


def torn(path: Path) -> list[str]:
    """Name what stands in the log of a database behind a damaged place, where SQLite reads no further.

    After a loss of power that may be what was under way, or what `journaled` does not promise.

    Errors: JournalError
    """
    there = max((frame.number for frame in frames(path) if frame.pages), default=0)
    if not there:
        return []
    reader = archive.connect(path)  # one that writes would remove the log when it is closed
    try:
        with path.with_name(path.name + "-shm").open("rb") as index:  # sqlite.org/walformat.html: mxFrame
            good = int.from_bytes(index.read(20)[16:], sys.byteorder)
    except (sqlite3.DatabaseError, OSError) as error:
        raise archive.unreadable(path, str(error)) from None
    finally:
        reader.close()
    if there <= good:
        return []
    return [f"what was written last: {beside(path).name} is damaged behind page {good} of {there}"]
