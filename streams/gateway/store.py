"""A gateway's records on disk: one SQLite file that outlives the gateway, written in groups."""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from vitalcore.errors import ParameterError, ProtocolError
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.maps import Open

RETRY_NS = 1_000_000_000  # a disk that refuses is tried again so often
DROP_NS = 250_000_000  # what is acknowledged leaves the file so often: late, it is only sent and counted twice
LEVELS = ("normal", "full")
MARK = 0x56435350  # application id of the file
SEQ_BITS = 40  # of the place of a record; the session's number lies above

# seq, sample_index, samples it covers (lost ones if it is a GAP), record, handle it is spelled for
Entry = tuple[int, int, int, bytes | memoryview, int]
_Row = tuple[int, int, int, int, bytes | memoryview]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS producer (one INTEGER PRIMARY KEY CHECK (one = 1), session INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS session (id INTEGER PRIMARY KEY, opened BLOB NOT NULL, base INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS record (
    place INTEGER PRIMARY KEY, first INTEGER NOT NULL, n INTEGER NOT NULL, put_ns INTEGER NOT NULL,
    acked INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL
);
"""


@dataclass(frozen=True)
class Stored:
    """Describe what a former run of the gateway left of one session of a stream.

    base         : where the session began, in samples of all sessions of its key
    first_seq    : oldest record that is not acknowledged, n records and n_bytes from there on
    next_seq, next_index, end_ns : where and when its samples end
    ended        : its last record is an END
    """

    id: int
    opened: Open
    base: int
    first_seq: int
    n: int
    n_bytes: int
    next_seq: int
    next_index: int
    end_ns: int
    ended: bool


class Store:
    """Keep records of many sessions in a file.

    path        : of the SQLite file (WAL); one process at a time has it
    synchronous : normal: a commit survives kill -9 of the gateway; full: loss of power too

    Nothing is written before `commit`. A disk that is full or fails never raises: `error` says what is wrong, what
    could not be written waits in memory and is tried again every second. A file that is damaged when it is opened is
    set aside under the name in `set_aside`, and a new one begun. `left` is what former runs left, of each key the
    oldest session first.

    Errors: ParameterError for a path that can't be opened, is in use or is no spool.
    """

    def __init__(self, path: str | Path, synchronous: str = "normal") -> None:
        if synchronous not in LEVELS:
            raise ParameterError(f"synchronous is {synchronous}; it must be normal or full")
        self.path = Path(path)
        self.error = ""
        self.set_aside = ""
        self.generation = 0  # commits so far
        self._pending: dict[int, _Row] = {}
        self._sessions: dict[int, tuple[bytes, int]] = {}  # that have no row yet
        self._drops: dict[int, tuple[int, bool]] = {}  # below which number, and whether that is everything so far
        self._ranges: list[tuple[int, int]] = []  # of places that are empty now
        self._refused_ns = self._dropped_ns = 0
        try:
            self._db = _connect(self.path, synchronous)
            self.left = self._load()
        except sqlite3.OperationalError as error:
            why = "another process uses it" if "locked" in str(error) else str(error)
            raise ParameterError(f"can't open the spool {path}: {why}") from None
        except sqlite3.DatabaseError:
            self.set_aside = _set_aside(self.path)
            self._db = _connect(self.path, synchronous)
            self.left = []
        self._next_id: int = 1 + self._db.execute("SELECT coalesce(max(id), 0) FROM session").fetchone()[0]

    def close(self) -> None:
        """Write what waits and close the file."""
        self._dropped_ns = self._refused_ns = 0
        self.commit()
        self._db.close()

    def begin(self, session: int | None) -> int:
        """Note a new run of the gateway and return its session: larger than all before, even if the clock ran back.

        Errors: ParameterError for a session that is not larger.
        """
        last: int = self._db.execute("SELECT coalesce(max(session), -1) FROM producer").fetchone()[0]
        if session is None:
            session = max(time.time_ns(), last + 1)
        elif session <= last:
            raise ParameterError(f"session is {session}; the spool {self.path} knows {last} already")
        self.note(session)
        return session

    def note(self, session: int) -> None:
        """Note the largest session so far."""
        try:
            self._db.execute("INSERT OR REPLACE INTO producer VALUES (1, ?)", (session,))
        except sqlite3.Error as error:
            self._refuse(error)

    def _load(self) -> list[Stored]:
        """List what former runs left; forget sessions of which nothing is left but their mark, if newer ones are."""
        found: dict[str, list[Stored]] = {}
        for number, spelled, base in self._db.execute("SELECT id, opened, base FROM session ORDER BY id").fetchall():
            stored = self._read(number, spelled, base)
            if stored is None:
                self._forget(number)
                continue
            before = found.setdefault(stored.opened.key, [])
            if before and not before[-1].n:
                self._forget(before.pop().id)
            before.append(stored)
        return [stored for each in found.values() for stored in each]

    def open(self, opened: Open, base: int) -> int:
        """Give a session a number; it is written with its first record."""
        number, self._next_id = self._next_id, self._next_id + 1
        self._sessions[number] = maps.write_open(opened), base
        return number

    def add(self, session: int, entry: Entry) -> None:
        """Keep a record, in the place of one of the same number."""
        seq, index, n, record, _ = entry
        place = session << SEQ_BITS | seq
        self._pending[place] = place, index, n, time.time_ns(), record

    def drop(self, session: int, below: int, everything: bool = False) -> None:
        """Let go of the records below a number.

        everything : these are all; the last one stays as a mark of where the session ended
        """
        self._drops[session] = below, everything

    def discard(self, session: int, first: int, below: int) -> None:
        """Let go of the records from a number to below another, written or not."""
        for seq in range(first, below):
            self._pending.pop(session << SEQ_BITS | seq, None)
        self._ranges.append((session << SEQ_BITS | first, session << SEQ_BITS | below))

    def finish(self, session: int) -> None:
        """Let go of a session that has ended, mark and all."""
        self.commit()
        try:
            self._forget(session)
        except sqlite3.Error as error:
            self._refuse(error)

    def fetch(self, session: int, first: int, below: int, most: int) -> list[Entry]:
        """Read written records from a number on; an empty list where they can't be read."""
        places = session << SEQ_BITS | first, session << SEQ_BITS | below, most
        try:
            rows = self._db.execute(
                "SELECT place, first, n, body FROM record WHERE place >= ? AND place < ? ORDER BY place LIMIT ?", places
            ).fetchall()
        except sqlite3.Error as error:
            self._refuse(error)
            return []
        return [(place & (1 << SEQ_BITS) - 1, index, n, body, -1) for place, index, n, body in rows]

    def commit(self) -> bool:
        """Write what waits in one transaction; tell whether nothing waits any more."""
        now_ns = time.monotonic_ns()
        dropping = bool(self._drops) and now_ns - self._dropped_ns > DROP_NS
        if not self._pending and not dropping:
            return True
        if self.error and now_ns - self._refused_ns < RETRY_NS:
            return False
        if self.error:
            self._prune()
        new = {place >> SEQ_BITS for place in self._pending} & self._sessions.keys() if self._sessions else set()
        try:
            execute = self._db.execute
            execute("BEGIN")
            self._db.executemany("DELETE FROM record WHERE place >= ? AND place < ?", self._ranges)
            for number in new:
                execute("INSERT OR REPLACE INTO session VALUES (?, ?, ?)", (number, *self._sessions[number]))
            self._db.executemany(
                "INSERT OR REPLACE INTO record (place, first, n, put_ns, body) VALUES (?, ?, ?, ?, ?)",
                self._pending.values(),
            )
            if dropping:
                for number, (below, everything) in self._drops.items():
                    start, stop = number << SEQ_BITS, (number << SEQ_BITS | below) - everything
                    execute("DELETE FROM record WHERE place >= ? AND place < ?", (start, stop))
                    if everything:
                        execute("UPDATE record SET acked = 1 WHERE place = ?", (stop,))
            execute("COMMIT")
        except sqlite3.Error as error:
            self._refuse(error)
            return False
        for number in new:
            del self._sessions[number]
        self._pending.clear()
        self._ranges.clear()
        if dropping:
            self._drops.clear()
            self._dropped_ns = now_ns
        self.error = ""
        self.generation += 1
        return True

    def _prune(self) -> None:
        """Let go of what was acknowledged before it could be written."""
        for place in list(self._pending):
            below, _ = self._drops.get(place >> SEQ_BITS, (0, False))
            if (place & (1 << SEQ_BITS) - 1) < below:
                del self._pending[place]

    def _refuse(self, error: sqlite3.Error) -> None:
        self.error = f"the spool {self.path} can't be written: {error}"
        self._refused_ns = time.monotonic_ns()
        if self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                return  # SQLite has rolled back by itself

    def _forget(self, number: int) -> None:
        start, stop = number << SEQ_BITS, (number + 1) << SEQ_BITS
        self._db.execute("DELETE FROM record WHERE place >= ? AND place < ?", (start, stop))
        self._db.execute("DELETE FROM session WHERE id = ?", (number,))

    def _read(self, number: int, spelled: bytes, base: int) -> Stored | None:
        places = number << SEQ_BITS, (number + 1) << SEQ_BITS
        last = self._db.execute(
            "SELECT place, first, n, put_ns, acked, body FROM record WHERE place >= ? AND place < ? "
            "ORDER BY place DESC LIMIT 1",
            places,
        ).fetchone()
        if last is None:
            return None
        place, first, n, put_ns, _, body = last
        least, count, n_bytes = self._db.execute(
            "SELECT coalesce(min(place), 0), count(*), coalesce(sum(length(body)), 0) FROM record "
            "WHERE place >= ? AND place < ? AND NOT acked",
            places,
        ).fetchone()
        mask = (1 << SEQ_BITS) - 1
        next_seq = (place & mask) + 1
        try:
            opened = maps.read_open(maps.unpack(spelled))
        except ProtocolError as error:
            raise sqlite3.DatabaseError(str(error)) from None
        return Stored(
            number, opened, base, least & mask if count else next_seq, count, n_bytes,
            next_seq, first + n, end_ns(opened, body, n) or put_ns, body[4] == wire.END,
        )  # fmt: skip


def end_ns(opened: Open, record: bytes | memoryview, n: int) -> int:
    """Return when the sample after a record's last is due; 0 where the record carries no time."""
    if record[5] & wire.TIMES:
        at = wire.RECORD.size + 8 * (n - 1)
        return int.from_bytes(record[at : at + 8], "little", signed=True)
    t0_ns = int.from_bytes(record[40:48], "little", signed=True)
    if t0_ns <= 0 or opened.rate is None:
        return 0
    return t0_ns + n * 1_000_000_000 * opened.rate.denominator // opened.rate.numerator


def _set_aside(path: Path) -> str:
    name = f"{path}.damaged-{time.time_ns()}"
    path.rename(name)
    for rest in ("-wal", "-shm"):
        Path(f"{path}{rest}").unlink(missing_ok=True)
    return name


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        mark = db.execute("PRAGMA application_id").fetchone()[0]
        if mark != MARK and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise ParameterError(f"{path} is no spool of a gateway")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
        db.execute(f"PRAGMA journal_size_limit={1 << 24}")
        db.execute("BEGIN EXCLUSIVE")
        db.execute(f"PRAGMA application_id={MARK}")
        for statement in _SCHEMA.split(";\n"):
            db.execute(statement)
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db
