"""An engine that was killed goes on as if it had not been: same numbers, same findings, nothing lost or twice."""

import signal
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.faults.engine import LIGHT, Served
from tests.streams.conftest import Peer, Running
from tests.streams.engine.test_ingest import record
from vitalcore.alarms import Book, shipped
from vitalcore.fixtures.recordings import heart
from vitalcore.operators.ecg import Ecg
from vitalcore.streams.journal import entries
from vitalcore.streams.journal.archive import Archive
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.protocol import wire
from vitalcore.streams.subscriber import Subscriber


def stopped(running: Running) -> dict[tuple[str, int], tuple[bytes, bytes]]:
    """Stop an engine; return what it has said and still remembers, arrival and publishing left out."""
    running.stop()
    streams = running.engine._streams.by_key.values()
    return {
        (stream.topic(what).decode(), seq): (header[8:40], payload.split(b"t_arrival_ns")[0])
        for stream in streams
        for what, kept in stream.recent.items()
        for seq, header, payload in kept
    }


def feed(peer: Peer, stream: int, x: Any, chunk: int, start: int = 0) -> None:
    for seq in range(start, len(x) // chunk):
        values = np.asarray(x[seq * chunk : (seq + 1) * chunk, None], "<f4")
        t0_ns = 1_700_000_000_000_000_000 + seq * chunk * 4_000_000 + (seq % 7) * 1_000_000
        peer.socket.send(wire.encode_record(wire.Record(wire.DATA, 7, stream, seq, seq * chunk, values, t0_ns)))
        if seq % 30 == 29 or seq == len(x) // chunk - 1:
            peer.acks(lambda ack, want=seq + 1: ack.next_seq == want)  # type: ignore[misc]


def test_what_was_acknowledged_is_done_again_from_the_journal(tmp_path: Path) -> None:
    x = np.random.default_rng(5).normal(0, 0.6, 1500)
    first = Running(journal=Journal(tmp_path / "j.db"))
    peer = Peer(first.ingest)
    opened = peer.open(ack="journaled")
    assert opened["ack"] == "journaled"
    feed(peer, opened["stream"], x, 10)
    peer.close()
    first.stop()
    second = Running(journal=Journal(tmp_path / "j.db"))
    peer = Peer(second.ingest)
    again = peer.open()
    assert (again["next_seq"], again["next_index"]) == (150, 1500)
    assert second.engine.recovered is not None
    assert second.engine.recovered.damage == ()
    peer.close()
    second.stop()


@pytest.mark.parametrize("fresh_save", [True, False])
def test_states_and_entries_give_the_same_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_save: bool
) -> None:
    if fresh_save:
        monkeypatch.setattr("vitalcore.streams.engine.keeper.SAVE_NS", 0)
    x = np.random.default_rng(6).normal(0, 0.6, 3000)
    whole = Running()
    peer = Peer(whole.ingest)
    feed(peer, peer.open()["stream"], x, 10)
    peer.close()
    expected = stopped(whole)
    path = tmp_path / "j.db"
    first = Running(journal=Journal(path))
    peer = Peer(first.ingest)
    feed(peer, peer.open()["stream"], x[:1700], 10)
    peer.close()
    # what a kill leaves: the files as they are now
    for name in ("j.db", "j.db-wal"):
        (tmp_path / f"copy-{name}").write_bytes((tmp_path / name).read_bytes())
    first.stop()
    second = Running(journal=Journal(tmp_path / "copy-j.db"))
    assert second.engine.recovered is not None
    assert second.engine.recovered.streams == 1
    peer = Peer(second.ingest)
    stream = peer.open()
    assert stream["next_seq"] == 170
    feed(peer, stream["stream"], x, 10, start=170)
    peer.close()
    said = stopped(second)
    both = said.keys() & expected.keys()
    assert len(both) > 60
    assert {key: said[key] for key in both} == {key: expected[key] for key in both}
    assert {topic: max(n for t, n in said if t == topic) for topic, _ in said} == {
        topic: max(n for t, n in expected if t == topic) for topic, _ in expected
    }


def test_limits_and_acknowledged_alarms_are_kept(tmp_path: Path) -> None:
    chains = {"ecg": Ecg()}
    first = Running(journal=Journal(tmp_path / "j.db"), chains=chains)
    peer, control = Peer(first.ingest), Peer(first.control)
    stream = peer.open(ack="journaled")["stream"]
    answer = control.ask("CONFIG", key="icu/p1/monitor/ecg", limits={"heart_rate_high_per_min": 141.0})
    assert answer["type"] == "CONFIG_OK"
    peer.socket.send(record(stream, 0, 0))
    peer.acks(lambda ack: ack.next_seq == 1)
    for each in (peer, control):
        each.close()
    first.stop()
    second = Running(journal=Journal(tmp_path / "j.db"), chains=chains)
    control = Peer(second.control)
    answer = control.ask("CONFIG", key="icu/p1/monitor/ecg")
    assert answer["limits"]["heart_rate_high_per_min"] == 141.0
    control.close()
    second.stop()


def book(rate_high: float) -> Book:
    adult = shipped().of().changed({"heart_rate_high_per_min": rate_high})
    return Book({"adult": adult}, "adult", {})


def limited(path: Path) -> dict[str, list[tuple[float, bool]]]:
    """Return the upper limits of the rate that a journal says each stream was given, and whether somebody asked."""
    archive = Archive(path)
    found: dict[str, list[tuple[float, bool]]] = {}
    for entry in archive.entries():
        if entry.kind == entries.CONFIGURED:
            fields = entries.read(entry.body)
            found.setdefault(fields["key"], []).append((fields["limits"]["heart_rate_high_per_min"], fields["own"]))
    archive.close()
    return found


def test_other_limits_in_the_file_reach_the_streams_whose_own_nobody_has_changed_and_are_journaled(
    tmp_path: Path,
) -> None:
    plain, changed, path = "icu/p1/monitor/ecg", "icu/p2/monitor/ecg", tmp_path / "j.db"
    high = "heart_rate_high_per_min"

    def run(rate_high: float, at: Path, seq: int) -> dict[str, float]:
        """Go on with a journal, send a record to each, and tell the limits; leave what a kill leaves in `killed`."""
        running = Running(journal=Journal(at), chains={"ecg": Ecg()}, limits=book(rate_high))
        peer, control = Peer(running.ingest), Peer(running.control)
        for key in (plain, changed):
            stream = peer.open(key, ack="journaled")["stream"]
            if key == changed and seq == 0:
                assert control.ask("CONFIG", key=key, limits={high: 150.0})["type"] == "CONFIG_OK"
            peer.socket.send(record(stream, seq, 10 * seq))
            peer.acks(lambda ack, want=stream: ack.stream == want and ack.next_seq == seq + 1)  # type: ignore[misc]
        for end in ("", "-wal"):
            (tmp_path / f"killed.db{end}").write_bytes(Path(f"{at}{end}").read_bytes())
        limits = {key: control.ask("CONFIG", key=key)["limits"][high] for key in (plain, changed)}
        for each in (peer, control):
            each.close()
        running.stop()
        return limits

    assert run(130.0, path, 0) == {plain: 130.0, changed: 150.0}
    assert run(140.0, tmp_path / "killed.db", 1) == {plain: 140.0, changed: 150.0}  # nothing was saved but entries
    assert run(140.0, path, 1) == {plain: 140.0, changed: 150.0}
    assert limited(path) == {plain: [(140.0, False)], changed: [(150.0, True)]}
    assert run(140.0, tmp_path / "killed.db", 2) == {plain: 140.0, changed: 150.0}  # the entry gives the same again
    assert limited(tmp_path / "killed.db") == limited(path)
    assert run(130.0, path, 2) == {plain: 130.0, changed: 150.0}


def test_a_stream_is_done_again_with_the_limits_that_it_was_opened_with(tmp_path: Path) -> None:
    path, x = tmp_path / "j.db", heart(20, 130)
    first = Running(journal=Journal(path), chains={"ecg": Ecg()}, limits=book(120.0))
    peer = Peer(first.ingest)
    feed(peer, peer.open(ack="journaled")["stream"], x, 10)
    for end in ("", "-wal"):
        (tmp_path / f"killed.db{end}").write_bytes(Path(f"{path}{end}").read_bytes())
    peer.close()
    said = stopped(first)
    assert any("/alarm/" in topic and b"heart_rate_high" in payload for (topic, _), (_, payload) in said.items())
    second = Running(journal=Journal(tmp_path / "killed.db"), chains={"ecg": Ecg()}, limits=book(139.0))
    assert stopped(second) == said


def test_messages_older_than_memory_are_sent_again_from_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitalcore.streams.engine.keeper.SAVE_NS", 0)
    x = np.random.default_rng(6).normal(0, 0.6, 6000)
    running = Running(journal=Journal(tmp_path / "j.db"))
    topic = "icu/p1/monitor/ecg/beat/"
    heard: dict[int, bytes] = {}
    with Subscriber(running.live, running.control, topic) as subscriber:
        subscriber.status()
        peer = Peer(running.ingest)
        feed(peer, peer.open()["stream"], x, 10)
        while (message := subscriber.receive(1000)) is not None:
            heard[message.header.topic_seq] = repr(message.payload).encode()
    assert len(heard) > 128
    control = Peer(running.control)
    answer = control.ask("REPLAY", topic=topic, **{"from": 0, "to": 40})
    assert [wire.decode_live(*item).topic_seq for item in answer["items"]] == sorted(heard)[:41]
    for each in (peer, control):
        each.close()
    running.stop()


def test_a_damaged_entry_is_a_gap_that_everybody_sees(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    x = np.random.default_rng(6).normal(0, 0.6, 600)
    first = Running(journal=Journal(path))
    peer = Peer(first.ingest)
    stream = peer.open()["stream"]
    for stop in (200, 400, 600):
        feed(peer, stream, x[:stop], 10, start=(stop - 200) // 10)
    peer.close()
    for name in ("j.db", "j.db-wal"):
        (tmp_path / f"copy-{name}").write_bytes((tmp_path / name).read_bytes())
    first.stop()
    copy = sqlite3.connect(tmp_path / "copy-j.db")
    ids = [row[0] for row in copy.execute("SELECT id FROM log WHERE kind = 1 ORDER BY id")]
    assert len(ids) >= 3
    copy.execute("UPDATE log SET crc = crc + 1 WHERE id = ?", (ids[1],))
    copy.commit()
    copy.close()
    second = Running(journal=Journal(tmp_path / "copy-j.db"))
    assert second.engine.recovered is not None
    assert second.engine.recovered.damage == (f"entry {ids[1]}",)
    peer, control = Peer(second.ingest), Peer(second.control)
    status = control.ask("STATUS", prefix="icu/")["keys"]["icu/p1/monitor/ecg"]
    assert status["lost"] > 0
    assert status["samples"] + status["lost"] == 600
    assert status["next_index"] == 600
    for each in (peer, control):
        each.close()
    second.stop()


def test_a_second_engine_on_the_same_journal_is_refused(tmp_path: Path) -> None:
    engine = Served(tmp_path / "j.db", LIGHT)
    engine.start()
    other = Served(tmp_path / "j.db", LIGHT)
    with pytest.raises(RuntimeError):
        other.start()
    engine.kill(signal.SIGTERM)


def test_results_hang_not_on_how_records_come_together(tmp_path: Path) -> None:
    x = np.random.default_rng(8).normal(0, 0.6, 2000)
    said = []
    for together in (1, 40):
        running = Running()
        peer = Peer(running.ingest)
        stream = peer.open()["stream"]
        spelled = []
        for seq in range(200):
            values = np.asarray(x[seq * 10 : seq * 10 + 10, None], "<f4")
            t0_ns = 1_700_000_000_000_000_000 + seq * 40_000_000 + (seq * 7919 % 13) * 1_000_000
            spelled.append(wire.encode_record(wire.Record(wire.DATA, 7, stream, seq, seq * 10, values, t0_ns)))
        for first in range(0, 200, 40):
            for part in range(first, first + 40, together):
                peer.socket.send(b"".join(spelled[part : part + together]))
            peer.acks(lambda ack, want=first + 40: ack.next_seq == want)  # type: ignore[misc]
        peer.close()
        said.append(stopped(running))
    assert said[0] == said[1]


def test_without_the_number_where_to_begin_everything_is_done_again(tmp_path: Path) -> None:
    running = Running(journal=Journal(tmp_path / "j.db"), max_streams=3)
    peer = Peer(running.ingest)
    for i in range(8):  # each takes the place of one before it
        stream = peer.open(key=f"icu/p{i}/monitor/ecg")["stream"]
        peer.socket.send(record(stream, 0, 0) + record(stream, 1, 10, kind=wire.END))
        peer.acks(lambda ack, want=stream: ack.stream == want and ack.next_seq == 2)  # type: ignore[misc]
    peer.close()
    running.stop()
    held = sorted(running.engine._streams.by_key)
    database = sqlite3.connect(tmp_path / "j.db")
    database.execute("UPDATE meta SET value = value + 5 WHERE name = 'low'")
    database.commit()
    database.close()
    again = Running(journal=Journal(tmp_path / "j.db"), max_streams=3)
    assert again.engine.recovered is not None
    assert again.engine.recovered.damage == ("the number low",)
    assert sorted(again.engine._streams.by_key) == held
    again.stop()


def test_an_engine_with_room_for_fewer_streams_names_those_that_it_can_not_take(tmp_path: Path) -> None:
    first = Running(journal=Journal(tmp_path / "j.db"), max_streams=3)
    peer = Peer(first.ingest)
    for i in range(3):
        stream = peer.open(key=f"icu/p{i}/monitor/ecg")["stream"]
        peer.socket.send(record(stream, 0, 0))
        peer.acks(lambda ack, want=stream: ack.stream == want and ack.next_seq == 1)  # type: ignore[misc]
    peer.close()
    first.stop()
    second = Running(journal=Journal(tmp_path / "j.db"), max_streams=2)
    assert second.engine.recovered is not None
    (lost,) = second.engine.recovered.damage
    assert lost.startswith("the state of icu/p2/monitor/ecg: there is no room")
    second.stop()
