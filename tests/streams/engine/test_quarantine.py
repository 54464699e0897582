"""A stream whose input keeps failing is closed alone: its neighbours notice nothing."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.streams import chain
from tests.streams.conftest import Peer, Running, wait_for
from tests.streams.engine.test_ingest import record
from vitalcore.kernels.core.finding import BEAT, FINDING, LABEL
from vitalcore.kernels.wire.records import ROW
from vitalcore.operator import Design, Signal
from vitalcore.streams.engine import quarantine
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.maps import Channel
from vitalcore.streams.protocol.wire import Code
from vitalcore.streams.subscriber import Subscriber

POISON, LIE, ASTRAY = 666.0, 667.0, 668.0
KEYS = [f"icu/p{i}/monitor/ecg" for i in range(4)]


def step_many(*arguments: Any) -> int:
    """Raise after some of the streams of a call have moved."""
    n = chain.step_many(*arguments)
    if (arguments[6] == POISON).any():
        raise RuntimeError("planted")
    return n


def step_many_lying(*arguments: Any) -> int:
    """Find a beat at no time, one whose class is no letter, or one of a stream that is not there."""
    n = chain.step_many(*arguments)
    slots, offsets, x, out = arguments[4], arguments[5], arguments[6], arguments[8][:n]
    for i, slot in enumerate(slots):
        part = x[offsets[i] : offsets[i + 1]]
        beat = (out["slot"] == slot) & (out["what"] == BEAT) & (out["t"] % 50 != 0)
        if (part == LIE).any():
            out["t_known"][beat] = np.nan
        elif (part == POISON).any():
            out["body"][beat, LABEL] = 0xD800
        elif (part == ASTRAY).any():
            out["slot"][beat] = -1 if i % 2 else 1 << 20
    return n


@dataclass(frozen=True)
class Lying(chain.Peaks):
    """The small chain, which certain samples make find what can't be."""

    def design(self, signal: Signal) -> Design:
        return replace(super().design(signal), many=step_many_lying)


@dataclass(frozen=True)
class Fragile(chain.Peaks):
    """The small chain, which a certain sample breaks."""

    def design(self, signal: Signal) -> Design:
        return replace(super().design(signal), many=step_many)


def signals(n: int = 600) -> np.ndarray[Any, np.dtype[np.float32]]:
    x = np.random.default_rng(3).uniform(-0.5, 0.9, (len(KEYS), n)).astype(np.float32)
    x[:, ::50] = 2.0
    return x


def run(
    x: np.ndarray[Any, Any], ecg: chain.Peaks | None = None, **options: Any
) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Send streams through one table; return what is said, by topic and number, and the counters."""
    running = Running(chains={"ecg": ecg or Fragile()}, **options)
    found: dict[Any, Any] = {}
    with Subscriber(running.live, running.control, "icu/") as subscriber, Gateway(running.ingest, pack=50) as gateway:
        subscriber.status()
        streams = [gateway.open(key, "ecg", 250, [Channel("II", "mV")]) for key in KEYS]
        assert wait_for(lambda: (gateway.poll(1), all(gateway.is_open(s) for s in streams))[1])
        for at in range(0, x.shape[1], 10):
            gateway.send_many(streams, x[:, at : at + 10, None], t0_ns=10**18 + at * 4_000_000)
            gateway.poll(1)
        wait_for(lambda: (gateway.poll(1), gateway.counters["held"] == 0)[1], 3)
        while (message := subscriber.receive(500)) is not None:
            payload = {k: v for k, v in message.payload.items() if k != "t_arrival_ns"}
            header = message.header
            found[message.topic, header.topic_seq] = (header.t_event_ns, header.t_known_ns, repr(payload))
        counters = running.engine.counters()
    assert running.alive
    running.stop()
    return found, counters


def test_an_analysis_that_fails_closes_its_stream_and_the_others_are_the_same_to_the_bit() -> None:
    x = signals()
    clean, _ = run(x)
    x[1, 305] = POISON
    rough, counters = run(x)
    others = {key for key in clean if not key[0].startswith(KEYS[1])}
    assert len(others) > 30
    assert {key: rough.get(key) for key in others} == {key: clean[key] for key in others}
    gaps = [said for (topic, _), said in rough.items() if topic == f"{KEYS[1]}/gap/"]
    assert len(gaps) == 1
    assert "'quarantined'" in gaps[0][2]
    assert (counters["quarantined"], counters["quarantines"], counters["streams"]) == (1, 1, 3)


@pytest.mark.parametrize("sample", [LIE, POISON])
def test_a_finding_that_can_not_be_said_closes_its_stream_and_the_others_are_the_same_to_the_bit(sample: float) -> None:
    x = signals()
    clean, _ = run(x, Lying())
    x[1, 305] = sample
    rough, counters = run(x, Lying())
    others = {key for key in clean if not key[0].startswith(KEYS[1])}
    assert {key: rough.get(key) for key in others} == {key: clean[key] for key in others}
    assert max(seq for topic, seq in rough if topic == f"{KEYS[1]}/beat/") == 6  # samples 0, 50 ... 300
    gaps = [said for (topic, _), said in rough.items() if topic == f"{KEYS[1]}/gap/"]
    assert ["'quarantined'" in gap[2] for gap in gaps] == [True]
    assert (counters["quarantined"], counters["quarantines"], counters["streams"]) == (1, 1, 3)


def test_a_finding_of_a_stream_that_is_not_there_closes_who_found_it_and_the_others_are_the_same_to_the_bit() -> None:
    x = signals()
    clean, _ = run(x, Lying())
    for k in (1, 2):
        x[k, 305] = ASTRAY
    rough, counters = run(x, Lying())
    others = {key for key in clean if not key[0].startswith((KEYS[1], KEYS[2]))}
    assert {key: rough.get(key) for key in others} == {key: clean[key] for key in others}
    assert len(others) > 20
    assert (counters["quarantined"], counters["streams"]) == (2, 2)


def test_findings_that_can_not_be_said_in_a_gap_or_at_the_end_harm_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running()
    peer = Peer(running.ingest)
    streams = [peer.open(key=key)["stream"] for key in KEYS[:3]]
    for stream in streams:
        peer.socket.send(record(stream, 0, 0))
        peer.acks(lambda ack, want=stream: ack.stream == want and ack.next_seq == 1)  # type: ignore[misc]
    (table,) = running.engine._streams.tables

    def lie(slot: int, *_: object) -> Any:
        found = np.zeros(1, FINDING)
        found["slot"], found["what"], found["t_known"] = slot, BEAT, np.nan
        return found

    monkeypatch.setattr(table.ward, "gap", lie)
    monkeypatch.setattr(table.ward, "finish", lie)
    peer.socket.send(record(streams[0], 1, 20))
    peer.acks(lambda ack: ack.code == Code.QUARANTINED)
    peer.socket.send(record(streams[1], 1, 10, kind=3))
    peer.acks(lambda ack: ack.stream == streams[1] and ack.next_seq == 2)
    peer.socket.send(record(streams[2], 1, 10))
    assert peer.acks(lambda ack: ack.stream == streams[2] and ack.next_seq == 2)[-1].code == 0
    assert running.engine.counters()["quarantines"] == 1
    peer.close()
    running.stop()


def test_records_that_break_the_format_again_and_again_close_their_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "CLOSED_S", 1.0)
    running = Running()
    peer, other = Peer(running.ingest), Peer(running.ingest)
    stream, theirs = peer.open()["stream"], other.open(key=KEYS[2])["stream"]
    peer.socket.send(record(stream, 0, 0))
    bad = bytearray(record(stream, 1, 10))
    bad[70] ^= 1
    for k in range(quarantine.REFUSALS):
        if k == 5:
            other.socket.send(record(theirs, 0, 0))  # no good record of this stream
        peer.socket.send(bytes(bad))
    told = [ack.code for ack in peer.acks(lambda ack: ack.code == Code.QUARANTINED) if ack.code]
    assert set(told[:-1]) == {Code.BAD_FRAME}  # one word for all that came together
    early = peer.open()
    assert (early["type"], early["code"]) == ("ERR", Code.QUARANTINED)
    assert "16 records in a row broke the format" in early["message"]
    assert wait_for(lambda: peer.open()["type"] == "OPEN_OK")
    again = peer.open()
    assert (again["next_seq"], again["next_index"]) == (1, 10)
    peer.socket.send(record(again["stream"], 1, 10))
    assert peer.acks(lambda ack: ack.code == 0 and ack.next_seq == 2)
    other.socket.send(record(theirs, 1, 10))
    assert other.acks(lambda ack: ack.next_seq == 2)[-1].code == 0
    for each in (peer, other):
        each.close()
    running.stop()


@pytest.mark.parametrize("behind", [(), (0,), (1,) * 20, (0, *(1,) * 20), (1, 0, 1)])
def test_what_arrives_with_the_last_bad_record_changes_nothing(behind: tuple[int, ...]) -> None:
    codes = (*(1,) * quarantine.REFUSALS, *behind)  # 1 is BAD_FRAME
    rows = np.zeros(len(codes) + 1, ROW)
    rows["row"], rows["stream"], rows["code"] = 3, 77, (*codes, 0)
    rows[-1]["row"] = 4
    assert quarantine.Quarantine().failing(rows) == [3]


def test_bad_records_with_good_ones_between_close_nothing(running: Running, peer: Peer) -> None:
    stream = peer.open()["stream"]
    for seq in range(2 * quarantine.REFUSALS):
        bad = bytearray(record(stream, seq, 10 * seq))
        bad[70] ^= 1
        peer.socket.send(bytes(bad))
        peer.socket.send(record(stream, seq, 10 * seq))
    assert peer.acks(lambda ack: ack.code == 0 and ack.next_seq == 2 * quarantine.REFUSALS)
    assert running.engine.counters()["quarantines"] == 0


def test_a_gateway_comes_back_after_the_quarantine_behind_what_broke_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "CLOSED_S", 1.0)
    running = Running(chains={"ecg": Fragile()})
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEYS[0], "ecg", 250, [Channel("II", "mV")])
        gateway.send(stream, np.ones(10, np.float32))
        gateway.send(stream, np.full(10, POISON, np.float32))
        gateway.send(stream, np.ones(10, np.float32))
        assert gateway.drain(20)
        assert gateway.errors == {}
    assert running.engine.counters()["quarantines"] == 1
    assert running.engine.counters()["quarantined"] == 0
    running.stop()


def test_a_journal_with_a_record_that_breaks_the_analysis_can_be_gone_on_from(tmp_path: Path) -> None:
    x = signals(200)
    x[1, 105] = POISON
    run(x, journal=Journal(tmp_path / "j.db"))
    again = Running(chains={"ecg": Fragile()}, journal=Journal(tmp_path / "j.db"))
    recovered = again.engine.recovered
    assert recovered is not None
    assert (recovered.streams, recovered.damage) == (3, ())
    again.stop()


@pytest.mark.parametrize("killed", [True, False])
def test_what_is_left_of_the_time_is_kept_by_the_journal(tmp_path: Path, killed: bool) -> None:
    path = tmp_path / "j.db"
    first = Running(chains={"ecg": Fragile()}, journal=Journal(path))
    peer = Peer(first.ingest)
    stream, other = (peer.open(key=key)["stream"] for key in KEYS[1:3])
    peer.socket.send(record(stream, 0, 0))
    peer.socket.send(wire.encode_record(wire.Record(wire.DATA, 7, stream, 1, 10, np.full((10, 1), POISON, "<f4"))))
    peer.acks(lambda ack: ack.code == Code.QUARANTINED)
    peer.socket.send(record(other, 0, 0))
    peer.acks(lambda ack: ack.stream == other and ack.next_seq == 1)  # so the entry before it is on disk
    until_s = first.engine._ingest.quarantine._closed[KEYS[1]].until_s
    if killed:
        for end in ("", "-wal"):
            (tmp_path / f"killed.db{end}").write_bytes(Path(f"{path}{end}").read_bytes())
        path = tmp_path / "killed.db"
    peer.close()
    first.stop()
    for _ in range(2):
        again = Running(chains={"ecg": Fragile()}, journal=Journal(path))
        recovered = again.engine.recovered
        assert recovered is not None
        assert (recovered.streams, recovered.damage) == (1, ())
        peer = Peer(again.ingest)
        refused = peer.open(key=KEYS[1])
        assert (refused["type"], refused["code"]) == ("ERR", Code.QUARANTINED)
        assert "its analysis failed" in refused["message"]
        left = again.engine._ingest.quarantine._closed[KEYS[1]]
        assert left.until_s == pytest.approx(until_s, abs=0.1)
        assert (left.session, left.next_seq, left.next_index) == (7, 2, 20)
        assert peer.open(key=KEYS[2])["type"] == "OPEN_OK"
        peer.close()
        again.stop()


def test_an_analysis_that_fails_in_a_gap_or_at_the_end_harms_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running()
    peer, other = Peer(running.ingest), Peer(running.ingest)
    streams = [peer.open(key=key)["stream"] for key in KEYS[:2]]
    theirs = other.open(key=KEYS[2])["stream"]
    for stream in streams:
        peer.socket.send(record(stream, 0, 0))
        peer.acks(lambda ack, want=stream: ack.stream == want and ack.next_seq == 1)  # type: ignore[misc]
    (table,) = running.engine._streams.tables

    def fail(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(table.ward, "gap", fail)
    monkeypatch.setattr(table.ward, "finish", fail)
    peer.socket.send(record(streams[0], 1, 20))
    peer.acks(lambda ack: ack.code == Code.QUARANTINED)
    peer.socket.send(record(streams[1], 1, 10, kind=3))
    peer.acks(lambda ack: ack.stream == streams[1] and ack.next_seq == 2)
    other.socket.send(record(theirs, 0, 0))
    assert other.acks(lambda ack: ack.next_seq == 1)[-1].code == 0
    assert running.engine.counters()["quarantines"] == 1
    for each in (peer, other):
        each.close()
    running.stop()


def test_a_code_is_as_the_page_of_the_protocol_says() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "protocol.md").read_text()
    assert f"| {int(Code.QUARANTINED)} | QUARANTINED |" in page
