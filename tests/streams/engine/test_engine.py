"""The engine end to end: what subscribers hear is what a batch finds, whatever happens on the way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.streams.chain import Peaks
from tests.streams.conftest import ANY, Running, wait_for
from vitalcore import findings
from vitalcore.errors import ParameterError
from vitalcore.kernels.core.finding import INTERVAL_S, VALUE
from vitalcore.plan import Plan, source
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol.live import Message
from vitalcore.streams.protocol.maps import Channel
from vitalcore.streams.subscriber import Subscriber

KEY = "icu/p1/monitor/ecg"


def ecg_like(n: int, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.6, n).astype(np.float32)


def hear(subscriber: Subscriber, n: int, what: str) -> list[Message]:
    """Receive until n messages of one sort have come."""
    heard: list[Message] = []
    while len(heard) < n:
        message = subscriber.receive(5000)
        assert message is not None, f"only {len(heard)} of {n} came"
        if message.what == what:
            heard.append(message)
    return heard


@pytest.fixture
def clients(running: Running) -> Iterator[tuple[Gateway, Subscriber]]:
    with (
        Subscriber(running.live, running.control, "icu/") as subscriber,
        Gateway(running.ingest, session=7) as gateway,
    ):
        subscriber.status()
        yield gateway, subscriber


def batch(x: NDArray[Any], fs_hz: float | None = 250) -> NDArray[np.void]:
    node = source("ecg", fs_hz=fs_hz) | Peaks()
    return Plan(found=node).run(ecg=x)["found"]


def test_live_beats_and_features_are_those_of_a_batch(clients: tuple[Gateway, Subscriber]) -> None:
    gateway, subscriber = clients
    x = ecg_like(2990)
    stream = gateway.open(KEY, "ecg", 250, [Channel("II", "mV")])
    rng = np.random.default_rng(3)
    at = 0
    while at < len(x):
        n = int(rng.integers(1, 40))
        gateway.send(stream, x[at : at + n], t0_ns=10**18 + at * 4_000_000)
        gateway.poll(0)
        at += n
    assert gateway.drain()
    found = batch(x.astype(np.float64))
    beats, features = findings.beats(found), findings.features(found)
    heard = hear(subscriber, len(beats), "beat")
    assert [m.payload["t"] for m in heard] == beats["t"].tolist()
    assert [m.payload["interval_s"] for m in heard] == found["body"][found["what"] == 1, INTERVAL_S].tolist()
    assert [m.header.topic_seq for m in heard] == list(range(len(beats)))
    assert [m.header.t_event_ns for m in heard] == [10**18 + int(t) * 4_000_000 for t in beats["t"]]
    last = subscriber.request("REPLAY", topic=f"{KEY}/feature/", **{"from": 0, "to": 100})
    assert len(last["items"]) == len(features) / 2 == 12


def test_scale_offset_and_unit_make_millivolts(clients: tuple[Gateway, Subscriber]) -> None:
    gateway, subscriber = clients
    stream = gateway.open(KEY, "ecg", 250, [Channel("II", "uV", scale=5.0, offset=100.0)], "i16")
    gateway.send(stream, np.array([0, 180, 181, 0], np.int16))  # 1.0 mV does not exceed 1, 1.005 mV does
    gateway.drain()
    assert [m.payload["t"] for m in hear(subscriber, 1, "beat")] == [2.0]


def test_frames_with_their_own_times_are_heard_with_these_times(clients: tuple[Gateway, Subscriber]) -> None:
    gateway, subscriber = clients
    stream = gateway.open("icu/p1/camera/face", "face", None, 3)
    times = 10**18 + np.cumsum(np.random.default_rng(4).integers(20_000_000, 50_000_000, 60))
    values = np.zeros((60, 3), np.float32)
    values[[7, 31, 59], 2] = 2.0
    for at in range(0, 60, 4):
        gateway.send(stream, values[at : at + 4], times=times[at : at + 4])
    gateway.drain()
    heard = hear(subscriber, 3, "beat")
    assert [m.header.t_event_ns for m in heard] == times[[7, 31, 59]].tolist()
    assert [m.header.sample_index for m in heard] == [7, 31, 59]


def test_lost_samples_are_missing_samples_and_a_gap_that_is_told(clients: tuple[Gateway, Subscriber]) -> None:
    gateway, subscriber = clients
    x = ecg_like(1000).astype(np.float64)
    stream = gateway.open(KEY, "ecg", 250, [Channel("II", "mV")], "f64")
    gateway.send(stream, x[:400])
    gateway.send(stream, x[700:], sample_index=700)
    gateway.drain()
    x[400:700] = np.nan
    expected = findings.beats(batch(x))
    assert [m.payload["t"] for m in hear(subscriber, len(expected), "beat")] == expected["t"].tolist()
    last = subscriber.request("REPLAY", topic=f"{KEY}/gap/", **{"from": 0, "to": 9})
    assert len(last["items"]) == 1
    status = subscriber.status(prefix=KEY)["keys"][KEY]
    assert (status["gaps"], status["lost"], status["undeclared_gap"]) == (1, 300, 0)


def test_a_gap_of_years_costs_no_memory_and_positions_go_on_counting(clients: tuple[Gateway, Subscriber]) -> None:
    gateway, subscriber = clients
    stream = gateway.open(KEY, "ecg", 250, [Channel("II", "mV")])
    gateway.send(stream, np.zeros(10, np.float32))
    gateway.send(stream, np.array([0, 2, 0], np.float32), sample_index=10**13)
    gateway.drain()
    gap, *_ = hear(subscriber, 1, "gap")
    assert (gap.payload["from"], gap.payload["to"], gap.payload["cause"]) == (10, 10**13, "declared")
    assert [m.payload["t"] for m in hear(subscriber, 1, "beat")] == [10**13 + 1.0]


def test_waves_flow_only_while_somebody_listens(running: Running) -> None:
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 250, [Channel("II", "mV")])
        gateway.send(stream, np.zeros(10, np.float32))
        assert gateway.drain()
        with Subscriber(running.live, running.control, f"{KEY}/wave/", catch_up=False) as subscriber:
            subscriber.status()
            gateway.send(stream, np.arange(10, dtype=np.float32))
            gateway.drain()
            wave = hear(subscriber, 1, "wave")[0]
            assert wave.samples is not None
            assert wave.samples[:, 0].tolist() == list(range(10))
            assert (wave.header.topic_seq, wave.header.sample_index, wave.payload["rate"]) == (1, 10, [250, 1])
        assert wait_for(lambda: not running.engine._streams.wave_wanted.any())


def test_an_engine_that_starts_again_is_found_and_fed_on(tmp_path: Path) -> None:
    first = Running()
    x = ecg_like(2000)
    with Gateway(first.ingest, session=7) as gateway:
        stream = gateway.open(KEY, "ecg", 250, [Channel("II", "mV")])
        gateway.send(stream, x[:1000])
        assert gateway.drain()
        first.stop()
        for at in range(1000, 1500, 10):  # while nobody is there
            gateway.send(stream, x[at : at + 10])
            gateway.poll(0)
        second = Running(first.ingest)
        with Subscriber(second.live, second.control, KEY) as subscriber:
            subscriber.status()
            for at in range(1500, 2000, 10):
                gateway.send(stream, x[at : at + 10])
            assert gateway.drain(15)
            assert gateway.counters["lost_samples"] == 0
            fresh = findings.beats(batch(x[1000:].astype(np.float64)))
            heard = hear(subscriber, len(fresh), "beat")
            # `received` promises no more: the engine has forgotten what was before, nothing after it is lost
            assert [m.payload["t"] for m in heard] == (fresh["t"] + 1000).tolist()
            assert heard[0].header.topic_seq == 1000
            assert subscriber.missed == 0
        second.stop()


def test_a_new_connection_goes_on_where_the_old_one_broke_off(running: Running) -> None:
    x = ecg_like(1000)
    with Subscriber(running.live, running.control, KEY) as subscriber:
        subscriber.status()
        for start, stop in ((0, 600), (600, 1000)):
            with Gateway(running.ingest, session=7) as gateway:
                stream = gateway.open(KEY, "ecg", 250, [Channel("II", "mV")])
                spool = gateway._spools[stream]
                spool.next_seq, spool.next_index = start // 10, start
                for at in range(start, stop, 10):
                    gateway.send(stream, x[at : at + 10])
                assert gateway.drain()
        beats = findings.beats(batch(x.astype(np.float64)))
        assert [m.payload["t"] for m in hear(subscriber, len(beats), "beat")] == beats["t"].tolist()


def test_an_engine_binds_nothing_but_loopback() -> None:
    for endpoint in ("tcp://0.0.0.0:7401", "tcp://*:7401", "tcp://192.0.2.1:7401", "tcp://[::]:7401"):
        with pytest.raises(ParameterError, match="leaves this machine"):
            Engine(endpoint, ANY, ANY, chains={})


def test_an_endpoint_in_use_is_one_clear_error(running: Running) -> None:
    with pytest.raises(ParameterError, match=running.ingest):
        Engine(running.ingest, ANY, ANY, chains={})


def test_a_stream_that_ends_gives_its_place_back(clients: tuple[Gateway, Subscriber], running: Running) -> None:
    gateway, subscriber = clients
    stream = gateway.open(KEY, "ecg", 250, [Channel("II", "mV")])
    gateway.send(stream, np.full(20, VALUE + 2, np.float32))
    gateway.end(stream)
    assert gateway.drain()
    assert hear(subscriber, 1, "gap")[0].payload["cause"] == "end"
    assert sum(len(table.ward) for table in running.engine._streams.tables) == 0
    with pytest.raises(ParameterError, match="ended"):
        gateway.send(stream, np.zeros(3, np.float32))


def test_streams_of_one_chain_are_computed_by_one_call(running: Running) -> None:
    with Gateway(running.ingest, pack=50) as gateway, Subscriber(running.live, running.control, "w/") as subscriber:
        subscriber.status()
        streams = [gateway.open(f"w/p{i}/m/ecg", "ecg", 250, [Channel("II", "mV")]) for i in range(50)]
        assert wait_for(lambda: (gateway.poll(1), all(gateway.is_open(s) for s in streams))[1])
        x = np.zeros((50, 10, 1), np.float32)
        x[:, 3] = 2.0
        for _ in range(5):
            gateway.send_many(streams, x)
            gateway.poll(5)
        assert gateway.drain()
        heard = hear(subscriber, 250, "beat")
        assert {m.payload["t"] for m in heard} == {3.0, 13.0, 23.0, 33.0, 43.0}
        assert len(running.engine._streams.tables) == 1
        assert gateway.counters == {"sent": 250, "acked": 250, "resent": 0, "held": 0, "lost_samples": 0, "degraded": 0}
