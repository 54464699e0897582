"""The live socket: numbers, subscriptions, heartbeats."""

from collections.abc import Iterator

import numpy as np
import pytest
import zmq

from tests.streams.conftest import Peer, Running, wait_for
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol import maps, wire

KEY = "icu/p1/monitor/ecg"


@pytest.fixture
def sub(running: Running) -> Iterator["zmq.Socket[bytes]"]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.XSUB)
    socket.connect(running.live)
    yield socket
    socket.close(0)
    context.term()


def test_each_site_hears_once_a_second_what_changed(running: Running, sub: "zmq.Socket[bytes]") -> None:
    sub.send(b"\x01icu/-/")
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        gateway.send(stream, np.full(7, 2, np.float32))
        assert gateway.drain()
        topics: dict[str, int] = {}
        while "p1/monitor/ecg/beat/" not in topics:
            assert sub.poll(5000)
            topic, header, payload = sub.recv_multipart()
            assert (topic, wire.decode_live(header, payload).what) == (b"icu/-/-/-/heartbeat/", "heartbeat")
            fields = maps.unpack_payload(payload)
            topics |= fields["topics"]
            assert fields["instance"] == running.engine.instance
        assert topics == {"p1/monitor/ecg/beat/": 6, "p1/monitor/ecg/feature/": 0}
        assert sub.poll(5000)
        assert maps.unpack_payload(sub.recv_multipart()[2])["topics"] == {}


def test_all_features_of_a_second_are_one_message(running: Running, peer: Peer, control: Peer) -> None:
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 50)
        gateway.send(stream, np.zeros(101, np.float32))
        assert gateway.drain()
    items = control.ask("REPLAY", topic=f"{KEY}/feature/", **{"from": 0, "to": 9})["items"]
    said = [maps.unpack_payload(payload) for _, payload in items]
    assert [one["t"] for one in said] == [0.0, 50.0, 100.0]
    assert [[f["code"] for f in one["features"]] for one in said] == [["heart_rate", "signal_quality"]] * 3
    assert [[f["t"] for f in one["features"]] for one in said] == [[t, t - 1] for t in (0.0, 50.0, 100.0)]


def test_every_message_carries_the_delay_of_the_engine(running: Running, control: Peer) -> None:
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        gateway.send(stream, np.full(3, 2, np.float32), t0_ns=10**18)
        assert gateway.drain()
    for header, payload in control.ask("REPLAY", topic=f"{KEY}/beat/", **{"from": 0, "to": 9})["items"]:
        fields = wire.decode_live(header, payload)
        assert fields.t_known_ns >= fields.t_event_ns
        assert fields.t_pub_ns >= maps.unpack_payload(payload)["t_arrival_ns"]


def test_a_step_of_the_clock_is_an_event_and_bends_no_position(running: Running, control: Peer) -> None:
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        for k in range(20):
            x = np.zeros(50, np.float32)
            x[25] = 2
            gateway.send(stream, x, t0_ns=10**18 + k * 200_000_000 + (3_600_000_000_000 if k >= 10 else 0))
        assert gateway.drain()
    (item,) = control.ask("REPLAY", topic=f"{KEY}/event/", **{"from": 0, "to": 9})["items"]
    event = maps.unpack_payload(item[1])
    assert (event["code"], event["step_ns"]) == ("clock_step", 3_600_000_000_000)
    assert 500 <= event["t"] <= 563  # looked for four times a second
    beats = control.ask("REPLAY", topic=f"{KEY}/beat/", **{"from": 0, "to": 99})["items"]
    assert [maps.unpack_payload(payload)["t"] for _, payload in beats] == [25.0 + 50 * k for k in range(20)]


def test_extreme_time_stamps_break_nothing(running: Running, control: Peer) -> None:
    with Gateway(running.ingest) as gateway:
        for k, t0_ns in enumerate([(1 << 63) - 1, -(1 << 63), (1 << 62) - 1, 1]):
            stream = gateway.open(f"icu/p{k}/monitor/ecg", "ecg", 0.001)
            gateway.send(stream, np.full(3, 2, np.float32), sample_index=(1 << 53) - 10, t0_ns=t0_ns)
        assert gateway.drain()
        assert not gateway.errors
    assert control.ask("STATUS")["published"] >= 12


@pytest.mark.parametrize("message", [b"", b"\x02x", b"\x01" + b"x" * 400, b"hello"])
def test_what_is_no_subscription_is_ignored(running: Running, sub: "zmq.Socket[bytes]", message: bytes) -> None:
    sub.send(message)
    sub.send(b"\x01icu/-/-/-/heartbeat/")
    assert wait_for(lambda: b"icu/-/-/-/heartbeat/" in running.engine._live.readers._subscriptions)
    assert set(running.engine._live.readers._subscriptions) == {b"icu/-/-/-/heartbeat/"}


def test_subscriptions_are_counted_per_prefix(running: Running, sub: "zmq.Socket[bytes]") -> None:
    wanted = running.engine._streams.wave_wanted
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        assert wait_for(lambda: (gateway.poll(1), gateway.is_open(stream))[1])
        for step, expected in ((b"\x01icu/", True), (b"\x01" + KEY.encode(), True), (b"\x00icu/", True)):
            sub.send(step)
            assert wait_for(lambda e=expected: bool(wanted.any()) == e)  # type: ignore[misc]  # a default
        sub.send(b"\x00" + KEY.encode())
        assert wait_for(lambda: not wanted.any())
