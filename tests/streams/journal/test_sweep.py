"""What belongs to some streams is taken out, whoever had their handle before and after; the rest stays as it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streams.journal.test_entries import body, record
from tests.streams.journal.test_journal import commit
from vitalcore.streams.journal import entries, sweep
from vitalcore.streams.journal.archive import connect
from vitalcore.streams.journal.entries import Entry
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.journal.sweep import Sweep, some

MINE, OTHER = "home/p1/m/ecg", "icu/p2/m/ecg"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.db")
    yield made
    made.close()


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_a_handle_means_the_stream_that_had_it_at_that_time(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(sweep, "ROWS", rows)
    numbers = []
    for key, seq in ((OTHER, 1), (MINE, 2), (OTHER, 3)):
        journal.opened(key, 5, entries.spell(key=key, handle=1))
        numbers.append(journal.append(entries.RECORDS, 5, body([record(1, seq)])))
    commit(journal)
    database, taking = connect(journal.path, "NORMAL"), Sweep(lambda key: key == MINE)
    counts = []
    while (counted := taking.some(database, journal.last_id))[0]:
        counts.append(counted)
    assert (sum(looked for looked, _ in counts), sum(changed for _, changed in counts)) == (6, 2)
    assert max(looked for looked, _ in counts) <= rows
    left = {entry.id: entry for entry in journal.archive.entries()}
    assert [left[number].body for number in numbers] == [body([record(1, 1)]), b"", body([record(1, 3)])]
    assert left[numbers[1]] == Entry(numbers[1], entries.ERASED, 5, b"")
    assert journal.archive.damage == []
    database.close()


def test_it_goes_no_further_than_it_is_told(journal: Journal) -> None:
    journal.opened(MINE, 5, entries.spell(key=MINE, handle=1))
    first, second = (journal.append(entries.RECORDS, 5, body([record(1, seq)])) for seq in (1, 2))
    commit(journal)
    database, taking = connect(journal.path, "NORMAL"), Sweep(lambda key: key == MINE)
    assert taking.some(database, first) == (2, 2)
    assert taking.some(database, first) == (0, 0)
    assert [entry.kind for entry in journal.archive.entries(first)] == [entries.RECORDS]
    assert taking.some(database, second) == (1, 1)
    database.close()


def test_no_more_than_some_bytes_are_taken_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "BYTES", 10)
    assert some([(4, "a"), (4, "b"), (4, "c"), (4, "d")]) == ["a", "b", "c"]
    assert some([(99, "a"), (1, "b")]) == ["a"]
    assert some([]) == []
