"""What acknowledgements wait for, and what they say while the disk refuses."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.streams.conftest import Peer, Running, wait_for
from tests.streams.engine.test_ingest import record
from vitalcore.streams.journal import entries
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.protocol.wire import Code
from vitalcore.streams.subscriber import Subscriber

KEY = "icu/p1/monitor/ecg"


@contextmanager
def full_disk(bytes_: int = 1 << 15) -> Iterator[None]:
    """Let no file grow beyond so many bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_acknowledged_is_in_the_file(tmp_path: Path) -> None:
    running = Running(journal=Journal(tmp_path / "j.db"))
    peer = Peer(running.ingest)
    stream = peer.open()["stream"]
    sent = [record(stream, seq, 10 * seq) for seq in range(6)]
    for each in sent:
        peer.socket.send(each)
    peer.acks(lambda ack: ack.next_seq == 6)
    reader = running.engine.journal
    assert reader is not None
    held = b"".join(
        bytes(entries.read_records(e.body)[2]) for e in reader.archive.entries() if e.kind == entries.RECORDS
    )
    assert held == b"".join(sent)
    peer.close()
    running.stop()


def test_a_disk_that_refuses_degrades_what_is_said_and_stops_nobody(tmp_path: Path) -> None:
    running = Running(journal=Journal(tmp_path / "j.db"))
    peer, control = Peer(running.ingest), Peer(running.control)
    with Subscriber(running.live, running.control, "icu/-/-/engine/alarm/") as subscriber:
        subscriber.status()
        assert peer.open()["ack"] == "journaled"
        stream = peer.open()["stream"]
        peer.socket.send(record(stream, 0, 0))
        peer.acks(lambda ack: ack.code == 0 and ack.next_seq == 1)
        with full_disk():
            codes = set()
            for seq in range(1, 200):
                peer.socket.send(record(stream, seq, 10 * seq))
                codes |= {ack.code for ack in peer.acks(lambda ack, want=seq + 1: ack.next_seq == want)}  # type: ignore[misc]
            assert codes <= {0, Code.STORAGE}
            assert Code.STORAGE in codes
            status = control.ask("STATUS")
            assert status["ack"] == "received"
            assert status["storage"] != "ok"
            assert peer.open()["ack"] == "received"
            alarm = subscriber.receive(5000)
            assert alarm is not None
            assert (alarm.payload["code"], alarm.payload["state"]) == ("storage_failed", "raised")
        assert wait_for(lambda: control.ask("STATUS")["storage"] == "ok")
        while alarm is not None and alarm.payload["state"] != "ended":
            alarm = subscriber.receive(5000)
        assert alarm is not None
    stream = peer.open()["stream"]
    peer.socket.send(record(stream, 200, 2000))
    peer.acks(lambda ack: ack.code == 0 and ack.next_seq == 201)
    for each in (peer, control):
        each.close()
    running.stop()
    journal = Journal(tmp_path / "j.db")
    found = [entries.read_records(e.body) for e in journal.archive.entries() if e.kind == entries.RECORDS]
    assert sum(len(starts) for starts, _, _ in found) == 201
    assert journal.archive.damage == []
    journal.close()


def test_a_refusal_waits_until_what_stands_before_it_is_on_disk(tmp_path: Path) -> None:
    running = Running(journal=Journal(tmp_path / "j.db"))
    peer = Peer(running.ingest)
    stream = peer.open()["stream"]
    peer.socket.send(record(stream, 0, 0) + record(stream, 1, 10) + record(stream, 2, 20)[:70] + b"x" * 34)
    refusal = peer.refusal()
    assert (refusal.code, refusal.next_seq) == (Code.BAD_FRAME, 2)
    peer.close()
    running.stop()


def test_streams_that_come_and_go_leave_a_journal_that_recovers(tmp_path: Path) -> None:
    running = Running(journal=Journal(tmp_path / "j.db"), max_streams=3)
    peer = Peer(running.ingest)
    for i in range(8):
        stream = peer.open(key=f"icu/p{i}/monitor/ecg")["stream"]
        peer.socket.send(record(stream, 0, 0) + record(stream, 1, 10, kind=3))
        peer.acks(lambda ack, want=stream: ack.stream == want and ack.next_seq == 2)  # type: ignore[misc]
    peer.close()
    running.stop()
    again = Running(journal=Journal(tmp_path / "j.db"), max_streams=3)
    recovered = again.engine.recovered
    assert recovered is not None
    assert (recovered.streams, recovered.damage) == (2, ())
    again.stop()
