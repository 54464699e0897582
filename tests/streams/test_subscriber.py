"""The subscriber client: every message once and in order, holes filled or counted, last losses noticed."""

from collections.abc import Iterator
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from benchmarks.faults.cut import Cut
from benchmarks.faults.engine import free_ports
from tests.streams.conftest import Running, bind, wait_for
from vitalcore.errors import ProtocolError
from vitalcore.streams import subscriber as client
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.live import Message
from vitalcore.streams.protocol.wire import LiveHeader
from vitalcore.streams.subscriber import Subscriber

TOPIC = "icu/p1/monitor/ecg/beat/"


def frames(seq: int, t_known_ns: int | None = None, flags: int = 0, topic: str = TOPIC) -> list[bytes]:
    payload = msgpack.packb({"n": seq})
    header = LiveHeader(topic.split("/")[-2], seq, seq, seq, seq if t_known_ns is None else t_known_ns, 0, flags)
    return [topic.encode(), wire.encode_live(header, payload), payload]


class Publisher:
    """Say exactly what it is told to, and answer REPLAY from what it holds."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.live_port, self.control_port = free_ports(2)
        self.bind()
        self.newest: int | None = None  # that it says it has, where it says it
        self.holds: dict[int, list[bytes]] = {}
        self.asked: list[dict[str, Any]] = []

    def bind(self) -> None:
        self.live, self.control = self.context.socket(zmq.XPUB), self.context.socket(zmq.ROUTER)
        bind(self.live, self.live_port)
        bind(self.control, self.control_port)

    def unbind(self) -> None:
        self.live.close(0)
        self.control.close(0)

    def subscriber(self, **options: Any) -> Subscriber:
        made = Subscriber(
            f"tcp://127.0.0.1:{self.live_port}", f"tcp://127.0.0.1:{self.control_port}", "icu/", **options
        )
        for _ in range(2):  # its prefix and the site's heartbeat
            assert self.live.poll(5000)
            self.live.recv()
        return made

    def say(self, *messages: list[bytes]) -> None:
        for message in messages:
            self.live.send_multipart(message)

    def heartbeat(self, topics: dict[str, int], instance: str = "a") -> None:
        payload = msgpack.packb({"instance": instance, "topics": topics})
        header = wire.encode_live(LiveHeader("heartbeat", 0, 0, 0, 0, 0), payload)
        self.say([b"icu/-/-/-/heartbeat/", header, payload])

    def answer(self) -> None:
        while self.control.poll(20):
            identity, message = self.control.recv_multipart()
            fields = maps.unpack(message)
            self.asked.append(fields)
            answer: dict[str, Any] = {"type": "SNAPSHOT_OK", "id": fields["id"], "items": []}
            if fields["type"] == "REPLAY":
                found = [self.holds[k][1:] for k in sorted(self.holds) if fields["from"] <= k <= fields["to"]]
                answer = {"type": "REPLAY_OK", "id": fields["id"], "topic": fields["topic"], "items": found}
                answer |= {} if self.newest is None else {"newest": self.newest}
            self.control.send_multipart([identity, msgpack.packb(answer)])

    def close(self) -> None:
        self.unbind()
        self.context.term()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made = Publisher()
    yield made
    made.close()


def numbers(publisher: Publisher, subscriber: Subscriber) -> list[int]:
    found = []
    for _ in range(10):
        while (message := subscriber.receive(20)) is not None:
            found.append(message.header.topic_seq)
        publisher.answer()
    return found


def test_a_hole_is_asked_for_and_filled_in_order(publisher: Publisher) -> None:
    with publisher.subscriber(catch_up=False) as subscriber:
        publisher.holds = {k: frames(k, flags=wire.REPLAYED) for k in (4, 5)}
        publisher.say(frames(3), frames(6), frames(7))
        assert numbers(publisher, subscriber) == [3, 4, 5, 6, 7]
        assert [(a["type"], a["from"], a["to"]) for a in publisher.asked] == [("REPLAY", 4, 5)]
        assert (subscriber.missed, subscriber.replayed) == (0, 2)


def test_two_holes_at_once_are_both_filled(publisher: Publisher) -> None:
    with publisher.subscriber(catch_up=False) as subscriber:
        publisher.holds = {k: frames(k, flags=wire.REPLAYED) for k in (4, 7, 8)}
        publisher.say(frames(3), frames(5), frames(6), frames(9))
        assert numbers(publisher, subscriber) == [3, 4, 5, 6, 7, 8, 9]
        assert subscriber.missed == 0


def test_a_second_answer_to_the_same_question_gives_up_no_later_hole(publisher: Publisher) -> None:
    with publisher.subscriber(catch_up=False) as subscriber:
        publisher.holds = {k: frames(k, flags=wire.REPLAYED) for k in (4, 6)}
        publisher.say(frames(3), frames(5))
        assert wait_for(lambda: subscriber.receive(20) is None and publisher.control.poll(0) != 0)
        identity, message = publisher.control.recv_multipart()
        again = [identity, maps.pack("REPLAY_OK", id=maps.unpack(message)["id"], topic=TOPIC, items=[])]
        assert wait_for(lambda: subscriber.receive(20) is None and publisher.control.poll(0) != 0)
        publisher.answer()
        publisher.say(frames(7))
        assert [message.header.topic_seq for message in iter(lambda: subscriber.receive(200), None)] == [4, 5]
        publisher.control.send_multipart(again)
        assert numbers(publisher, subscriber) == [6, 7]
        assert subscriber.missed == 0


def test_a_hole_outlasts_an_engine_that_is_away(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ASK_NS", 20_000_000)
    with publisher.subscriber(catch_up=False) as subscriber:
        subscriber.receive(200)
        publisher.say(frames(3), frames(5))
        assert wait_for(lambda: subscriber.receive(20) is None and publisher.control.poll(0) != 0)
        publisher.unbind()
        assert subscriber.receive(1000) is None  # 50 times as long as an answer takes
        publisher.bind()
        publisher.holds = {4: frames(4, flags=wire.REPLAYED)}
        found: list[int] = []

        def filled() -> bool:
            found.extend(numbers(publisher, subscriber))
            return len(found) > 1

        assert wait_for(filled)
        assert (found, subscriber.missed) == ([4, 5], 0)


def test_what_a_new_engine_has_not_said_yet_is_waited_for(publisher: Publisher) -> None:
    with publisher.subscriber(catch_up=False) as subscriber:
        publisher.newest = 3  # of what the engine before it had said it has the samples up to here
        publisher.say(frames(3), frames(5))
        assert numbers(publisher, subscriber) == [3]
        publisher.say(frames(4), frames(5), frames(6))
        assert numbers(publisher, subscriber) == [4, 5, 6]
        publisher.heartbeat({"p1/monitor/ecg/beat/": 8})
        publisher.newest = 6
        assert numbers(publisher, subscriber) == []
        publisher.say(frames(7))
        assert numbers(publisher, subscriber) == [7]
        assert subscriber.missed == 0


def test_another_engine_is_asked_for_what_was_said_last_and_which_alarm_has_ended(publisher: Publisher) -> None:
    alarm = TOPIC.replace("beat", "alarm")
    with publisher.subscriber() as subscriber:
        publisher.heartbeat({}, "a")
        publisher.say(frames(3), frames(8, topic=alarm))
        publisher.holds = {k: frames(k, flags=wire.REPLAYED, topic=alarm) for k in (8, 9)}
        assert numbers(publisher, subscriber) == [3, 8]
        publisher.asked.clear()
        publisher.heartbeat({}, "a")
        assert numbers(publisher, subscriber) == []
        assert publisher.asked == []
        publisher.heartbeat({}, "b")
        assert numbers(publisher, subscriber) == [9]
        assert [(asked["type"], asked.get("from")) for asked in publisher.asked] == [("SNAPSHOT", None), ("REPLAY", 9)]
        publisher.say(frames(10, topic=alarm))
        assert numbers(publisher, subscriber) == [10]
        assert (subscriber.missed, subscriber.duplicates) == (0, 0)


def test_a_snapshot_that_gets_lost_is_asked_for_again(publisher: Publisher) -> None:
    with publisher.subscriber() as subscriber:
        assert wait_for(lambda: subscriber.receive(20) is None and publisher.control.poll(0) != 0)
        first = publisher.control.recv_multipart()
        assert wait_for(lambda: subscriber.receive(20) is None and publisher.control.poll(0) != 0)
        assert publisher.control.recv_multipart() == first


@pytest.mark.parametrize("catch_up", [True, False])
def test_what_was_said_last_while_the_connection_was_cut_arrives_once(running: Running, catch_up: bool) -> None:
    with (
        Cut(running.live) as live,
        Cut(running.control) as control,
        Gateway(running.ingest) as gateway,
        Subscriber(live.endpoint, control.endpoint, "icu/", catch_up=catch_up) as subscriber,
    ):
        found: list[int] = []

        def hear() -> bool:
            while (message := subscriber.receive(20)) is not None:
                found.extend([message.header.topic_seq] if message.what == "beat" else [])
            return True

        subscriber.status()
        stream = gateway.open("icu/p1/monitor/ecg", "ecg", 250)
        gateway.send(stream, np.array([0, 2, 0, 2], np.float32))
        assert gateway.drain()
        assert wait_for(lambda: hear() and len(found) == 2)
        live.cut()
        control.cut()
        gateway.send(stream, np.array([0, 2], np.float32))
        assert gateway.drain()
        assert wait_for(lambda: not running.engine._live._changed)  # no heartbeat will name it any more
        hear()
        assert found == [0, 1]
        live.heal()
        control.heal()
        assert wait_for(lambda: hear() and len(found) > 2)
        gateway.send(stream, np.array([0, 2], np.float32))
        assert gateway.drain()
        assert wait_for(lambda: hear() and len(found) > 3)
        assert found == [0, 1, 2, 3]
        assert subscriber.missed == 0


def test_what_the_engine_holds_no_more_is_counted_and_left_behind(publisher: Publisher) -> None:
    with publisher.subscriber(catch_up=False) as subscriber:
        publisher.holds = {5: frames(5, flags=wire.REPLAYED)}
        publisher.say(frames(3), frames(6))
        assert numbers(publisher, subscriber) == [3, 5, 6]
        assert subscriber.missed == 1


def test_a_lost_last_message_is_noticed_by_the_heartbeat(publisher: Publisher) -> None:
    with publisher.subscriber(catch_up=False) as subscriber:
        publisher.holds = {4: frames(4, flags=wire.REPLAYED)}
        publisher.say(frames(3))
        publisher.heartbeat({"p1/monitor/ecg/beat/": 4})
        assert numbers(publisher, subscriber) == [3, 4]


def test_the_only_message_of_a_topic_is_noticed_too(publisher: Publisher) -> None:
    with publisher.subscriber() as subscriber:
        publisher.holds = {0: frames(0, flags=wire.REPLAYED)}
        publisher.heartbeat({"p1/monitor/ecg/beat/": 0})
        assert numbers(publisher, subscriber) == [0]


def test_duplicates_are_dropped(publisher: Publisher) -> None:
    with publisher.subscriber(catch_up=False) as subscriber:
        publisher.say(frames(3), frames(4), frames(3), frames(4, flags=wire.REPLAYED), frames(5))
        assert numbers(publisher, subscriber) == [3, 4, 5]
        assert subscriber.duplicates == 2


def test_what_a_recovered_engine_says_once_more_behind_a_hole_does_not_close_the_hole(publisher: Publisher) -> None:
    with publisher.subscriber(catch_up=False) as subscriber:
        publisher.say(frames(3), frames(6), frames(6), frames(7))
        publisher.holds = {k: frames(k, flags=wire.REPLAYED) for k in (4, 5)}
        assert numbers(publisher, subscriber) == [3, 4, 5, 6, 7]
        assert (subscriber.missed, subscriber.restarts, subscriber.duplicates) == (0, 0, 1)


def test_a_count_that_begins_anew_later_in_time_is_followed(publisher: Publisher) -> None:
    with publisher.subscriber(catch_up=False) as subscriber:
        publisher.say(frames(30), frames(31), frames(0, t_known_ns=100), frames(1, t_known_ns=101))
        assert numbers(publisher, subscriber) == [30, 31, 0, 1]
        assert subscriber.restarts == 1


def test_damaged_messages_are_counted_and_stop_nothing(publisher: Publisher) -> None:
    with publisher.subscriber(catch_up=False) as subscriber:
        topic, header, payload = frames(4)
        publisher.say([topic, header[:-1], payload], [topic, header, payload + b"x"], [topic], frames(5))
        assert numbers(publisher, subscriber) == [5]
        assert subscriber.damaged == 2


def test_an_engine_that_does_not_answer_is_one_clear_error() -> None:
    with (
        Subscriber("tcp://127.0.0.1:9", "tcp://127.0.0.1:9", "icu/") as subscriber,
        pytest.raises(ProtocolError, match="STATUS"),
    ):
        subscriber.request("STATUS", timeout_s=0.1)


def test_a_late_joiner_begins_with_the_last_message_of_each_topic(running: Running) -> None:
    with Gateway(running.ingest) as gateway:
        stream = gateway.open("icu/p1/monitor/ecg", "ecg", 250)
        gateway.send(stream, np.array([2, 0, 2, 0, 2], np.float32))
        assert gateway.drain()
        with Subscriber(running.live, running.control, "icu/p1/") as subscriber:
            first: dict[str, Message] = {}
            while len(first) < 2 and (message := subscriber.receive(3000)) is not None:
                first[message.what] = message
            assert first["beat"].replayed
            assert (first["beat"].header.topic_seq, first["beat"].payload["t"]) == (2, 4.0)
            assert first["feature"].header.topic_seq == 0
            gateway.send(stream, np.array([2, 0], np.float32))
            gateway.drain()
            after = subscriber.receive(3000)
            assert after is not None
            assert (after.header.topic_seq, after.replayed) == (3, False)


def test_a_slow_subscriber_loses_its_own_messages_and_nobody_elses(running: Running) -> None:
    topic = "icu/p1/monitor/ecg"
    slow_context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    slow = slow_context.socket(zmq.SUB)
    slow.set(zmq.RCVHWM, 1)
    slow.set(zmq.RCVBUF, 4096)
    slow.connect(running.live)
    slow.subscribe(topic)
    with (
        Gateway(running.ingest) as gateway,
        Subscriber(running.live, running.control, topic, catch_up=False) as quick,
    ):
        quick.status()
        stream = gateway.open(topic, "ecg", 250)
        heard = 0
        for round_ in range(40):
            for _ in range(100):
                gateway.send(stream, np.full(10, 2, np.float32))
            assert gateway.drain(30)
            while heard < 1000 * (round_ + 1) and (message := quick.receive(10_000)) is not None:
                heard += message.what == "beat"
        assert (heard, quick.missed) == (40_000, 0)
        slow_heard = 0
        while slow.poll(3000):
            slow_heard += b"/beat/" in slow.recv_multipart()[0]
        assert 0 < slow_heard < 40_000
    slow.close(0)
    slow_context.term()


def test_a_snapshot_may_hold_several_messages_of_a_topic(publisher: Publisher) -> None:
    for live_first in (False, True):
        subscriber = publisher.subscriber()
        identity, message = publisher.control.recv_multipart()
        if live_first:
            publisher.say(frames(9))
            assert numbers(publisher, subscriber) == [9]
        items = [[TOPIC, *frames(seq, flags=wire.REPLAYED)[1:]] for seq in (3, 5, 8)]
        answer = maps.pack("SNAPSHOT_OK", id=maps.unpack(message)["id"], items=items, more=False)
        publisher.control.send_multipart([identity, answer])
        assert numbers(publisher, subscriber) == [3, 5, 8]
        publisher.say(frames(9), frames(10))
        assert numbers(publisher, subscriber) == ([10] if live_first else [9, 10])
        assert not subscriber.missed
        subscriber.close()
        while publisher.live.poll(200):
            publisher.live.recv()
