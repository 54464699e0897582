"""What is erased is gone from every byte; what belongs to others stays."""

from pathlib import Path

from tests.streams.journal.test_entries import body, record
from tests.streams.journal.test_journal import KEY, TOPIC, commit
from vitalcore.streams.journal import entries
from vitalcore.streams.journal.archive import Page, Save
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
