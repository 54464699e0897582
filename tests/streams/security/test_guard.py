"""An engine with keys: who gets in, who may do what, who is thrown out."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from tests.streams.conftest import ANY, Peer, Running, wait_for
from tests.streams.locked import Locked
from vitalcore.errors import ForbiddenError, ParameterError, ProtocolError
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.gateway import courier
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol import keys, sockets
from vitalcore.streams.protocol.keys import Keys
from vitalcore.streams.protocol.live import Message
from vitalcore.streams.protocol.wire import Code
from vitalcore.streams.security import rights
from vitalcore.streams.security.audit import verify
from vitalcore.streams.security.guard import Security
from vitalcore.streams.security.rights import Client
from vitalcore.streams.subscriber import Subscriber

BED1, BED12 = "icu/bed1/monitor/ecg", "icu/bed12/monitor/ecg"
TOLD_S = 5.0  # a key that is removed loses its rights in so long


@pytest.fixture
def locked(tmp_path: Path) -> Locked:
    return Locked(tmp_path)


@pytest.fixture
def engine(locked: Locked) -> Iterator[Running]:
    running = Running(security=locked.security)
    yield running
    running.stop()
    verdict = verify(locked.audit)
    assert (verdict.problem, verdict.ended) == ("", True)


def audited(locked: Locked) -> list[dict[str, Any]]:
    return [json.loads(line) for line in locked.audit.read_text().splitlines()]


def gateway(engine: Running, locked: Locked, own: Keys | None) -> Gateway:
    return Gateway(engine.ingest, **locked.as_client(own))


def subscriber(engine: Running, locked: Locked, own: Keys | None, *prefixes: str) -> Subscriber:
    return Subscriber(engine.live, engine.control, prefixes, **locked.as_client(own))


def hear(from_: Subscriber, n: int, seconds: float = 10.0) -> list[Message]:
    """Collect beats: so many, or those that come in a time."""
    end = time.monotonic() + seconds
    heard: list[Message] = []
    while len(heard) < n and time.monotonic() < end:
        message = from_.receive(20)
        if message is not None and message.what == "beat":
            heard.append(message)
    return heard


def polls(sends: Gateway, until: Callable[[], bool]) -> bool:
    """Poll a gateway until something is so; tell whether it is."""
    end = time.monotonic() + TOLD_S
    while not until() and time.monotonic() < end:
        sends.poll(20)
    return until()


def test_with_keys_samples_go_in_and_results_come_out(engine: Running, locked: Locked) -> None:
    bedside = locked.client("bedside", write=("icu/bed1",))
    viewer = locked.client("viewer", read=("icu/",))
    assert wait_for(lambda: len(engine.engine._guard._clients) == 3)  # type: ignore[union-attr]
    with gateway(engine, locked, bedside) as sends, subscriber(engine, locked, viewer, "icu/") as hears:
        hears.status()
        sends.send(sends.open(BED1, "ecg", 250), np.full(7, 2, np.float32))
        assert sends.drain()
        assert len(hear(hears, 7)) == 7
    opened = [line for line in audited(locked) if line["what"] == "OPEN"]
    assert [(line["who"], line["stream"], line["result"]) for line in opened] == [("bedside", BED1, "ok")]
    assert opened[0]["key"] == keys.fingerprint(bedside.public)


def test_a_gateway_opens_only_what_it_may_write(locked: Locked) -> None:
    bedside = locked.client("bedside", write=("icu/bed1",), read=("/",))
    engine = Running(security=locked.security)
    peer = Peer(engine.ingest, **locked.as_client(bedside))
    assert peer.open(BED1)["type"] == "OPEN_OK"
    refused = peer.open(BED12)
    assert (refused["type"], refused["code"]) == ("ERR", Code.FORBIDDEN)
    assert list(engine.engine._streams.by_key) == [BED1]
    peer.close()
    engine.stop()


def test_a_subscription_is_taken_only_if_all_of_it_may_be_read(locked: Locked) -> None:
    viewer = locked.client("viewer", read=("icu/bed1",))
    engine = Running(security=locked.security)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    live = sockets.connect(context, zmq.SUB, engine.live, **locked.as_client(viewer))
    for prefix in ("", "icu", "icu/", "icu/bed1", "icu/bed12/", "icu/-/-/-/heartbeat/", "\xff", "icu/bed1/monitor/"):
        live.subscribe(prefix)
    owner = Peer(engine.ingest, **locked.as_client(locked.client("late", write=("/",))))
    assert wait_for(lambda: set(engine.engine._live.readers._subscriptions) == {b"icu/bed1/monitor/"})
    assert wait_for(lambda: engine.engine._guard.counters["forbidden"] == 7)  # type: ignore[union-attr]
    owner.close()
    context.destroy(0)
    engine.stop()


CONTROL: list[tuple[str, dict[str, Any]]] = [
    ("SNAPSHOT", {"prefix": ""}),
    ("SNAPSHOT", {"prefix": "icu/bed12/"}),
    ("SNAPSHOT", {"prefix": "icu/bed1"}),
    ("SNAPSHOT", {}),
    ("STATUS", {"prefix": "icu/"}),
    ("STATUS", {"prefix": 5}),
    ("REPLAY", {"topic": f"{BED12}/beat/", "from": 0, "to": 9}),
    ("CONFIG", {"key": BED12}),
    ("CONFIG", {"key": BED1, "limits": {"pause_s": 4}}),
    ("ALARM_ACK", {"key": BED1, "code": "asystole"}),
    ("ERASE", {"key": BED1}),
]


def test_each_request_needs_its_right(locked: Locked) -> None:
    viewer = locked.client("viewer", read=("icu/bed1",))
    engine = Running(security=locked.security)
    peer = Peer(engine.control, **locked.as_client(viewer))
    for type_, fields in CONTROL:
        answer = peer.ask(type_, **fields)
        assert (answer["type"], answer.get("code")) == ("ERR", Code.FORBIDDEN), (type_, fields)
    for type_, fields in (("HELLO", {}), ("STATUS", {}), ("SNAPSHOT", {"prefix": "icu/bed1/"})):
        assert peer.ask(type_, **fields)["type"] != "ERR"
    for type_, fields in (("CONFIG", {"key": BED1}), ("REPLAY", {"topic": BED1 + "/beat/", "from": 0, "to": 9})):
        assert peer.ask(type_, **fields)["code"] == Code.NOT_FOUND  # allowed, and there is no such stream
    peer.close()
    engine.stop()


def test_control_changes_are_written_down(locked: Locked) -> None:
    nurse = locked.client("nurse", admin=("icu/",))
    engine = Running(security=locked.security)
    peer = Peer(engine.control, **locked.as_client(nurse))
    peer.ask("ALARM_ACK", key=BED1, code="asystole")
    peer.ask("CONFIG", key="lab/p1/monitor/ecg", limits={"pause_s": 4})
    peer.ask("ERASE", key="icu/bed1")
    peer.ask("ERASE", key="lab/p1")
    peer.close()
    engine.stop()
    said = [(line["who"], line["what"], line["stream"], line["result"]) for line in audited(locked)[2:-1]]
    assert said == [
        ("nurse", "ALARM_ACK", BED1, "NOT_FOUND"),
        ("nurse", "CONFIG", "lab/p1/monitor/ecg", "FORBIDDEN"),
        ("nurse", "ERASE", "icu/bed1", "ok"),
        ("nurse", "ERASE", "lab/p1", "FORBIDDEN"),
    ]


def test_a_removed_key_is_refused_at_once_and_thrown_out_and_nobody_else_notices(
    engine: Running, locked: Locked
) -> None:
    one, other = (locked.client(name, write=("icu/",), read=("icu/",)) for name in ("one", "other"))
    assert wait_for(lambda: len(engine.engine._guard._clients) == 3)  # type: ignore[union-attr]
    with (
        gateway(engine, locked, one) as revoked,
        gateway(engine, locked, other) as kept,
        subscriber(engine, locked, one, "icu/") as deaf,
        subscriber(engine, locked, other, "icu/") as hears,
    ):
        for each in (deaf, hears):
            each.status()
        mine, theirs = revoked.open(BED1, "ecg", 250), kept.open(BED12, "ecg", 250)
        for sender, stream in ((revoked, mine), (kept, theirs)):
            sender.send(stream, np.full(5, 2, np.float32))
            assert sender.drain()
        assert len(hear(deaf, 10)) == len(hear(hears, 10)) == 10
        rights.revoke(locked.rights, "one")
        start = time.monotonic()
        assert polls(revoked, lambda: bool(revoked.errors))
        assert wait_for(lambda: one.public not in engine.engine._guard._connections.values(), TOLD_S)  # type: ignore[union-attr]
        took_s = time.monotonic() - start
        assert revoked.errors == {BED1: "FORBIDDEN"}
        kept.send(theirs, np.full(5, 2, np.float32))
        assert kept.drain()
        assert len(hear(hears, 5)) == 5
        assert hear(deaf, 1, seconds=0.5) == []
        assert hears.missed == hears.restarts == hears.duplicates == 0
        assert kept.counters["resent"] == 0
        with pytest.raises(ProtocolError):
            deaf.request("STATUS", timeout_s=1)
    print(f"a revoked key was out after {took_s:.1f} s")
    assert took_s < TOLD_S
    assert any(line["what"] == "rights" and line["result"] == "removed" for line in audited(locked))


def test_a_key_allowed_again_comes_back_by_itself(engine: Running, locked: Locked) -> None:
    own = locked.client("viewer", read=("icu/",))
    with subscriber(engine, locked, own, "icu/") as hears, gateway(engine, locked, own) as sends:
        assert polls(sends, lambda: sends.clock_offset_ns is not None)
        hears.status()
        rights.revoke(locked.rights, "viewer")
        assert wait_for(lambda: own.public not in engine.engine._guard._connections.values(), TOLD_S)  # type: ignore[union-attr]
        rights.allow(locked.rights, own.public, Client("viewer", read=("icu/",), write=("icu/",)))
        stream = sends.open(BED1, "ecg", 250)
        assert polls(sends, lambda: sends.is_open(stream))
        end = time.monotonic() + 10  # libzmq tries again after 5 s, and subscribes again when it is asked for messages
        while b"icu/" not in engine.engine._live.readers._subscriptions and time.monotonic() < end:
            hears.receive(20)
        sends.send(stream, np.full(5, 2, np.float32))
        assert sends.drain()
        assert len(hear(hears, 5)) == 5


@pytest.mark.parametrize("lost", ["right", "key"])
def test_a_gateway_that_was_forbidden_keeps_its_samples_and_comes_back_once_it_is_allowed(
    engine: Running, locked: Locked, lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "RETRY_NS", 500_000_000)
    own = locked.client("bedside", write=("icu/",))
    before = locked.rights.read_text()
    with Gateway(engine.ingest, spool=tmp_path / "spool.db", **locked.as_client(own)) as sends:
        stream = sends.open(BED1, "ecg", 250)
        sends.send(stream, np.full(5, 2, np.float32))
        assert sends.drain()
        if lost == "right":
            locked.rights.write_text(before.replace('["icu/"]', '["lab/"]'))
        else:
            rights.revoke(locked.rights, "bedside")
        assert polls(sends, lambda: bool(sends.errors))
        for _ in range(20):
            sends.send(stream, np.full(5, 2, np.float32))
            sends.poll(20)
        assert sends.errors == {BED1: sends.errors[BED1]}
        assert sends.refused == {}
        assert sends.counters["held"] == 20
        locked.rights.write_text(before)
        assert polls(sends, lambda: not sends.errors)
        assert sends.drain()
        assert (sends.counters["acked"], sends.counters["lost_samples"]) == (21, 0)
    rows = engine.engine._streams.rows
    row = rows[engine.engine._streams.by_key[BED1].row]
    assert (row["samples"], row["lost"]) == (105, 0)


def test_a_gateway_changes_its_keys_under_load_and_loses_nothing(engine: Running, locked: Locked) -> None:
    old, new = (locked.client("bedside", write=("icu/bed1/",)) for _ in range(2))
    hears_all = locked.client("viewer", read=("/",))
    with gateway(engine, locked, old) as sends, subscriber(engine, locked, hears_all, "icu/") as hears:
        assert polls(sends, lambda: sends.clock_offset_ns is not None)
        hears.status()
        stream = sends.open(BED1, "ecg", 250)
        for k in range(200):
            sends.send(stream, np.full(5, 2, np.float32))
            sends.poll(1)
            if k == 70:
                sends.use_keys(new)
            if k == 140:
                rights.revoke(locked.rights, "bedside", old.public)
        assert sends.drain()
        assert (sends.counters["acked"], sends.counters["lost_samples"], sends.errors) == (200, 0, {})
        assert [message.payload["t"] for message in hear(hears, 1000)] == list(range(1000))


def test_a_narrowed_right_withdraws_subscriptions(engine: Running, locked: Locked) -> None:
    own = locked.client("viewer", read=("icu/",))
    with subscriber(engine, locked, own, "icu/") as hears:
        hears.status()
        assert b"icu/" in engine.engine._live.readers._subscriptions
        locked.rights.write_text(locked.rights.read_text().replace('["icu/"]', '["icu/bed1/"]'))
        assert wait_for(lambda: not engine.engine._live.readers._subscriptions, TOLD_S)
        with pytest.raises(ProtocolError, match="may not read"):
            hears.request("SNAPSHOT", prefix="icu/")


def test_a_stranger_whose_subscription_ends_takes_no_waves_from_others(engine: Running, locked: Locked) -> None:
    own, wrong = locked.client("viewer", read=("icu/",)), locked.client("wrong", read=("lab/",))
    with gateway(engine, locked, locked.client("bedside", write=("icu/",))) as sends:
        sends.open(BED1, "ecg", 250)
        with subscriber(engine, locked, own, "icu/") as hears:
            hears.status()
            assert polls(sends, lambda: bool(engine.engine._streams.wave_wanted.any()))
            with (
                subscriber(engine, locked, wrong, "icu/") as denied,
                pytest.raises(ForbiddenError, match="may not read icu/"),
            ):
                denied.status()
            time.sleep(1.5)
            assert engine.engine._streams.wave_wanted.any()
        assert wait_for(lambda: not engine.engine._streams.wave_wanted.any())


def test_an_invalid_rights_file_changes_nothing_and_is_told(
    engine: Running, locked: Locked, caplog: pytest.LogCaptureFixture
) -> None:
    guard = engine.engine._guard
    assert guard is not None
    text = locked.rights.read_text()
    locked.rights.write_text(text + "nonsense")
    assert wait_for(lambda: guard.counters["rights_invalid"] == 1)
    assert [client.name for client in guard._clients.values()] == ["owner"]
    assert wait_for(lambda: "the rights from before hold" in caplog.text)  # told just after it is counted
    locked.rights.write_text(text)
    assert wait_for(lambda: guard.counters["rights_invalid"] == 0)
    assert [line["result"] for line in audited(locked) if line["what"] == "rights"] == [
        "invalid: those from before hold"
    ]


def test_an_engine_binds_other_machines_interfaces_with_keys_only(locked: Locked) -> None:
    with pytest.raises(ParameterError, match="no keys to protect it"):
        Engine("tcp://0.0.0.0:*", ANY, ANY)
    running = Running("tcp://0.0.0.0:*", security=locked.security)
    running.stop()


@pytest.mark.parametrize("hole", ["no domain", "no authenticator", "no curve"])
def test_an_engine_that_lets_strangers_in_does_not_start(
    locked: Locked, hole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sockets.serve

    def careless(
        context: "zmq.Context[zmq.Socket[bytes]]", kind: int, endpoint: str, own: Keys | None = None, domain: str = ""
    ) -> "zmq.Socket[bytes]":
        if domain != "control" or own is None:
            return real(context, kind, endpoint, own, domain)
        if hole == "no curve":
            return real(context, kind, endpoint)
        elsewhere: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = (elsewhere if hole == "no authenticator" else context).socket(kind)
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, own.secret.encode())
        if hole == "no authenticator":
            socket.set(zmq.ZAP_DOMAIN, b"control")
        else:
            socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)
        socket.bind(endpoint)
        return socket

    monkeypatch.setattr(sockets, "serve", careless)
    engine = Engine(ANY, ANY, ANY, chains={}, security=locked.security)
    with pytest.raises(ParameterError, match=r"control .* does not keep out an? .* key: it got in"):
        engine.run()
    assert not engine.ready.is_set()
    assert verify(locked.audit).ended
    assert [(line["what"], line["result"]) for line in audited(locked)[1:-1]] == [("self-test", "failed")]


def test_keys_and_rights_go_together(locked: Locked) -> None:
    for half in (Security(keys=locked.security.keys), Security(rights=locked.rights)):
        with pytest.raises(ParameterError, match="go together"):
            Engine(ANY, ANY, ANY, security=half)
    assert locked.security.keys is not None
    locked.security.keys.chmod(0o644)
    with pytest.raises(ParameterError, match="chmod 600"):
        Engine(ANY, ANY, ANY, security=locked.security)


def test_without_keys_there_can_be_a_log(tmp_path: Path) -> None:
    running = Running(security=Security(audit=tmp_path / "audit.jsonl"))
    peer = Peer(running.ingest)
    peer.open(BED1)
    answer = peer.open("icu/Mueller.Anna/monitor/ecg")
    assert (answer["code"], "Anna" in answer["message"]) == (Code.BAD_MESSAGE, False)
    peer.close()
    running.stop()
    text = (tmp_path / "audit.jsonl").read_text()
    said = [json.loads(line) for line in text.splitlines()]
    assert [(line.get("stream"), line["result"]) for line in said[1:-1]] == [
        (BED1, "ok"),
        ("icu/?/monitor/ecg", "BAD_MESSAGE"),
    ]
    assert "Anna" not in text


def test_no_key_stands_in_a_log(engine: Running, locked: Locked, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    stranger = keys.make()
    with Gateway(engine.ingest, server_key=locked.engine.public, keys=stranger) as knocks:
        assert polls(knocks, lambda: engine.engine.counters()["handshakes_denied"] > 0)
    locked.client("late")
    time.sleep(1.5)
    text = caplog.text + locked.audit.read_text()
    assert "unknown key" in text
    for secret in (locked.engine.secret, stranger.secret, locked.engine.public, stranger.public):
        assert secret not in text
