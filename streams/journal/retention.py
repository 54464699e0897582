"""What is too old or too much goes from a journal, some at a time, between the commits of what comes in."""

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from vitalcore.streams.journal.archive import checksum, transaction, used_bytes
from vitalcore.streams.journal.sweep import ROWS, Sweep, some

DAY_S = 86400.0


@dataclass(frozen=True)
class Keep:
    """Bound what the journal holds; what recovery needs is kept beyond it.

    age_s      : s, of entries and results
    size_bytes : of the file
    streams    : shorter ages, s, by the beginning of a key, which ends with a slash; the longest that fits counts
    """

    age_s: float = 7 * DAY_S
    size_bytes: int = 16 << 30
    streams: Mapping[str, float] = field(default_factory=dict)

    def of(self, name: str) -> float:
        """Return the age that bounds a stream's entries or a topic's results, s."""
        name += "/"
        fitting = [prefix for prefix in self.streams if name.startswith(prefix)]
        return self.streams[max(fitting, key=len)] if fitting else self.age_s


class Retention:
    """Delete what is too old or too much from a journal."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._expiries = [Expiry(keep, age_s) for age_s in set(keep.streams.values())]

    def tidy(self, database: sqlite3.Connection) -> bool:
        """Delete some; tell whether more is to go.

        Where the file is too large, results go with the samples that they were made of.
        """
        more = _tidy(database, self._keep)
        for expiry in self._expiries:
            more |= expiry.some(database)
        return more


class Expiry:
    """Take out of a journal what is older than its streams' own bound.

    age_s : s, of the streams whose bound it is
    """

    def __init__(self, keep: Keep, age_s: float) -> None:
        self._keep, self._age_s = keep, age_s
        self._begin()

    def some(self, database: sqlite3.Connection) -> bool:
        """Go on; tell whether more is to go. What fails is done again from the beginning."""
        try:
            with transaction(database):
                found, _ = self._sweep.some(database, _last_old(database, self._age_s, self._sweep.at))
                return self._results(database) > 0 or found > 0
        except BaseException:
            self._begin()
            raise

    def _begin(self) -> None:
        self._sweep = Sweep(self._mine)
        self._result = 0, 0  # time and row of the last result that was looked at

    def _mine(self, name: str) -> bool:
        return self._keep.of(name) == self._age_s

    def _results(self, database: sqlite3.Connection) -> int:
        """Delete some results that are too old; return how many were looked at."""
        old = (
            "SELECT t_ns, rowid, topic FROM result WHERE (t_ns, rowid) > (?, ?) AND t_ns < ?"
            " ORDER BY t_ns, rowid LIMIT ?"
        )
        before_ns = time.time_ns() - int(self._age_s * 1e9)
        found = database.execute(old, (*self._result, before_ns, ROWS)).fetchall()
        database.executemany(
            "DELETE FROM result WHERE rowid = ?", [(row,) for _, row, topic in found if self._mine(topic)]
        )
        if found:
            self._result = found[-1][:2]
        return len(found)


def _tidy(database: sqlite3.Connection, keep: Keep) -> bool:
    """Delete what is too old or too much whatever the stream, some of it; tell whether more is."""
    now_ns = time.time_ns()
    before_ns = now_ns - int(keep.age_s * 1e9)
    low = _low(database)
    too_much = used_bytes(database) > keep.size_bytes
    last = low if too_much else _last_old(database, keep.age_s)
    with transaction(database):
        entries = some(database.execute("SELECT length(body), id FROM log WHERE id <= ? ORDER BY id", (last,)))
        database.executemany("DELETE FROM log WHERE id = ?", [(id_,) for id_ in entries])
        (oldest, oldest_ns) = database.execute("SELECT coalesce(min(id), ?), t_ns FROM log", (low + 1,)).fetchone()
        if too_much:
            before_ns = oldest_ns if entries and oldest_ns is not None else now_ns
        results = some(
            database.execute("SELECT length(body), rowid FROM result WHERE t_ns < ? ORDER BY t_ns", (before_ns,))
        )
        database.executemany("DELETE FROM result WHERE rowid = ?", [(row,) for row in results])
        if not (entries or results):  # nothing more goes just now
            _forget_handles(database, oldest)
    return bool(entries or results)


def _last_old(database: sqlite3.Connection, age_s: float, after: int = 0) -> int:
    """Find the last entry that is too old and that recovery does not need.

    From the oldest on, without a hole, whatever the clock has done: what claims to be of the future is old.

    after : an entry that is known to be too old, as all before it are
    """
    low, now_ns = _low(database), time.time_ns()
    young = "SELECT coalesce(min(id), ?) FROM log WHERE id > ? AND t_ns BETWEEN ? AND ?"
    (stop,) = database.execute(young, (low + 1, after, now_ns - int(age_s * 1e9), now_ns)).fetchone()
    return min(int(stop) - 1, low)


def _forget_handles(database: sqlite3.Connection, oldest: int) -> None:
    """Delete openings whose handles no entry from `oldest` on can have: the next one of the stream is older, too."""
    database.execute(
        "DELETE FROM opening WHERE id < ? AND EXISTS"
        " (SELECT 1 FROM opening AS later WHERE later.key = opening.key AND later.id > opening.id AND later.id <= ?)",
        (oldest, oldest),
    )


def _low(database: sqlite3.Connection) -> int:
    found = database.execute("SELECT value, crc FROM meta WHERE name = 'low'").fetchone()
    return int(found[0]) if found and found[1] == checksum(b"", "low", found[0]) else 0
