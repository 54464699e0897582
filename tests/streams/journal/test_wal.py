"""The write-ahead log: what SQLite would pass over in silence is named."""

from pathlib import Path

from tests.streams import kept
from vitalcore.streams.journal import wal
from vitalcore.streams.journal.archive import Archive
from vitalcore.streams.journal.journal import Journal


def test_a_whole_log_is_not_torn(tmp_path: Path) -> None:
    path = kept.killed(tmp_path / "j.db")
    there = list(wal.frames(path))
    assert [frame.number for frame in there] == list(range(1, len(there) + 1))
    assert there[-1].pages
    assert wal.torn(path) == []


def test_what_stands_behind_a_flipped_bit_is_named_and_the_journal_goes_on(tmp_path: Path) -> None:
    path = kept.killed(tmp_path / "j.db")
    there = list(wal.frames(path))
    middle = there[len(there) // 2]
    kept.flip(wal.beside(path), middle.at + 1000)
    (said,) = wal.torn(path)
    assert said.startswith("what was written last: j.db-wal is damaged behind page ")
    assert said.endswith(f"of {there[-1].number}")
    assert wal.torn(path) == [said]  # looking changes nothing
    journal = Journal(path)
    assert said in journal.archive.damage
    journal.close()


def test_the_log_of_an_engine_that_runs_is_not_torn(tmp_path: Path) -> None:
    with kept.running(tmp_path / "j.db"):
        assert wal.torn(tmp_path / "j.db") == []
        Archive(tmp_path / "j.db").close()
