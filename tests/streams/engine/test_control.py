"""The control socket: snapshots and replays in pages, counters, and what is not in this version."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.streams import kept
from tests.streams.conftest import Peer, Running, wait_for
from tests.streams.engine.test_ingest import record
from tests.streams.engine.test_keeper import full_disk
from vitalcore.alarms import Book, preset
from vitalcore.fixtures.recordings import heart
from vitalcore.operators.ecg import Ecg
from vitalcore.operators.ppg import Ppg
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.journal.archive import Archive
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.maps import Channel
from vitalcore.streams.protocol.wire import Code
from vitalcore.streams.subscriber import Subscriber


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


@pytest.mark.parametrize("key", [None, "icu", "icu/p000/monitor", "icu/p 1", 7, "", "/"])
def test_only_a_subject_is_erased(running: Running, control: Peer, key: object) -> None:
    play(running, 1, 5)
    answer = control.ask("ERASE", id="x", key=key)
    assert (answer["type"], answer["code"], answer["id"]) == ("ERR", Code.BAD_MESSAGE, "x")
    assert control.ask("STATUS")["streams"] == 1


def test_an_erased_subject_is_forgotten_by_an_engine_that_keeps_nothing(running: Running, control: Peer) -> None:
    play(running, 3, 5)
    answer = control.ask("ERASE", key="icu/p001")
    assert (answer["type"], answer["key"], answer["streams"], answer["rows"]) == ("ERASE_OK", "icu/p001/", 1, 0)
    assert set(control.ask("STATUS", prefix="")["keys"]) == {"icu/p000/monitor/ecg", "icu/p002/monitor/ecg"}
    assert control.ask("SNAPSHOT", prefix="icu/p001/")["items"] == []


def test_an_erased_subject_is_gone_from_memory_and_disk_while_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with kept.running(path) as running:
        peer = Peer(running.ingest)
        stream = peer.open(key=kept.KEYS[0])["stream"]
        with Subscriber(running.live, running.control, "icu/") as subscriber:
            answer = subscriber.request("ERASE", timeout_s=20, key="icu/p1")
        assert (answer["key"], answer["streams"]) == ("icu/p1/", 1)
        assert answer["rows"] > 3
        left = path.read_bytes() + path.with_name("j.db-wal").read_bytes()
        gone = kept.signal(0)[:10].astype("<f4").tobytes()
        assert gone not in left
        assert kept.KEYS[0].encode() not in left
        assert kept.signal(1)[:10].astype("<f4").tobytes() in left
        peer.socket.send(record(stream, 150, 1500))
        assert peer.refusal().code == Code.NOT_OPEN
        anew = peer.open(key=kept.KEYS[0])
        assert (anew["next_seq"], anew["next_index"]) == (0, 0)
        peer.socket.send(record(anew["stream"], 0, 0))
        peer.acks(lambda ack: ack.next_seq == 1)
        peer.close()
    again = Running(journal=Journal(path))
    assert again.engine.recovered is not None
    assert again.engine.recovered.damage == ()
    status = Peer(again.control)
    samples = {key: each["samples"] for key, each in status.ask("STATUS", prefix="")["keys"].items()}
    assert samples == {kept.KEYS[0]: 10, kept.KEYS[1]: kept.SAMPLES}
    status.close()
    again.stop()


def test_an_erasure_finishes_under_load_while_somebody_reads_the_file(tmp_path: Path) -> None:
    with kept.running(tmp_path / "j.db") as running:
        peer, control = Peer(running.ingest), Peer(running.control)
        stream = peer.open(key="icu/p3/monitor/ecg")["stream"]
        reader = Archive(tmp_path / "j.db")
        reading = reader.entries()
        next(reading)
        control.socket.send(maps.pack("ERASE", key="icu/p12/"))
        for seq in range(40):
            peer.socket.send(record(stream, seq, 10 * seq))
            peer.acks(lambda ack, want=seq + 1: ack.next_seq == want)  # type: ignore[misc]
        assert not control.socket.poll(0)  # what is being read is still in the log
        del reading
        reader.close()
        assert control.map()["type"] == "ERASE_OK"
        for each in (peer, control):
            each.close()


def test_a_disk_that_refuses_erases_nothing_and_says_so(tmp_path: Path) -> None:
    with kept.running(tmp_path / "j.db") as running:
        peer, control = Peer(running.ingest), Peer(running.control)
        with full_disk():
            stream = peer.open(key="icu/p3/monitor/ecg")["stream"]
            peer.socket.send(record(stream, 0, 0))
            assert wait_for(lambda: control.ask("STATUS")["storage"] != "ok")
            answer = control.ask("ERASE", key="icu/p1")
        assert (answer["type"], answer["code"]) == ("ERR", Code.STORAGE)
        assert kept.KEYS[0] in control.ask("STATUS", prefix="icu/p1/")["keys"]
        for each in (peer, control):
            each.close()


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


WATCHED = "icu/p1/monitor/ecg"


@pytest.fixture(scope="module")
def watching() -> Iterator[Running]:
    child = preset("child")
    running = Running(chains={"ecg": Ecg(), "ppg": Ppg()}, limits=Book({"adult": preset()}, "adult", {"icu/c": child}))
    yield running
    running.stop()


@pytest.fixture
def asking(watching: Running) -> Iterator[Peer]:
    peer = Peer(watching.control)
    yield peer
    peer.close()


class Heart:
    """Send an ECG of one rate after another on one stream."""

    def __init__(self, gateway: Gateway, key: str = WATCHED) -> None:
        self._gateway, self._stream = gateway, gateway.open(key, "ecg", 250)

    def beat(self, seconds: float, bpm: float) -> None:
        self._gateway.send(self._stream, heart(seconds, bpm).astype(np.float32))
        assert self._gateway.drain(20)


def said(asking: Peer, key: str = WATCHED) -> list[dict[str, Any]]:
    items = asking.ask("REPLAY", topic=f"{key}/alarm/", **{"from": 0, "to": 1 << 40})["items"]
    return [maps.unpack_payload(payload) for _, payload in items]


def test_an_alarm_goes_out_is_acknowledged_and_ends(watching: Running, asking: Peer) -> None:
    with Gateway(watching.ingest) as gateway:
        patient = Heart(gateway)
        patient.beat(20, 130)
        (alarm,) = [one for one in said(asking) if one["state"] == "raised"]
        assert (alarm["code"], alarm["priority"], alarm["limit"]) == ("heart_rate_high", "medium", 120)
        assert alarm["measured"] == pytest.approx(130, abs=2)
        answer = asking.ask("ALARM_ACK", id=4, key=WATCHED, code="heart_rate_high")
        assert answer == {"type": "ALARM_ACK_OK", "id": 4, "key": WATCHED, "code": "heart_rate_high"}
        patient.beat(12, 130)
        assert [one["state"] for one in said(asking)][-2:] == ["acknowledged", "acknowledged"]
        patient.beat(20, 80)
        assert said(asking)[-1]["state"] == "ended"
        answer = asking.ask("ALARM_ACK", key=WATCHED, code="heart_rate_high")
        assert (answer["type"], answer["code"]) == ("ERR", Code.NOT_FOUND)
        assert "does not stand" in answer["message"]


def test_limits_change_while_the_stream_runs_and_stay_in_its_next_session(watching: Running, asking: Peer) -> None:
    with Gateway(watching.ingest) as gateway:
        patient = Heart(gateway, "icu/p2/monitor/ecg")
        patient.beat(20, 100)
        assert asking.ask("REPLAY", topic="icu/p2/monitor/ecg/alarm/", **{"from": 0, "to": 9})["type"] == "ERR"
        answer = asking.ask("CONFIG", key="icu/p2/monitor/ecg", limits={"heart_rate_high_per_min": 90})
        assert answer["type"] == "CONFIG_OK"
        assert answer["limits"]["heart_rate_high_per_min"] == 90
        assert answer["limits"]["heart_rate_low_per_min"] == 50
        patient.beat(10, 100)
        (alarm,) = said(asking, "icu/p2/monitor/ecg")
        assert (alarm["code"], alarm["limit"]) == ("heart_rate_high", 90)
    with Gateway(watching.ingest) as gateway:
        Heart(gateway, "icu/p2/monitor/ecg").beat(1, 80)
        answer = asking.ask("CONFIG", key="icu/p2/monitor/ecg")
        assert answer["limits"]["heart_rate_high_per_min"] == 90
        answer = asking.ask(
            "CONFIG", key="icu/p2/monitor/ecg", limits={"preset": "infant", "priority": {"pause": "off"}}
        )
        assert answer["limits"]["heart_rate_high_per_min"] == preset("infant").heart_rate_high_per_min
        assert answer["limits"]["priority"]["pause"] == "off"


def test_a_stream_begins_with_the_limits_of_its_key(watching: Running, asking: Peer) -> None:
    with Gateway(watching.ingest) as gateway:
        Heart(gateway, "icu/c1/monitor/ecg").beat(1, 100)
        Heart(gateway, "icu/a1/monitor/ecg").beat(1, 100)
        for key, high in (("icu/c1/monitor/ecg", 160), ("icu/a1/monitor/ecg", 120)):
            assert asking.ask("CONFIG", key=key)["limits"]["heart_rate_high_per_min"] == high


def test_a_snapshot_holds_every_alarm_that_stands(watching: Running, asking: Peer) -> None:
    key = "icu/p3/monitor/ecg"
    with Gateway(watching.ingest) as gateway:
        stream = gateway.open(key, "ecg", 250, [Channel("I", "mV"), Channel("II", "mV")])
        x = heart(40, 130)
        gateway.send(stream, np.column_stack([x, np.zeros_like(x)]).astype(np.float32))
        assert gateway.drain(20)
        items = asking.ask("SNAPSHOT", prefix=f"{key}/alarm/")["items"]
        codes = {maps.unpack_payload(payload)["code"] for _, _, payload in items}
        assert codes == {"heart_rate_high", "lead_disconnected"}
        with Subscriber(watching.live, watching.control, f"{key}/alarm/") as late:
            heard = [late.receive(5000) for _ in items]
        assert {one.payload["code"] for one in heard if one is not None} == codes
        assert not late.missed


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type_": "CONFIG"}, Code.BAD_MESSAGE),
        ({"type_": "CONFIG", "key": "icu/nobody/monitor/ecg"}, Code.NOT_FOUND),
        ({"type_": "CONFIG", "key": "icu/p4/monitor/ppg"}, Code.UNSUPPORTED),
        ({"type_": "CONFIG", "key": "icu/p4/monitor/ecg", "limits": [1]}, Code.BAD_MESSAGE),
        ({"type_": "CONFIG", "key": "icu/p4/monitor/ecg", "limits": {"asystole_s": 99}}, Code.BAD_PARAMETER),
        ({"type_": "CONFIG", "key": "icu/p4/monitor/ecg", "limits": {"asystole": 4}}, Code.BAD_PARAMETER),
        ({"type_": "ALARM_ACK", "key": "icu/p4/monitor/ecg"}, Code.BAD_MESSAGE),
        ({"type_": "ALARM_ACK", "key": "icu/p4/monitor/ecg", "code": "hiccup"}, Code.BAD_PARAMETER),
        ({"type_": "ALARM_ACK", "key": "icu/p4/monitor/ecg", "code": "asystole"}, Code.NOT_FOUND),
        ({"type_": "ALARM_ACK", "key": "icu/p4/monitor/ppg", "code": "asystole"}, Code.UNSUPPORTED),
    ],
)
def test_requests_about_alarms_that_cant_be_are_refused(
    watching: Running, asking: Peer, fields: dict[str, Any], code: Code
) -> None:
    with Gateway(watching.ingest) as gateway:
        Heart(gateway, "icu/p4/monitor/ecg").beat(1, 80)
        gateway.send(gateway.open("icu/p4/monitor/ppg", "ppg", 100), np.zeros(10, np.float32))
        assert gateway.drain(20)
        answer = asking.ask(**fields)
        assert (answer["type"], answer["code"]) == ("ERR", code)
        assert "\n" not in answer["message"]
