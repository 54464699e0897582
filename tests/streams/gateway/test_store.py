"""The spool's file: what outlives the process, what a bad disk does, and who may open it."""

import sqlite3
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import zmq

from vitalcore.errors import ParameterError
from vitalcore.streams.gateway import store as stores
from vitalcore.streams.gateway.link import Link
from vitalcore.streams.gateway.spool import UNWRITTEN, WINDOW, Spool
from vitalcore.streams.gateway.store import Store
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.maps import Channel, Open
from vitalcore.streams.protocol.wire import Record

OPENED = Open("a/b/c/d", 7, "ecg", Fraction(250), (Channel("II", "mV"),), 3, meta={})
T0_NS = 1_700_000_000_000_000_000


def spool(store: Store, n: int = 0, room: int = 1 << 30, start: int = 0) -> Spool:
    made = Spool(OPENED, room, store)
    made.handle, made.credit_records, made.credit_bytes = 65537, 8, 1 << 16
    put(made, start, n)
    return made


def link() -> Link:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    return Link(context.socket(zmq.DEALER), "", 1)


def put(into: Spool, start: int, n: int) -> None:
    for k in range(start, start + n):
        values = np.full((10, 1), k, "<f4")
        into.put(Record(wire.DATA, 7, 0, 0, 10 * k, values, T0_NS + k * 40_000_000))


def pulled(from_: Spool) -> list[Record]:
    """Take and acknowledge everything, as credit allows; hold it against a hole as OPEN does."""
    found: list[Record] = []
    for _ in range(1_000_000):
        message = from_.pull()
        if message is not None:
            found += [r for r in wire.decode_records(bytes(message)) if isinstance(r, Record)]
        elif from_.sent:
            from_.acknowledge(from_.sent[-1][0] + 1)
        elif from_.reopen:
            from_.reopen = False
            from_.rewind(from_.oldest[0], time.monotonic_ns(), again=True)
        else:
            break
    return found


def test_what_was_committed_is_there_again_and_what_was_not_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "spool.db")
    held = spool(store, 5)
    store.commit()
    put(held, 5, 3)
    store._db.close()  # as kill -9 does: nothing is said to the file
    again = Store(tmp_path / "spool.db")
    (left,) = again.left
    assert (left.opened, left.n, left.next_seq, left.next_index) == (OPENED, 5, 5, 50)
    assert left.end_ns == T0_NS + 200_000_000
    assert not left.ended
    again.close()


def test_what_is_acknowledged_leaves_the_file_and_a_mark_of_its_end_stays(tmp_path: Path) -> None:
    store = Store(tmp_path / "spool.db")
    held = spool(store, 5)
    assert len(pulled(held)) == 5
    store.close()
    again = Store(tmp_path / "spool.db")
    (left,) = again.left
    assert (left.n, left.next_seq, left.next_index, left.end_ns) == (0, 5, 50, T0_NS + 200_000_000)
    again.close()


def test_a_backlog_of_any_length_lies_on_disk_and_comes_back_in_order(tmp_path: Path) -> None:
    store = Store(tmp_path / "spool.db")
    held = spool(store)
    n = 50 * 60
    for k in range(0, n, 50):
        put(held, k, 50)
        store.commit()
        assert len(held.waiting) + len(held._tail) <= WINDOW + 50
    assert held.n_records == n
    found = pulled(held)
    assert [r.seq for r in found] == list(range(n))
    assert [r.values[0, 0] for r in found] == list(range(n))
    assert (held.held, held.under_way, held.empty) == (0, 0, True)
    store.close()


def test_a_backlog_of_a_former_run_comes_back_in_order(tmp_path: Path) -> None:
    store = Store(tmp_path / "spool.db")
    spool(store, 3 * WINDOW)
    store.close()
    again = Store(tmp_path / "spool.db")
    held = Spool.restore(again.left[0], 1 << 30, again, link())
    held.handle, held.credit_records, held.credit_bytes = 1, 8, 1 << 16
    held.rewind(5, 10**9, again=True)  # the engine has the first five
    assert [r.seq for r in pulled(held)] == list(range(5, 3 * WINDOW))
    assert held.held == 0
    again.close()


def test_on_disk_too_the_oldest_are_lost_when_there_is_no_room(tmp_path: Path) -> None:
    store = Store(tmp_path / "spool.db")
    held = spool(store, room=104 * 2 * WINDOW)
    for k in range(5 * WINDOW):
        put(held, k, 1)
        if k % 7 == 0:
            store.commit()
    assert held.held <= 104 * 2 * WINDOW
    found = pulled(held)
    assert found[0].kind == wire.GAP
    assert held.lost_samples == found[0].sample_index
    assert [r.sample_index for r in found[1:]] == list(range(found[0].sample_index, 50 * WINDOW, 10))
    store.close()
    rows = sqlite3.connect(tmp_path / "spool.db").execute("SELECT count(*) FROM record").fetchone()[0]
    assert rows == 1


def test_signal_older_than_asked_for_is_lost(tmp_path: Path) -> None:
    store = Store(tmp_path / "spool.db")
    held = spool(store, 1000)
    assert held.end_s == 40
    assert held.expire(held.end_s - 10) == 7490
    found = pulled(held)
    assert (found[0].kind, found[0].sample_index) == (wire.GAP, 7490)
    store.close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    store = Store(path)
    code = f"from vitalcore.streams.gateway.store import Store; Store({str(path)!r})"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another process uses it" in other.stderr
    with pytest.raises(ParameterError, match="uses it"):
        Store(path)
    store.close()
    Store(path).close()


@pytest.mark.parametrize("path", ["no/such/folder/spool.db", "."])
def test_a_path_that_can_not_be_opened_is_named(tmp_path: Path, path: str) -> None:
    with pytest.raises(ParameterError, match="can't open the spool"):
        Store(tmp_path / path)


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = (tmp_path / "other.db").read_bytes()
    with pytest.raises(ParameterError, match="is no spool"):
        Store(tmp_path / "other.db")
    assert (tmp_path / "other.db").read_bytes() == before


@pytest.mark.parametrize("damage", ["junk", "middle"])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "spool.db"
    if damage == "junk":
        path.write_bytes(b"this is no database" * 1000)
    else:
        store = Store(path)
        spool(store, 1000)
        store.close()
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xa5" * (len(content) - 4096)
        path.write_bytes(content)
    store = Store(path)
    assert store.set_aside.startswith(str(path))
    assert Path(store.set_aside).exists()
    assert store.left == []
    spool(store, 5)
    assert store.commit()
    store.close()


def test_a_full_disk_is_told_and_heals_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "RETRY_NS", 0)
    store = Store(tmp_path / "spool.db")
    held = spool(store, 10)
    assert store.commit()
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count={pages + 1}")
    for k in range(10, 2000, 10):
        put(held, k, 10)
        store.commit()
    assert "full" in store.error
    store._db.execute("PRAGMA max_page_count=1000000")
    assert store.commit()
    assert not store.error
    assert [r.seq for r in pulled(held)] == list(range(2000))
    assert held.lost_samples == 0
    store.close()


def test_while_the_disk_refuses_memory_is_bounded_and_the_oldest_unwritten_are_lost(tmp_path: Path) -> None:
    store = Store(tmp_path / "spool.db")
    held = Spool(OPENED, 1 << 30, store)
    held.handle, held.credit_records, held.credit_bytes = 1, 8, 1 << 18
    store._db.execute("PRAGMA max_page_count=1")
    n, width = 1000, 10_000
    for k in range(n):
        held.put(Record(wire.DATA, 7, 0, 0, k * width, np.full((width, 1), k, "<f4"), T0_NS))
        store.commit()
        assert sum(len(e[3]) for e in held._tail) <= UNWRITTEN
    assert store.error
    found = pulled(held)
    covered = 0
    for record in found:
        assert record.sample_index == covered or record.kind == wire.GAP
        covered = record.sample_index + len(record.values)
    assert covered == n * width
    assert 0 < held.lost_samples == n * width - sum(len(r.values) for r in found)
    store.close()


def test_a_session_is_larger_than_all_before_even_if_the_clock_ran_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "spool.db")
    first = store.begin(None)
    store.note(first + 10**18)
    store.close()
    again = Store(tmp_path / "spool.db")
    assert again.begin(None) == first + 10**18 + 1
    with pytest.raises(ParameterError, match="knows"):
        again.begin(5)
    again.close()
