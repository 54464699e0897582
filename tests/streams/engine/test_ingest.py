"""What the ingest socket takes, refuses and acknowledges, over a real connection."""

from typing import Any

import numpy as np
import pytest

from tests.streams.conftest import Peer, Running
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.wire import Code, Record


def record(
    stream: int, seq: int, index: int, n: int = 10, kind: int = wire.DATA, session: int = 7, **more: Any
) -> bytes:
    values = np.zeros((n if kind == wire.DATA else 0, 1), more.pop("dtype", "<f4"))
    return wire.encode_record(Record(kind, session, stream, seq, index, values, **more))


def send_bad(peer: Peer, stream: int, message: bytes) -> Code:
    """Send something bad, check that the connection goes on, and return what the engine called it."""
    peer.socket.send(message)
    code = Code(peer.refusal().code)
    assert "t3" in peer.ask("PING", t1=1)
    return code


def test_open_ok_says_that_an_acknowledgement_survives_nothing(peer: Peer) -> None:
    answer = peer.open(ack="fsynced", resume="live_first")
    assert (answer["type"], answer["ack"], answer["resume"]) == ("OPEN_OK", "received", "live_first")
    assert (answer["next_seq"], answer["next_index"]) == (0, 0)
    assert answer["credit"][0] >= 1


@pytest.mark.parametrize(
    ("code", "bad"),
    [
        (Code.BAD_FRAME, lambda s: b"hello"),
        (Code.BAD_FRAME, lambda s: b""),
        (Code.BAD_FRAME, lambda s: record(s, 0, 0)[:-8]),
        (Code.BAD_FRAME, lambda s: record(s, 0, 0)[:70] + b"\xff" + record(s, 0, 0)[71:]),
        (Code.BAD_FRAME, lambda s: record(s, 0, 0, dtype="<i2")),
        (Code.NOT_OPEN, lambda s: record(s + 1, 0, 0)),
        (Code.NOT_OPEN, lambda s: record(s, 0, 0, session=8)),
        (Code.STALE_SESSION, lambda s: record(s, 0, 0, session=6)),
        (Code.SEQ_GAP, lambda s: record(s, 3, 30)),
        (Code.TOO_BIG, lambda s: record(s, 0, 0, 70_000)),
        (Code.UNKNOWN_KIND, lambda s: record(s, 0, 0, kind=9)),
    ],
)
def test_a_bad_record_gets_its_code_and_the_connection_stays_up(peer: Peer, code: Code, bad: Any) -> None:
    stream = peer.open()["stream"]
    assert send_bad(peer, stream, bad(stream)) == code
    peer.socket.send(record(stream, 0, 0))
    assert peer.acks(lambda ack: ack.code == 0 and ack.next_seq == 1)


def test_the_records_before_a_bad_one_stand(peer: Peer) -> None:
    stream = peer.open()["stream"]
    peer.socket.send(record(stream, 0, 0) + record(stream, 1, 10) + record(stream, 2, 20)[:40])
    refusal = peer.refusal()
    assert (refusal.code, refusal.next_seq) in [(Code.BAD_FRAME, 2), (Code.BAD_FRAME, 0)]
    assert peer.acks(lambda ack: ack.code == 0 and ack.next_seq == 2)


def test_a_message_of_two_frames_is_refused(peer: Peer) -> None:
    stream = peer.open()["stream"]
    peer.socket.send_multipart([record(stream, 0, 0), b"more"])
    assert peer.refusal().code == Code.BAD_FRAME
    peer.socket.send(record(stream, 0, 0))
    assert peer.acks(lambda ack: ack.next_seq == 1)


def test_a_duplicate_is_acknowledged_and_counted_and_not_processed(peer: Peer, control: Peer) -> None:
    stream = peer.open()["stream"]
    for _ in range(3):
        peer.socket.send(record(stream, 0, 0))
    peer.acks(lambda ack: ack.next_seq == 1)
    peer.ask("PING", t1=1)
    status = control.ask("STATUS", prefix="")["keys"]["icu/p1/monitor/ecg"]
    assert (status["records"], status["samples"], status["duplicates"]) == (1, 10, 2)


def test_a_jump_without_gap_is_counted_and_a_gap_record_is_not(peer: Peer, control: Peer) -> None:
    stream = peer.open()["stream"]
    peer.socket.send(record(stream, 0, 0) + record(stream, 1, 15) + record(stream, 2, 100, kind=wire.GAP))
    peer.socket.send(record(stream, 3, 100))
    peer.acks(lambda ack: ack.next_seq == 4)
    status = control.ask("STATUS", prefix="icu/")["keys"]["icu/p1/monitor/ecg"]
    assert (status["gaps"], status["lost"], status["undeclared_gap"]) == (2, 80, 1)


def test_records_beyond_the_credit_are_refused_and_taken_later(peer: Peer) -> None:
    answer = peer.open()
    n = answer["credit"][0]
    stream = answer["stream"]
    peer.socket.send(b"".join(record(stream, seq, seq, 1) for seq in range(n + 3)))
    refusal = peer.refusal()
    assert (refusal.code, refusal.next_seq) == (Code.NO_CREDIT, n)
    peer.acks(lambda ack: ack.code == 0 and ack.next_seq == n)
    peer.socket.send(b"".join(record(stream, seq, seq, 1) for seq in range(n, n + 3)))
    assert peer.acks(lambda ack: ack.next_seq == n + 3)


def test_after_end_nothing_is_taken_and_the_end_may_be_sent_again(peer: Peer) -> None:
    stream = peer.open()["stream"]
    end = record(stream, 1, 10, kind=wire.END)
    peer.socket.send(record(stream, 0, 0) + end)
    peer.acks(lambda ack: ack.next_seq == 2)
    peer.socket.send(end)
    peer.acks(lambda ack: ack.code == 0 and ack.next_seq == 2)
    assert send_bad(peer, stream, record(stream, 2, 10)) == Code.NOT_OPEN


def test_another_connection_can_not_write_to_the_stream_and_may_take_it_over(running: Running, peer: Peer) -> None:
    stream = peer.open()["stream"]
    peer.socket.send(record(stream, 0, 0))
    peer.acks(lambda ack: ack.next_seq == 1)
    other = Peer(running.ingest)
    try:
        assert send_bad(other, stream, record(stream, 1, 10)) == Code.NOT_OPEN
        answer = other.open()
        assert (answer["next_seq"], answer["next_index"]) == (1, 10)
        other.socket.send(record(answer["stream"], 1, 10))
        other.acks(lambda ack: ack.next_seq == 2)
        assert send_bad(peer, stream, record(stream, 2, 20)) == Code.NOT_OPEN
    finally:
        other.close()


def test_an_older_session_is_fenced_and_a_newer_one_begins_anew(peer: Peer) -> None:
    stream = peer.open()["stream"]
    peer.socket.send(record(stream, 0, 0))
    peer.acks(lambda ack: ack.next_seq == 1)
    assert peer.open(session=6)["code"] == Code.STALE_SESSION
    newer = peer.open(session=8)
    assert (newer["type"], newer["next_seq"], newer["next_index"]) == ("OPEN_OK", 0, 0)
    assert send_bad(peer, stream, record(stream, 1, 10)) == Code.NOT_OPEN


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (Code.BAD_MESSAGE, {"key": "icu/p1/ecg"}),
        (Code.BAD_MESSAGE, {"channels": [{"count": 2_000_000_000}]}),
        (Code.BAD_MESSAGE, {"session": 1 << 63}),
        (Code.BAD_PARAMETER, {"rate": [5000, 1]}),
        (Code.BAD_PARAMETER, {"rate": None}),
        (Code.BAD_PARAMETER, {"channels": [{"unit": "mmHg"}]}),
        (Code.UNSUPPORTED, {"kind": "acc"}),
    ],
)
def test_an_open_that_can_not_be_met_gets_an_error_with_its_code(
    peer: Peer, code: Code, changes: dict[str, Any]
) -> None:
    answer = peer.open(**changes)
    assert (answer["type"], answer["code"]) == ("ERR", code)
    assert answer["message"]
    assert peer.open()["type"] == "OPEN_OK"


def test_a_stream_can_not_change_its_shape_within_a_session(peer: Peer) -> None:
    peer.open()
    answer = peer.open(channels=[{"label": "I"}, {"label": "II"}])
    assert (answer["code"], "channels" in answer["message"]) == (Code.BAD_PARAMETER, True)


def test_no_more_streams_are_opened_than_there_is_room_for() -> None:
    small = Running(max_streams=2)
    peer = Peer(small.ingest)
    try:
        first = peer.open("icu/p1/monitor/ecg")
        assert peer.open("icu/p2/monitor/ecg")["type"] == "OPEN_OK"
        assert peer.open("icu/p3/monitor/ecg")["code"] == Code.FULL
        peer.socket.send(record(first["stream"], 0, 0, kind=wire.END))
        peer.acks(lambda ack: ack.next_seq == 1)
        assert peer.open("icu/p3/monitor/ecg")["type"] == "OPEN_OK"
    finally:
        peer.close()
        small.stop()


def test_credits_fit_the_memory_that_is_given() -> None:
    small = Running(memory=40_000)
    peer = Peer(small.ingest)
    try:
        granted = []
        for patient in range(5):
            answer = peer.open(f"icu/p{patient}/monitor/ecg")
            granted.append(answer["credit"][1] if answer["type"] == "OPEN_OK" else 0)
        assert 0 < sum(granted) <= 40_000
        assert granted[-1] == 0
    finally:
        peer.close()
        small.stop()


def test_hello_names_the_version_and_the_limits(peer: Peer) -> None:
    answer = peer.ask("HELLO", client="test", versions=[1, 2])
    assert (answer["type"], answer["version"], answer["max_message"]) == ("WELCOME", 1, wire.MAX_MESSAGE)
    assert peer.ask("HELLO", client="test", versions=[9])["code"] == Code.UNSUPPORTED


def test_ping_is_answered_with_the_engines_times(peer: Peer) -> None:
    answer = peer.ask("PING", t1=42)
    assert answer["t1"] == 42
    assert answer["t2"] <= answer["t3"]


@pytest.mark.parametrize("message", [b"\x80", b"\x81\xa4type\xc0", b"\xdf\xff\xff\xff\xff", maps.pack("NONSENSE")])
def test_a_map_that_is_no_message_gets_an_error(peer: Peer, message: bytes) -> None:
    peer.socket.send(message)
    assert peer.map()["code"] == Code.BAD_MESSAGE


def test_a_stream_does_not_notice_the_bad_records_of_another(running: Running, peer: Peer, control: Peer) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, (500, 1)).astype("<f4")

    def play(key: str, disturb: bool) -> list[Any]:
        stream = peer.open(key)["stream"]
        other = peer.open(key + "2")["stream"]
        for seq in range(50):
            good = wire.encode_record(Record(wire.DATA, 7, stream, seq, 10 * seq, x[10 * seq : 10 * seq + 10]))
            noise = record(other, 99, 0) + record(other, 0, 0, session=3) if disturb else b""
            peer.socket.send(noise + good + (noise + b"junk" if disturb else b""))
            if seq % 20 == 19:
                peer.acks(lambda ack, n=seq + 1: ack.stream == stream and ack.next_seq == n)  # type: ignore[misc]  # a default
        peer.acks(lambda ack: ack.stream == stream and ack.next_seq == 50)
        items = control.ask("REPLAY", topic=f"{key}/beat/", **{"from": 0, "to": 1 << 40})["items"]
        said = [maps.unpack_payload(payload) for _, payload in items]
        return [{k: v for k, v in one.items() if k != "t_arrival_ns"} for one in said]

    calm = play("icu/p1/monitor/ecg", False)
    assert calm
    assert play("icu/p2/monitor/ecg", True) == calm
