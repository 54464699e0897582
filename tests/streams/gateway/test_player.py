"""Recordings played to an engine."""

import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from tests.streams.chain import Peaks
from tests.streams.conftest import Running, wait_for
from vitalcore.plan import Plan, source
from vitalcore.readers.recording import Recording, Track
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.gateway.player import Player
from vitalcore.streams.subscriber import Subscriber

X = np.random.default_rng(4).normal(0, 0.6, 1000)
ECG = Track("ecg", "ecg", Fraction(250), ("II",), X[:, None], "mV")
OTHER = Track("other", "other", Fraction(250), ("x",), X[:, None])


@pytest.fixture
def gateway(running: Running) -> Iterator[Gateway]:
    with Gateway(running.ingest) as made:
        yield made


def play(player: Player, gateway: Gateway) -> None:
    while not player.done:
        player.play()
        gateway.poll(1)
    player.end()
    assert gateway.drain()


def test_what_is_said_of_a_played_recording_is_what_a_batch_says(running: Running, gateway: Gateway) -> None:
    with Subscriber(running.live, running.control, "replay/") as subscriber:
        subscriber.status()
        play(Player(Recording("r", (ECG,)), gateway, "replay/r/file", speed=50), gateway)
        heard = []
        assert wait_for(lambda: heard.append(subscriber.receive(100)) or heard[-1] is None)  # type: ignore[func-returns-value]  # append, then look
    live = [m.payload["t"] for m in heard if m is not None and m.what == "beat"]
    found = Plan(found=source("ecg", 250) | Peaks()).run(ecg=X)["found"]
    assert live == found["t"][found["what"] == 1].tolist()
    assert len(live) > 3


def test_a_recording_is_played_at_its_own_speed(gateway: Gateway) -> None:
    player = Player(Recording("r", (ECG,)), gateway, "replay/r/file", speed=4)
    start = time.monotonic()
    play(player, gateway)
    assert time.monotonic() - start >= 1.0  # 4 s at four times real time: never faster


def test_only_part_of_a_recording_can_be_played(gateway: Gateway) -> None:
    player = Player(Recording("r", (ECG,)), gateway, "replay/r/file", speed=50, duration_s=1.0)
    play(player, gateway)
    assert player.lanes[0].at == 250
    assert player.duration_s == 1.0


def test_signals_that_no_engine_analyses_are_left_out(gateway: Gateway) -> None:
    assert [lane.key for lane in Player(Recording("r", (OTHER, ECG)), gateway, "a/b/c").lanes] == ["a/b/c/ecg"]


def test_nothing_is_lost_while_no_engine_answers() -> None:
    with Gateway("tcp://127.0.0.1:9") as gateway:
        player = Player(Recording("r", (ECG,)), gateway, "a/b/c", speed=1000)
        for _ in range(50):
            player.play()
            gateway.poll(1)
        assert gateway.counters["lost_samples"] == 0
        assert gateway.counters["acked"] == 0
