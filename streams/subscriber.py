"""The client that reads results out: late joiners catch up, holes are seen and filled, duplicates are dropped."""

import itertools
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import zmq
from zmq.utils.monitor import parse_monitor_message

from vitalcore.errors import ForbiddenError, ProtocolError
from vitalcore.streams.protocol import maps, sockets, wire
from vitalcore.streams.protocol.keys import Keys
from vitalcore.streams.protocol.live import Message, decode
from vitalcore.streams.protocol.wire import Code

ASK_NS = 1_000_000_000
MAX_WAITING = 1024  # messages of one topic held back while a hole is asked for
MAX_ITEMS = 4096
TRIES = 5  # a connection that has broken is noticed within three seconds
SETTLE_S = 0.02  # from the handshake until the engine has the subscriptions, which leave just behind it
_NEWEST = (1 << 63) - 1  # a hole up to what was said last, whichever number that has


@dataclass(eq=False)
class _Topic:
    first: int  # number that was received first
    expected: int
    t_known_ns: int
    waiting: dict[int, Message]
    asked_ns: int = 0  # 0: no hole is being asked for
    asked_to: int = 0
    mark: int = 0  # of the question; an answer to one before it settles nothing
    tries: int = 0  # since the connection stands


@dataclass(eq=False)
class _Snapshot:
    """Hold what is asked for; `again`: not for the first time."""

    prefix: str
    after: str
    again: bool
    asked_ns: int = 0
    tries: int = 0


class Subscriber:
    """Receive what an engine says on one prefix of topics, each message once and in order.

    live, control : endpoints of the engine
    prefix        : of the topics, such as `icu/` or `icu/p7/monitor/ecg/beat/`; "" is everything, waves included
    keys          : our key pair, and server_key, the engine's public key: where the engine has keys
    catch_up      : begin with the last message of each topic; without, begin with what comes next

    A subscriber belongs to one thread. Holes in the numbers of a topic are asked for on control; what the engine holds
    no more is counted in `missed`. A last message that got lost is noticed by the site's heartbeat within 2 s; after a
    connection that broke, and when another engine is heard, the last messages are asked for.

    Errors: ParameterError
    """

    def __init__(
        self,
        live: str = sockets.LIVE,
        control: str = sockets.CONTROL,
        prefix: str | tuple[str, ...] = "",
        catch_up: bool = True,
        server_key: str | None = None,
        keys: Keys | None = None,
    ) -> None:
        self._prefixes = (prefix,) if isinstance(prefix, str) else prefix
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._live = self._control = self._shakes = None
        self._connected = self._was_connected = False
        self._joined_s = 0.0  # when the live connection came up last
        try:
            events = int(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
            self._live = sockets.connect(self._context, zmq.SUB, live, server_key=server_key, keys=keys, events=events)
            self._shakes = self._live.get_monitor_socket(events)
            self._control = sockets.connect(self._context, zmq.DEALER, control, server_key=server_key, keys=keys)
        except Exception:
            self.close()
            raise
        for each in self._prefixes:
            self._live.subscribe(each)
        sites = {each.split("/")[0] for each in self._prefixes if "/" in each}
        for site in sites:
            self._live.subscribe(f"{site}/-/-/-/heartbeat/")
        self._poller = zmq.Poller()
        self._poller.register(self._live, zmq.POLLIN)
        self._poller.register(self._control, zmq.POLLIN)
        self._poller.register(self._shakes, zmq.POLLIN)
        self._topics: dict[str, _Topic] = {}
        self._ready: deque[Message] = deque()
        self._ids = itertools.count(1)
        self._instance = ""
        self._snapshots: dict[int, _Snapshot] = {}
        self._asked_ns = 0
        self.received = self.duplicates = self.missed = self.replayed = self.restarts = self.damaged = 0
        self._catches_up = catch_up
        if catch_up:
            for each in self._prefixes:
                self._ask_snapshot(next(self._ids), _Snapshot(each, "", again=False))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._live is not None and not self._live.closed:
            self._live.disable_monitor()
        for socket in (self._shakes, self._live, self._control):
            if socket is not None and not socket.closed:
                socket.close(0)
        if not self._context.closed:
            self._context.term()

    def __iter__(self) -> Iterator[Message]:
        """Wait for messages, for ever."""
        while True:
            message = self.receive(1000)
            if message is not None:
                yield message

    def receive(self, timeout_ms: int = 0) -> Message | None:
        """Return the next message, or None if there is none in time.

        Errors: ForbiddenError, once, for a prefix that this client may not read
        """
        end = time.monotonic() + timeout_ms / 1000
        while True:
            if self._ready:
                self.received += 1
                return self._ready.popleft()
            left_ms = max(0, int((end - time.monotonic()) * 1000))
            self._work(min(left_ms, 100))
            if not self._ready and time.monotonic() >= end:
                return None

    def request(self, type_: str, timeout_s: float = 2.0, **fields: Any) -> dict[str, Any]:
        """Ask the engine on control and wait for its answer; live messages wait meanwhile.

        Errors: ProtocolError where it refuses or does not answer.
        """
        mark = next(self._ids)
        self._ask(type_, mark, **fields)
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            answer = self._work(50, mark)
            if answer is not None:
                if answer["type"] == "ERR":
                    kind = ForbiddenError if answer.get("code") == Code.FORBIDDEN else ProtocolError
                    raise kind(maps.text(answer, "message"))
                return answer
        raise ProtocolError(f"the engine has not answered {type_} in {timeout_s:g} s")

    def status(self, **fields: Any) -> dict[str, Any]:
        """Return the engine's counters, with those of each stream if a prefix of keys is given.

        The engine answers after it has taken the subscriptions: what is said from then on is received.

        Errors: ProtocolError
        """
        end = time.monotonic() + 2
        while not self._connected:
            self._work(50)
            if time.monotonic() > end and not self._connected:
                raise ProtocolError("the engine has not answered on its live endpoint in 2 s")
        time.sleep(max(0.0, self._joined_s + SETTLE_S - time.monotonic()))
        return self.request("STATUS", **fields)

    def _work(self, timeout_ms: int, mark: int = 0) -> dict[str, Any] | None:
        assert self._live is not None
        assert self._control is not None
        assert self._shakes is not None
        ready = dict(self._poller.poll(timeout_ms))
        found = None
        if self._shakes in ready:
            event = parse_monitor_message(self._shakes.recv_multipart())["event"]
            self._connected = event != zmq.EVENT_DISCONNECTED
            self._joined_s = time.monotonic()
            if self._connected and self._was_connected:
                self._rejoin()
            self._was_connected |= self._connected
        if self._control in ready:
            while (answer := self._answer()) is not None:
                if mark and answer.get("id") == mark:
                    found = answer
        if self._live in ready:
            for _ in range(MAX_ITEMS):
                try:
                    parts = self._live.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                if len(parts) == 3:
                    self._take(parts[0], parts[1], parts[2])
        self._ask_again()
        return found

    def _rejoin(self) -> None:
        """Ask for what was said last while nobody listened: heartbeats don't name it again."""
        self._snapshots = {}
        for prefix in self._prefixes:
            self._ask_snapshot(next(self._ids), _Snapshot(prefix, "", again=True))
        for name, topic in self._topics.items():
            topic.tries = 0
            if topic.asked_ns:
                self._ask_hole(name, topic, topic.asked_to)
            elif name.endswith("/alarm/"):
                # a snapshot has the alarms that stand, and not that one has ended
                self._ask_hole(name, topic, _NEWEST)

    def _take(self, topic_bytes: bytes, header_bytes: bytes, payload: bytes, joined: set[str] | None = None) -> None:
        try:
            message = decode(topic_bytes, header_bytes, payload)
        except ProtocolError:
            self.damaged += 1
            return
        if message.what == "heartbeat":
            self._hear(message)
        elif joined is not None:
            self._join(message, joined)
        else:
            self._sort(message)

    def _join(self, message: Message, joined: set[str]) -> None:
        """Take an item of a snapshot: of alarms there are several, each that stands.

        joined : topics first heard of in this snapshot
        """
        seq, topic = message.header.topic_seq, self._topics.get(message.topic)
        if topic is None:
            joined.add(message.topic)
        elif message.topic in joined:
            topic.expected = seq  # what lies between is history
        elif seq < topic.first:
            self.replayed += 1
            self._ready.append(message)
            return
        self._sort(message)

    def _sort(self, message: Message) -> None:
        seq, known_ns = message.header.topic_seq, message.header.t_known_ns
        topic = self._topics.get(message.topic)
        if topic is None:
            topic = self._topics[message.topic] = _Topic(seq, seq, known_ns, {})
        held = topic.waiting.get(seq)
        if seq < topic.expected or held is not None:
            latest_ns = topic.t_known_ns if held is None else held.header.t_known_ns
            if message.replayed or known_ns <= latest_ns:
                self.duplicates += 1
                return
            # a smaller number for something later: the engine has forgotten the topic and counts anew
            self.restarts += 1
            topic.expected, topic.waiting, topic.tries = seq, {}, 0
        if message.replayed:
            self.replayed += 1
        topic.waiting[seq] = message
        self._release(topic)
        if topic.waiting:
            if len(topic.waiting) > MAX_WAITING:
                self._skip(message.topic, topic)
            elif not topic.asked_ns:
                self._ask_hole(message.topic, topic, min(topic.waiting) - 1)

    def _release(self, topic: _Topic) -> None:
        while (message := topic.waiting.pop(topic.expected, None)) is not None:
            topic.expected += 1
            topic.t_known_ns = max(topic.t_known_ns, message.header.t_known_ns)
            self._ready.append(message)
        if not topic.waiting:
            topic.asked_ns = topic.tries = 0

    def _skip(self, name: str, topic: _Topic) -> None:
        """Go on behind a hole that the engine can't fill; another may come behind it."""
        go_on = min((*topic.waiting, topic.asked_to + 1))
        if topic.asked_ns and topic.asked_to != _NEWEST and go_on > topic.expected:
            self.missed += go_on - topic.expected
            topic.expected = go_on
        topic.asked_ns = topic.tries = 0
        self._release(topic)
        if topic.waiting:
            self._ask_hole(name, topic, min(topic.waiting) - 1)

    def _ask_hole(self, name: str, topic: _Topic, last: int) -> None:
        topic.asked_ns, topic.asked_to = time.monotonic_ns(), last
        topic.tries += 1
        topic.mark = next(self._ids)
        self._ask("REPLAY", topic.mark, topic=name, **{"from": topic.expected, "to": last})

    def _ask_again(self) -> None:
        now_ns = time.monotonic_ns()
        if not self._connected or now_ns - self._asked_ns < ASK_NS // 4:
            return  # who is not there has not refused
        self._asked_ns = now_ns
        for name, topic in self._topics.items():
            if topic.asked_ns and now_ns - topic.asked_ns > ASK_NS:
                if topic.tries >= TRIES:
                    self._skip(name, topic)
                else:
                    self._ask_hole(name, topic, topic.asked_to)
        for mark, snapshot in list(self._snapshots.items()):
            if now_ns - snapshot.asked_ns > ASK_NS:
                if snapshot.tries >= TRIES:
                    del self._snapshots[mark]
                else:
                    self._ask_snapshot(mark, snapshot)

    def _hear(self, heartbeat: Message) -> None:
        instance = str(heartbeat.payload.get("instance"))
        if self._instance and instance != self._instance:
            self.restarts += 1
            self._rejoin()
        self._instance = instance
        site = heartbeat.topic.split("/", 1)[0]
        topics = heartbeat.payload.get("topics")
        if not isinstance(topics, dict):
            return
        for rest, seq in topics.items():
            name = f"{site}/{rest}"
            topic = self._topics.get(name)
            if not isinstance(seq, int):
                continue
            if topic is None and self._catches_up and name.startswith(self._prefixes):
                topic = self._topics[name] = _Topic(seq, seq, 0, {})  # its only message so far got lost
            if topic is None:
                continue
            if seq >= topic.expected and not topic.waiting and not topic.asked_ns:
                self._ask_hole(name, topic, seq)

    def _answer(self) -> dict[str, Any] | None:
        assert self._control is not None
        try:
            message = self._control.recv(zmq.NOBLOCK)
        except zmq.Again:
            return None
        try:
            answer = maps.unpack(message, MAX_ITEMS, wire.MAX_MESSAGE)
        except ProtocolError:
            self.damaged += 1
            return {}
        mark = answer.get("id")
        snapshot = self._snapshots.pop(mark, None) if isinstance(mark, int) else None
        if answer["type"] == "ERR" and answer.get("code") == Code.FORBIDDEN and snapshot is not None:
            wanted = snapshot.prefix or "everything"
            raise ForbiddenError(f"this client may not read {wanted}: the engine's rights don't cover it")
        given = answer.get("items")
        items = given if isinstance(given, list) else []
        if answer["type"] == "SNAPSHOT_OK" and snapshot is not None:
            self._joined(items, bool(answer.get("more")), snapshot)
        elif answer["type"] == "REPLAY_OK":
            name = str(answer.get("topic"))
            for item in items:
                if len(item) == 2:
                    self._take(name.encode(), item[0], item[1])
            topic = self._topics.get(name)
            if topic is not None and topic.asked_ns and topic.mark == mark:
                self._replayed(name, topic, answer)
        return answer

    def _replayed(self, name: str, topic: _Topic, answer: dict[str, Any]) -> None:
        """Go on after the answer to a question: with the next page, behind the hole, or wait."""
        newest = answer.get("newest")
        if answer.get("more"):
            topic.tries = 0
            self._ask_hole(name, topic, topic.asked_to)
        elif isinstance(newest, int) and newest < topic.asked_to != _NEWEST:
            # an engine before this one has said what this one will say again when it has the samples
            if not topic.waiting:
                topic.asked_ns = topic.tries = 0
        else:
            self._skip(name, topic)

    def _joined(self, items: list[Any], more: bool, snapshot: _Snapshot) -> None:
        """Take a page of a snapshot, and ask for the next one."""
        joined: set[str] | None = None if snapshot.again else set()
        for item in items:
            if len(item) == 3 and isinstance(item[0], str) and (self._catches_up or item[0] in self._topics):
                self._take(item[0].encode(), item[1], item[2], joined)
        if more and items:
            self._ask_snapshot(next(self._ids), _Snapshot(snapshot.prefix, str(items[-1][0]), snapshot.again))

    def _ask_snapshot(self, mark: int, snapshot: _Snapshot) -> None:
        self._snapshots[mark] = snapshot
        snapshot.asked_ns = time.monotonic_ns()
        snapshot.tries += 1
        self._ask("SNAPSHOT", mark, prefix=snapshot.prefix, after=snapshot.after)

    def _ask(self, type_: str, mark: int, **fields: Any) -> None:
        assert self._control is not None
        try:
            self._control.send(maps.pack(type_, id=mark, **fields), zmq.NOBLOCK)
        except zmq.Again:
            return  # no engine: what is still missing is asked for again
