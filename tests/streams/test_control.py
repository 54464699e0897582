"""The control socket: snapshots and replays in pages, counters, and what is not in this version."""

from typing import Any

import numpy as np
import pytest

from tests.streams.conftest import Peer, Running
from vitalcore.streams import wire
from vitalcore.streams.gateway import Gateway
from vitalcore.streams.wire import Code


def play(running: Running, patients: int, n: int) -> None:
    with Gateway(running.ingest) as gateway:
        for patient in range(patients):
            stream = gateway.open(f"icu/p{patient:03}/monitor/ecg", "ecg", 250)
            gateway.send(stream, np.full(n, 2, np.float32))
        assert gateway.drain(20)


def test_a_snapshot_holds_the_last_message_of_each_topic_under_the_prefix(running: Running, control: Peer) -> None:
    play(running, 3, 5)
    answer = control.ask("SNAPSHOT", id=1, prefix="icu/p001/")
    topics = {topic: wire.decode_live(header, payload) for topic, header, payload in answer["items"]}
    assert set(topics) == {f"icu/p001/monitor/ecg/{what}/" for what in ("beat", "feature")}
    beat = topics["icu/p001/monitor/ecg/beat/"]
    assert (beat.topic_seq, beat.flags) == (4, wire.REPLAYED)
    assert (answer["id"], answer["more"]) == (1, False)


def test_a_long_snapshot_comes_in_pages_that_hold_each_topic_once(running: Running, control: Peer) -> None:
    play(running, 400, 2)
    seen: list[str] = []
    answer: dict[str, Any] = {"more": True}
    pages = 0
    while answer["more"]:
        answer = control.ask("SNAPSHOT", prefix="", after=seen[-1] if seen else "")
        seen += [topic for topic, _, _ in answer["items"]]
        pages += 1
    assert pages > 1
    assert len(seen) == len(set(seen)) == 800


def test_a_replay_holds_exactly_what_was_asked_for_and_is_still_held(running: Running, control: Peer) -> None:
    play(running, 1, 200)
    answer = control.ask("REPLAY", topic="icu/p000/monitor/ecg/beat/", **{"from": 100, "to": 150})
    numbers = [wire.decode_live(*item).topic_seq for item in answer["items"]]
    assert numbers == list(range(136, 151))
    assert (answer["oldest"], answer["newest"]) == (136, 199)


@pytest.mark.parametrize(
    "topic", ["", "icu/p000/monitor/ecg/beat", "icu/p9/monitor/ecg/beat/", "icu/p000/monitor/ecg/x/"]
)
def test_a_topic_on_which_nothing_was_said_is_not_found(running: Running, control: Peer, topic: str) -> None:
    play(running, 1, 5)
    answer = control.ask("REPLAY", topic=topic, **{"from": 0, "to": 9})
    assert (answer["type"], answer["code"]) == ("ERR", Code.NOT_FOUND)


@pytest.mark.parametrize("type_", ["CONFIG", "ALARM_ACK", "ERASE"])
def test_what_is_not_in_this_version_says_so(control: Peer, type_: str) -> None:
    answer = control.ask(type_, id="x")
    assert (answer["type"], answer["code"], answer["id"]) == ("ERR", Code.UNSUPPORTED, "x")
    assert "not in this version" in answer["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"type_": "NONSENSE"},
        {"type_": "REPLAY"},
        {"type_": "REPLAY", "topic": "a", "from": -1, "to": 3},
        {"type_": "SNAPSHOT"},
        {"type_": "SNAPSHOT", "prefix": "x" * 600},
        {"type_": "PING", "t1": "now"},
    ],
)
def test_a_request_that_breaks_a_rule_gets_an_error(control: Peer, fields: dict[str, Any]) -> None:
    answer = control.ask(**fields)
    assert (answer["type"], answer["code"]) == ("ERR", Code.BAD_MESSAGE)


@pytest.mark.parametrize("frames", [[b"\x80"], [b""], [b"\xff\xff"], [b"a", b"b"], [b"\xdf\xff\xff\xff\xff"]])
def test_bytes_that_are_no_request_get_an_error(control: Peer, frames: list[bytes]) -> None:
    control.socket.send_multipart(frames)
    assert control.map()["code"] == Code.BAD_MESSAGE


def test_status_counts_and_lists_streams_in_pages(running: Running, control: Peer) -> None:
    play(running, 70, 3)
    whole = control.ask("STATUS")
    assert (whole["streams"], whole["records"], whole["samples"], whole["ack"]) == (70, 70, 210, "received")
    assert "keys" not in whole
    first = control.ask("STATUS", prefix="icu/")
    rest = control.ask("STATUS", prefix="icu/", after=max(first["keys"]))
    assert (first["more"], rest["more"], len(first["keys"]) + len(rest["keys"])) == (True, False, 70)
