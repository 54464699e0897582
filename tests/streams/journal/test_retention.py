"""What is too old or too much goes, some at a time; what recovery needs stays."""

import sqlite3
import time
from pathlib import Path

import pytest

from tests.streams.conftest import wait_for
from tests.streams.journal.test_entries import body, record
from tests.streams.journal.test_journal import KEY, TOPIC, commit
from vitalcore.streams.journal import entries, retention, sweep
from vitalcore.streams.journal.archive import Page, Save, connect
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.journal.retention import Keep, Retention


def test_what_is_too_old_goes_and_what_recovery_needs_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitalcore.streams.journal.journal.TIDY_S", 0.05)
    path = tmp_path / "journal.db"
    made = Journal(path, keep=Keep(age_s=60))
    old_ns, new_ns = time.time_ns() - 120 * 10**9, time.time_ns()
    for t_ns in (old_ns, old_ns, old_ns, new_ns):
        made.append(entries.RECORDS, t_ns, b"x")
    made.save(Save(KEY, 2, b"state"), [Page(TOPIC, 0, 1, old_ns, b"old"), Page(TOPIC, 2, 3, new_ns, b"new")])
    commit(made, low=2)
    assert wait_for(lambda: [entry.id for entry in made.archive.entries()] == [3, 4])
    assert [page.body for page in made.archive.pages(TOPIC, 0, 9)] == [b"new"]
    made.close()


def test_a_journal_stays_below_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitalcore.streams.journal.journal.TIDY_S", 0.0)
    path = tmp_path / "journal.db"
    made = Journal(path, keep=Keep(size_bytes=1 << 20))
    for _ in range(60):
        number = made.append(entries.RECORDS, time.time_ns(), bytes(1 << 16))
        commit(made, low=number)
    assert wait_for(lambda: made.archive.size_bytes() < 1 << 20)
    assert path.stat().st_size < 3 << 20
    left = [entry.id for entry in made.archive.entries(0)]
    assert left == list(range(left[0], 61)) if left else made.last_id == 60
    made.close()


def test_no_more_than_some_is_removed_at_a_time_and_results_go_with_their_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BYTES", 10_000)
    path, begun_ns = tmp_path / "journal.db", time.time_ns() - 200 * 10**9
    made = Journal(path)
    for k in range(200):  # a second each
        t_ns = begun_ns + k * 10**9
        number = made.append(entries.RECORDS, t_ns, bytes(1000))
        made.save(Save(KEY, number, b"state"), [Page(TOPIC, k, k, t_ns, bytes(500))])
    commit(made, low=200)
    database = connect(path, "NORMAL")
    tidying = Retention(Keep(size_bytes=1000))
    ages = []
    while True:
        before = [entry.t_ns for entry in made.archive.entries(0)]
        more = tidying.tidy(database)
        left = [entry.t_ns for entry in made.archive.entries(0)]
        results = [page.t_ns for page in made.archive.pages(TOPIC, 0, 999)]
        assert len(before) - len(left) in (10, 0)
        if left:
            assert left == before[10:]
            assert results
            ages.append((left[0] - results[0]) // 10**9)
        if not more:
            break
    assert (left, results) == ([], [])
    assert set(ages) == {0}
    database.close()
    made.close()


DAY_S = 86400
HOME, DESK, BED = "home/p1/m/ecg", "home/p2/m/ecg", "icu/p3/m/ecg"
SHORTER = Keep(7 * DAY_S, streams={"home/": 2 * DAY_S, "home/p2/": DAY_S / 2})


class Clock:
    """Say what time it is."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def time_ns(self) -> int:
        return int(self.now_s * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(10 * DAY_S)
    monkeypatch.setattr(retention, "time", made)
    return made


def ten_days(journal: Journal) -> None:
    """Write a record and a result of three streams every six hours; the handles go round as streams open anew."""
    keys = [HOME, DESK, BED]
    for k in range(40):
        t_ns = k * DAY_S // 4 * 10**9
        turned = keys[k // 13 % 3 :] + keys[: k // 13 % 3]
        if k % 13 == 0:
            for handle, key in enumerate(turned, 1):
                journal.opened(key, t_ns, entries.spell(key=key, handle=handle))
        pages = [Page(f"{key}/beat/", k, k, t_ns, key.encode()) for key in keys]
        journal.append(entries.RECORDS, t_ns, body([record(turned.index(key) + 1, k) for key in keys]))
        journal.save(Save(HOME, journal.last_id, b"state"), pages)


def left(journal: Journal) -> dict[str, tuple[list[int], list[int]]]:
    """Read of each stream which records and which results there are, by their numbers."""
    keys: list[str] = [HOME, DESK, BED]
    handles = dict.fromkeys(keys, 0)
    found: dict[str, tuple[list[int], list[int]]] = {key: ([], []) for key in keys}
    openings = list(journal.archive.openings())
    for entry in journal.archive.entries():
        for opening in openings:
            if opening.id <= entry.id:
                handles[opening.key] = entries.read(opening.body)["handle"]
        if entry.kind == entries.RECORDS:
            starts, _, data = entries.read_records(entry.body)
            for start, handle in zip(starts, entries.handles(starts, data), strict=True):
                (key,) = [name for name, mine in handles.items() if mine == handle]
                found[key][0].append(int.from_bytes(data[start + 24 : start + 32].tobytes(), "little"))
    for key in keys:
        found[key][1].extend(page.first for page in journal.archive.pages(f"{key}/beat/", 0, 99))
    return found


def young(now_s: float, age_s: float) -> list[int]:
    return [k for k in range(40) if k * DAY_S / 4 >= now_s - age_s]


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_each_stream_is_kept_as_long_as_its_own_bound_says(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    for module in (sweep, retention):
        monkeypatch.setattr(module, "ROWS", rows)
    journal = Journal(tmp_path / "journal.db")
    ten_days(journal)
    commit(journal, low=journal.last_id)
    database, tidying = connect(journal.path, "NORMAL"), Retention(SHORTER)
    for now_s in (clock.now_s, clock.now_s + DAY_S / 3, clock.now_s + DAY_S, clock.now_s + 20 * DAY_S):
        clock.now_s = now_s
        while tidying.tidy(database):
            pass
        bounds = {HOME: 2 * DAY_S, DESK: DAY_S / 2, BED: 7 * DAY_S}
        assert left(journal) == {key: (young(now_s, age_s),) * 2 for key, age_s in bounds.items()}
        assert journal.archive.damage == []
    database.close()
    journal.close()


def test_what_recovery_needs_stays_beyond_a_streams_own_bound(tmp_path: Path, clock: Clock) -> None:
    journal = Journal(tmp_path / "journal.db")
    ten_days(journal)
    commit(journal, low=20)
    database, tidying = connect(journal.path, "NORMAL"), Retention(SHORTER)
    while tidying.tidy(database):
        pass
    needed = [entry for entry in journal.archive.entries(20) if entry.kind == entries.RECORDS]
    assert all(len(entries.read_records(entry.body)[0]) == 3 for entry in needed)
    assert len(needed) == 40 - (20 - 6)  # six of the first twenty entries are openings
    database.close()
    journal.close()


def test_what_the_disk_refused_to_take_out_goes_with_the_next_attempt(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal.db")
    ten_days(journal)
    commit(journal, low=journal.last_id)
    database, tidying = connect(journal.path, "NORMAL"), Retention(SHORTER)

    def refuse(*_: object) -> int:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(retention.Expiry, "_results", refuse)
        with pytest.raises(sqlite3.OperationalError):
            tidying.tidy(database)
    while tidying.tidy(database):
        pass
    assert left(journal)[HOME] == (young(clock.now_s, 2 * DAY_S),) * 2
    database.close()
    journal.close()
