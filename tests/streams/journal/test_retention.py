"""What is too old or too much goes, some at a time; what recovery needs stays."""

import time
from pathlib import Path

import pytest

from tests.streams.conftest import wait_for
from tests.streams.journal.test_journal import KEY, TOPIC, commit
from vitalcore.streams.journal import entries, retention
from vitalcore.streams.journal.archive import Page, Save, connect
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.journal.retention import Keep, tidy


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
    monkeypatch.setattr(retention, "BYTES", 10_000)
    path, begun_ns = tmp_path / "journal.db", time.time_ns() - 200 * 10**9
    made = Journal(path)
    for k in range(200):  # a second each
        t_ns = begun_ns + k * 10**9
        number = made.append(entries.RECORDS, t_ns, bytes(1000))
        made.save(Save(KEY, number, b"state"), [Page(TOPIC, k, k, t_ns, bytes(500))])
    commit(made, low=200)
    database = connect(path, "NORMAL")
    keep = Keep(size_bytes=1000)
    ages = []
    while True:
        before = [entry.t_ns for entry in made.archive.entries(0)]
        more = tidy(database, keep)
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
