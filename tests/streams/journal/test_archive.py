"""Reading a journal: beside an engine that writes it, past what is broken, and with what is lost by name."""

import sqlite3
from pathlib import Path

import pytest

from tests.streams import kept
from vitalcore.errors import JournalError
from vitalcore.streams.journal import archive
from vitalcore.streams.journal.archive import Archive
from vitalcore.streams.journal.journal import Journal


def test_a_journal_is_read_while_an_engine_writes_it(tmp_path: Path) -> None:
    with kept.running(tmp_path / "j.db"):
        reader = Archive(tmp_path / "j.db")
        assert [entry.id for entry in reader.entries()] == list(range(1, reader.last_id() + 1))
        assert {opening.key for opening in reader.openings()} == set(kept.KEYS)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._database.execute("DELETE FROM log")
        reader.close()
    assert reader.damage == []


@pytest.mark.parametrize("what", ["nothing", "a folder", "another database"])
def test_what_is_no_journal_is_refused_and_not_made(tmp_path: Path, what: str) -> None:
    path = tmp_path / "j.db"
    if what == "a folder":
        path.mkdir()
    elif what == "another database":
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE mine (x)")
        other.close()
    before = path.exists()
    with pytest.raises(JournalError, match=r"j\.db"):
        Archive(path)
    assert path.exists() == before


def long_journal(path: Path, n: int = 60) -> None:
    made = Journal(path)
    for i in range(n):
        made.append(3, 5, bytes([i]) * 3000)
    made.commit(0)
    assert made.close()


def test_rows_behind_a_broken_page_are_read_and_those_in_it_are_named(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    long_journal(path)
    data = bytearray(path.read_bytes())
    at = data.index(bytes([30]) * 2000) // 4096 * 4096
    data[at : at + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    reader = Archive(path)
    found = [entry.id for entry in reader.entries()]
    missing = set(range(1, 61)) - set(found)
    assert 1 <= len(missing) < 5
    assert 31 in missing
    assert reader.malformed
    assert any(line.startswith("rows ") for line in reader.damage)
    reader.close()
    with pytest.raises(JournalError, match="vitalcore journal salvage") as told:
        raise archive.unreadable(path, reader.malformed)
    assert "malformed" in str(told.value)


def test_entries_that_are_missing_at_the_end_or_before_the_first_are_named(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    long_journal(path, 9)
    database = sqlite3.connect(path)
    database.execute("DELETE FROM log WHERE id IN (1, 5, 8, 9)")
    database.commit()
    database.close()
    reader = Archive(path)
    assert [entry.id for entry in reader.entries()] == [2, 3, 4, 6, 7]
    assert reader.damage == ["entry 1", "entry 5", "entries 8 to 9"]
    reader.close()


def test_a_damaged_number_and_a_lost_state_are_named(tmp_path: Path) -> None:
    path = kept.stopped(tmp_path / "j.db")
    database = sqlite3.connect(path)
    database.execute("UPDATE meta SET value = value + 1 WHERE name = 'low'")
    database.execute("DELETE FROM stream WHERE key = ?", (kept.KEYS[0],))
    database.commit()
    database.close()
    reader = Archive(path)
    assert reader.number("low") == 0
    assert [save.key for save in reader.saves()] == [kept.KEYS[1]]
    assert reader.damage == ["the number low", "1 states of 2"]
    reader.close()


def spoil(path: Path, *statements: str) -> None:
    """Give rows the types that a flipped bit makes, and that no statement may."""
    loosened = "UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name IN ('log', 'stream')"
    for some in (("PRAGMA writable_schema = ON", loosened), statements):
        database = sqlite3.connect(path)
        for each in some:
            database.execute(each)
        database.commit()
        database.close()


def test_a_row_whose_type_is_damaged_is_a_damaged_row(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    long_journal(path, 5)
    spoil(path, "UPDATE log SET body = 7 WHERE id = 3", "INSERT INTO stream VALUES ('icu/p1/monitor/ecg', 'x', 5, 0)")
    reader = Archive(path)
    assert [entry.id for entry in reader.entries()] == [1, 2, 4, 5]
    assert list(reader.saves()) == []
    assert reader.damage == ["entry 3", "the state of icu/p1/monitor/ecg"]
    assert reader.last_id() == 5
    reader.close()


def test_an_entry_whose_time_is_damaged_hides_none_of_those_before_it(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    long_journal(path, 3)
    spoil(path, "UPDATE log SET t_ns = x'0102' WHERE id = 2")
    reader = Archive(path)
    assert [entry.id for entry in reader.lately(3, 0)] == [1, 3]
    reader.close()
