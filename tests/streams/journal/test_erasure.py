"""What is erased is gone from every byte; what belongs to others stays."""

import sqlite3
from pathlib import Path

import pytest

from tests.streams.journal.test_entries import body, record
from tests.streams.journal.test_journal import KEY, TOPIC, commit
from vitalcore.streams.journal import entries, erasure
from vitalcore.streams.journal.archive import Page, Save, connect
from vitalcore.streams.journal.erasure import Erasure, erase
from vitalcore.streams.journal.journal import Journal


def test_what_is_erased_is_in_no_byte_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal, other = Journal(path), "icu/p12/monitor/ecg"
    for handle, key in ((1, KEY), (2, other)):
        journal.opened(key, 5, entries.spell(key=key, row=0, handle=handle, owner=1))
    mine, theirs = record(1, 77, 11), record(2, 78, 11)
    journal.append(entries.RECORDS, 5, body([mine, theirs]))
    journal.save(Save(KEY, 3, b"mystate"), [Page(TOPIC, 0, 1, 5, b"mybeats")])
    journal.save(Save(other, 3, b"theirs"), [Page(f"{other}/beat/", 0, 1, 5, b"theirbeats")])
    commit(journal)
    job = journal.erase("icu/p1/")
    assert job.done.wait(10)
    left = path.read_bytes() + path.with_name("journal.db-wal").read_bytes()
    for gone in (mine[64:], KEY.encode(), b"mystate", b"mybeats"):
        assert gone not in left
    for kept in (theirs, other.encode(), b"theirs", b"theirbeats"):
        assert kept in left
    assert [entry.kind for entry in journal.archive.entries()] == [entries.ERASED, entries.OPENED, entries.RECORDS]
    assert journal.archive.damage == []
    journal.close()


def test_what_a_disk_refused_to_erase_is_erased_by_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.opened(KEY, 5, entries.spell(key=KEY, row=0, handle=1, owner=1))
    mine = record(1, 77, 11)
    journal.append(entries.RECORDS, 5, body([mine]))
    commit(journal)
    database, job = connect(path, "NORMAL"), Erasure("icu/p1/", 1, journal.last_id)
    with monkeypatch.context() as patched:

        def refuse(*_: object, **__: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        patched.setattr(erasure, "note", refuse)
        with pytest.raises(sqlite3.OperationalError):
            erase(database, job)
    assert (job.gone, mine[64:] in path.read_bytes() + path.with_name("journal.db-wal").read_bytes()) == (0, True)
    while not erase(database, job):
        pass
    assert mine[64:] not in path.read_bytes() + path.with_name("journal.db-wal").read_bytes()
    assert [entry.kind for entry in journal.archive.entries()] == [entries.ERASED, entries.ERASED]
    database.close()
    journal.close()
