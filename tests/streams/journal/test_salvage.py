"""A broken journal becomes a new one with everything that can be read, and what is lost is said."""

from pathlib import Path

import pytest

from tests.streams import kept
from tests.streams.chain import Peaks
from tests.streams.conftest import ANY, Peer, Running
from vitalcore.errors import JournalError
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.journal import wal
from vitalcore.streams.journal.archive import Archive
from vitalcore.streams.journal.inventory import sessions_of, verify
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.journal.salvage import salvage


@pytest.mark.parametrize("at", [3, 17, 18, 44, 56, 59, 62, 70, 101, 105, 300, 4000])
def test_any_bit_of_the_first_page_may_be_wrong(tmp_path: Path, at: int) -> None:
    path = kept.stopped(tmp_path / "j.db")
    kept.flip(path, at, 1)
    copied, lost = salvage(path, tmp_path / "new.db")
    assert lost == []
    assert copied["stream"] == 2
    reader = Archive(tmp_path / "new.db")
    assert [session.samples for session in sessions_of(reader)] == [kept.SAMPLES] * 2
    assert verify(reader) == []
    reader.close()


def test_what_a_killed_engine_had_in_its_log_is_copied_too_though_a_bit_of_it_is_wrong(tmp_path: Path) -> None:
    path = kept.killed(tmp_path / "j.db")
    there = list(wal.frames(path))
    kept.flip(wal.beside(path), there[len(there) // 3].at - 1)  # in a checksum: the pages are all there
    assert salvage(path, tmp_path / "new.db")[1] == []
    reader = Archive(tmp_path / "new.db")
    assert [session.samples for session in sessions_of(reader)] == [kept.SAMPLES] * 2
    reader.close()


def test_an_engine_refuses_a_broken_journal_by_name_and_goes_on_with_the_salvaged_one(tmp_path: Path) -> None:
    path = kept.stopped(tmp_path / "j.db")
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 4096):
        if data[at] in (5, 13) and b"icu/p1/monitor" in data[at : at + 4096]:
            data[at] ^= 8  # no kind of page
    path.write_bytes(data)
    journal = Journal(path)
    engine = Engine(ANY, ANY, ANY, {"ecg": Peaks()}, journal=journal)
    with pytest.raises(JournalError, match=f"vitalcore journal salvage {path} NEW"):
        engine.run()
    journal.close()
    _, lost = salvage(path, tmp_path / "new.db")
    assert lost
    again = Running(journal=Journal(tmp_path / "new.db"))
    peer = Peer(again.ingest)
    assert peer.open(key="icu/p99/monitor/ecg")["ack"] == "journaled"
    peer.close()
    again.stop()


def test_a_journal_in_use_and_a_file_that_exists_are_left_alone(tmp_path: Path) -> None:
    with kept.running(tmp_path / "j.db"), pytest.raises(JournalError, match="another process has"):
        salvage(tmp_path / "j.db", tmp_path / "new.db")
    (tmp_path / "new.db").write_text("mine")
    with pytest.raises(JournalError, match="exists"):
        salvage(tmp_path / "j.db", tmp_path / "new.db")
    with pytest.raises(JournalError, match="there is no journal"):
        salvage(tmp_path / "none.db", tmp_path / "other.db")
    assert (tmp_path / "new.db").read_text() == "mine"
