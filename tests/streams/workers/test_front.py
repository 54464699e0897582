"""What the front answers by itself, and how it puts the answers of workers together."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streams.conftest import ANY, Peer
from vitalcore.streams.protocol import maps
from vitalcore.streams.protocol.wire import Code, decode_acks
from vitalcore.streams.workers.front import Address, Front, _whose, merge, place


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    addresses = [
        Address(f"tcp://127.0.0.1:{9000 + i}", f"ipc://{tmp_path}/l{i}", f"ipc://{tmp_path}/c{i}") for i in (0, 1)
    ]
    made = Front(addresses, [1, 3], ANY, ANY, ANY, {"version": 1, "engine": "vitalcore test"})
    yield made
    made.close()


def ask(front: Front, peer: Peer, message: bytes) -> bytes:
    """Let the front turn until it has answered."""
    peer.socket.send(message)
    front.run(lambda: bool(peer.socket.poll(10)))
    return peer.receive()


def test_an_open_is_sent_on_to_the_worker_of_its_subject(front: Front) -> None:
    peer = Peer(front.endpoints["ingest"])

    for key in ("icu/p1/monitor/ecg", "icu/p2/monitor/ecg", "icu/p3/monitor/ecg"):
        answer = maps.unpack(ask(front, peer, maps.pack("OPEN", key=key)))
        number = place(key, 2)
        assert answer == {
            "type": "REDIRECT",
            "key": key,
            "endpoint": f"tcp://127.0.0.1:{9000 + number}",
            "epoch": (1, 3)[number],
        }
    assert maps.unpack(ask(front, peer, maps.pack("HELLO", client="x", versions=[1])))["engine"] == "vitalcore test"
    assert maps.unpack(ask(front, peer, maps.pack("OPEN", key="no key")))["code"] == Code.BAD_MESSAGE
    assert [ack.code for ack in decode_acks(ask(front, peer, bytes(64)))] == [Code.NOT_OPEN]
    peer.close()


def test_a_request_of_a_worker_that_is_away_is_answered_and_says_so(front: Front) -> None:

    peer = Peer(front.endpoints["control"])
    answer = maps.unpack(ask(front, peer, maps.pack("REPLAY", topic="icu/p1/monitor/ecg/beat/", id=5)))
    assert (answer["type"], answer["code"], answer["id"]) == ("ERR", Code.NOT_FOUND, 5)
    peer.close()


def test_who_is_asked_hangs_on_how_much_of_the_subject_is_named() -> None:
    mine = [place("icu/p1", 4)]
    for one in ({"key": "icu/p1"}, {"key": "icu/p1/monitor/ecg"}, {"topic": "icu/p1/monitor/ecg/beat/"}):
        assert list(_whose(one, 4)) == mine
    assert list(_whose({"prefix": "icu/p1/"}, 4)) == mine
    for all_ in ({"prefix": "icu/p1"}, {"prefix": ""}, {}):  # p12 begins so, too
        assert list(_whose(all_, 4)) == [0, 1, 2, 3]


def test_numbers_add_up_and_delays_are_the_slowest() -> None:
    one = {
        "type": "STATUS_OK",
        "samples": 3,
        "uptime_ns": 9,
        "latency_ns": [1, 5, 9],
        "ack": "journaled",
        "storage": "ok",
    }
    two = {
        "type": "STATUS_OK",
        "samples": 4,
        "uptime_ns": 5,
        "latency_ns": [2, 3, 4],
        "ack": "received",
        "storage": "full",
    }
    assert merge([one, two]) == {
        "type": "STATUS_OK",
        "samples": 7,
        "uptime_ns": 5,
        "latency_ns": [2, 5, 9],
        "ack": "received",
        "storage": "full",
    }


def test_items_end_where_the_first_worker_has_not_told_all() -> None:
    one = {"type": "SNAPSHOT_OK", "items": [["a/", 1], ["d/", 2]], "more": True}
    two = {"type": "SNAPSHOT_OK", "items": [["b/", 3], ["e/", 4]], "more": False}
    assert merge([one, two]) == {"type": "SNAPSHOT_OK", "items": [["a/", 1], ["b/", 3], ["d/", 2]], "more": True}


def test_an_error_of_one_is_not_the_answer_where_another_has_one() -> None:
    refused = {"type": "ERR", "code": 36, "message": "no"}
    good = {"type": "SNAPSHOT_OK", "items": [], "more": False}
    assert merge([refused, good]) == good
    assert merge([refused, refused]) == refused
