"""The journal's file: what is committed is there, what is damaged is named, what is erased is gone."""

import resource
import signal
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streams.conftest import wait_for
from tests.streams.journal.test_entries import body, record
from vitalcore.errors import JournalError
from vitalcore.streams.journal import entries
from vitalcore.streams.journal.archive import Page, Save
from vitalcore.streams.journal.journal import Journal

KEY = "icu/p1/monitor/ecg"
TOPIC = f"{KEY}/beat/"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    made = Journal(path)
    yield made
    made.close()


def commit(journal: Journal, low: int = 0) -> None:
    number = journal.commit(low)
    assert wait_for(lambda: journal.done >= number)


def test_what_is_committed_is_there_for_the_next_process(path: Path) -> None:
    first = Journal(path)
    numbers = [first.append(entries.RECORDS, 5, body([record(1, i)])) for i in range(3)]
    first.save(Save(KEY, 2, b"state"), [Page(TOPIC, 10, 12, 5, b"page")])
    first.commit(2)
    assert first.close()
    second = Journal(path)
    assert [entry.id for entry in second.archive.entries()] == numbers == [1, 2, 3]
    assert [entry.id for entry in second.archive.entries(second.archive.number("low"))] == [3]
    assert list(second.archive.saves()) == [Save(KEY, 2, b"state")]
    assert [page.body for page in second.archive.pages(TOPIC, 12, 99)] == [b"page"]
    assert list(second.archive.pages(TOPIC, 13, 99)) == []
    assert second.append(entries.RECORDS, 5, b"") == 4
    assert second.archive.damage == []
    second.close()


def test_what_is_gathered_and_not_committed_is_not_there(path: Path) -> None:
    first = Journal(path)
    first.append(entries.RECORDS, 5, b"x")
    first.close()
    second = Journal(path)
    assert list(second.archive.entries()) == []
    second.close()


def test_a_second_process_is_refused(journal: Journal, path: Path) -> None:
    with pytest.raises(JournalError, match="another process has"):
        Journal(path)


def test_only_its_owner_can_read_it(journal: Journal, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"not a database at all, but a long enough text to be looked at" * 20)
    with pytest.raises(JournalError, match=r"journal\.db"):
        Journal(path)
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(JournalError, match="something else"):
        Journal(path)


def test_a_flipped_bit_in_a_row_is_named_and_the_other_rows_stand(path: Path) -> None:
    first = Journal(path)
    for i in range(3):
        first.append(entries.RECORDS, 5, bytes([65 + i]) * 100)
    first.save(Save(KEY, 3, b"S" * 100), [Page(TOPIC, 0, 9, 5, b"P" * 100)])
    commit(first)
    first.close()
    data = bytearray(path.read_bytes())
    for mark in (b"B" * 100, b"S" * 100, b"P" * 100):
        assert data.count(mark) == 1
        data[data.index(mark) + 50] ^= 1
    path.write_bytes(data)
    second = Journal(path)
    assert [entry.id for entry in second.archive.entries()] == [1, 3]
    assert list(second.archive.saves()) == []
    assert list(second.archive.pages(TOPIC, 0, 9)) == []
    assert second.archive.damage == ["entry 2", f"the state of {KEY}", f"results 0 to 9 of {TOPIC}"]
    second.close()


def test_a_disk_that_refuses_is_named_and_nothing_is_lost_when_it_heals(path: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    made = Journal(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        for _ in range(4):
            made.append(entries.RECORDS, 5, bytes(1 << 16))
        number = made.commit(0)
        assert wait_for(lambda: made.failure != "")
        made.append(entries.RECORDS, 6, b"later")
        made.commit(0)
        assert made.done < number
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert wait_for(lambda: made.done == number + 1)
    assert made.failure == ""
    assert [entry.id for entry in made.archive.entries()] == [1, 2, 3, 4, 5]
    made.close()


def test_what_memory_can_not_hold_while_the_disk_refuses_is_named(path: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    made = Journal(path, room=1 << 18)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        made.append(entries.RECORDS, 5, bytes(1 << 17))
        made.commit(0)
        assert wait_for(lambda: made.failure != "")
        for _ in range(6):
            made.append(entries.RECORDS, 5, bytes(1 << 16))
        assert made.losing
        number = made.commit(0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert wait_for(lambda: made.done == number)
    made.append(entries.RECORDS, 5, b"after")
    commit(made)
    assert [entry.id for entry in made.archive.entries()] == [1, 2, 3, 8]
    assert made.archive.damage == ["entries 4 to 7: the disk refused them"]
    made.close()
