"""The control socket: state, the last items of topics, and messages once more."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgpack
import zmq

from vitalcore import alarms
from vitalcore.errors import ParameterError, ProtocolError
from vitalcore.streams.engine.keeper import Keeper
from vitalcore.streams.engine.stream import Message, Stream
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.protocol import maps, sockets, wire
from vitalcore.streams.protocol.wire import Code, Refusal
from vitalcore.streams.security.guard import Guard

MAX_REQUESTS = 64  # answered before anything else has its turn
PAGE_BYTES = 1 << 18
PAGE_ITEMS = 512
# the right that a request needs, and the field that says of what; without the field it is about everything
_RIGHTS = {
    "SNAPSHOT": ("read", "prefix"),
    "REPLAY": ("read", "topic"),
    "STATUS": ("read", "prefix"),
    "CONFIG": ("admin", "key"),
    "ALARM_ACK": ("admin", "key"),
    "ERASE": ("admin", "key"),
}
_COUNTS = ("records", "samples", "duplicates", "refused", "gaps", "lost", "undeclared_gap")


class Control:
    """Answer requests.

    greeting : what WELCOME says
    counters : of the whole engine, for STATUS
    own      : what the engine says of itself
    """

    def __init__(
        self,
        socket: "zmq.Socket[bytes]",
        streams: Streams,
        greeting: Mapping[str, Any],
        counters: Callable[[], dict[str, Any]],
        guard: Guard,
        keeper: Keeper,
        own: Mapping[str, Stream],
    ) -> None:
        self._socket, self._streams, self._greeting, self._counters = socket, streams, greeting, counters
        self._guard, self._keeper, self._own = guard, keeper, own
        self._answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "HELLO": lambda _: {"type": "WELCOME", "now_ns": time.time_ns()} | dict(self._greeting),
            "PING": self._ping,
            "STATUS": self._status,
            "SNAPSHOT": self._snapshot,
            "REPLAY": self._replay,
            "CONFIG": self._config,
            "ALARM_ACK": self._acknowledge,
        }

    def work(self) -> bool:
        """Answer the requests that have arrived, up to a bound; tell whether some are left."""
        for _ in range(MAX_REQUESTS):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return False
            user = self._guard.who(parts[-1])
            self._answer(parts[0].bytes, parts[1].bytes if len(parts) == 2 else b"", user)
        return True

    def _answer(self, identity: bytes, message: bytes, user: str) -> None:
        fields: dict[str, Any] = {}
        try:
            fields = maps.unpack(message)
            type_ = fields["type"]
            check(self._guard, user, fields)
            if type_ == "ERASE":
                self._erase(fields, partial(self._say, identity, user, fields))
                return
            if type_ not in self._answers:
                raise Refusal(Code.BAD_MESSAGE, f"on control a message is one of {', '.join(self._answers)}, ERASE")
            answer = self._answers[type_](fields)
        except ProtocolError as error:
            code = error.code if isinstance(error, Refusal) else Code.BAD_MESSAGE
            self._say(identity, user, fields, {"type": "ERR", "code": int(code), "message": str(error)}, code.name)
        else:
            self._say(identity, user, fields, answer)

    def _say(
        self, identity: bytes, user: str, fields: dict[str, Any], answer: dict[str, Any], result: str = "ok"
    ) -> None:
        """Answer a request, and write down what has changed something."""
        right, stream = _wanted(fields)
        if right == "admin" and result != "FORBIDDEN":  # which is written down already
            self._guard.note(fields["type"], result, user, stream)
        mark = fields.get("id")
        if isinstance(mark, int | str):
            answer["id"] = mark
        sockets.post(self._socket, identity, maps.pack(answer.pop("type"), **answer))

    def _ping(self, fields: dict[str, Any]) -> dict[str, Any]:
        now_ns = time.time_ns()
        t1 = maps.integer(fields, "t1", -(1 << 63), (1 << 63) - 1)
        return {"type": "PONG", "t1": t1, "t2": now_ns, "t3": time.time_ns()}

    def _status(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._streams.backlogs.settle()
        answer = {"type": "STATUS_OK"} | self._counters()
        prefix = fields.get("prefix")
        if prefix is None:
            return answer
        keys = self._keys(maps.text(fields, "prefix"), maps.text(fields, "after", ""))
        streams = self._streams
        listed = {}
        for key in keys[: maps.MAX_MAP - 1]:
            row = streams.rows[streams.by_key[key].row]
            lost, pending = streams.backlogs.missing(streams.by_key[key])
            listed[key] = {name: int(row[name]) for name in ("session", "next_seq", "next_index", *_COUNTS)} | {
                "lost": lost,
                "pending": pending,
                "ended": bool(row["ended"]),
                "unsynchronised": bool(row["unsynchronised"]),
            }
        return answer | {"keys": listed, "more": len(keys) > len(listed)}

    def _snapshot(self, fields: dict[str, Any]) -> dict[str, Any]:
        prefix, after = maps.text(fields, "prefix"), maps.text(fields, "after", "")
        items: list[list[Any]] = []
        size = 0
        for topic, stream, what in self._topics(prefix, after):
            kept = sorted(stream.standing.values()) if what == "alarm" else [stream.recent[what][-1]]
            for message in kept:
                items.append([topic, *_again(message)])
                size += len(topic) + len(message[1]) + len(message[2])
            if size > PAGE_BYTES or len(items) >= PAGE_ITEMS:
                return {"type": "SNAPSHOT_OK", "items": items, "more": True}
        return {"type": "SNAPSHOT_OK", "items": items, "more": False}

    def _replay(self, fields: dict[str, Any]) -> dict[str, Any]:
        topic = maps.text(fields, "topic")
        start = maps.integer(fields, "from", 0, (1 << 64) - 1)
        stop = maps.integer(fields, "to", 0, (1 << 64) - 1)
        kept = self._kept(topic, start, stop)
        if kept is None:
            raise Refusal(Code.NOT_FOUND, f"nothing was said on {topic}")
        items: list[list[Any]] = []
        size = 0
        more = False
        newest = 0
        for message in kept:
            newest = message[0]
            if start <= message[0] <= stop:
                if size > PAGE_BYTES:
                    more = True
                    break
                items.append(list(_again(message)))
                size += len(message[1]) + len(message[2])
        oldest = kept[0][0] if kept else 0
        return {"type": "REPLAY_OK", "topic": topic, "items": items, "oldest": oldest, "newest": newest, "more": more}

    def _kept(self, topic: str, start: int, stop: int) -> list[Message] | None:
        """Gather what is held of a topic from memory, and from the journal what is older; None: nothing was said."""
        key, _, what = topic.removesuffix("/").rpartition("/")
        stream = (self._streams.by_key.get(key) or self._own.get(key)) if topic.endswith("/") else None
        found: dict[int, Message] = {}
        known = stream is not None and what in stream.recent
        if stream is not None and known:
            for message in (*stream.unsaved.get(what, ()), *stream.recent[what]):
                found[message[0]] = message
        journal = self._keeper.journal
        if journal is not None and start < min(found, default=stop + 1):
            size = 0
            for page in journal.archive.pages(topic, start, stop):
                known = True
                for message in msgpack.unpackb(page.body, use_list=False):
                    found.setdefault(message[0], message)
                size += len(page.body)
                if size > 2 * PAGE_BYTES:
                    # the rest is asked for again, from where this ends
                    last = page.last
                    found = {seq: message for seq, message in found.items() if seq <= last}
                    break
        return [found[seq] for seq in sorted(found)] if known else None

    def _config(self, fields: dict[str, Any]) -> dict[str, Any]:
        stream = self._monitored(fields)
        assert stream.limits is not None  # _monitored sees to it
        changes = fields.get("limits", {})
        if not isinstance(changes, dict):
            raise Refusal(Code.BAD_MESSAGE, "limits must be a map from their names to their values")
        if changes:
            try:
                self._streams.configure(stream, stream.limits.changed(changes, stream.key), own=True)
            except ParameterError as error:
                raise Refusal(Code.BAD_PARAMETER, str(error)) from None
            self._keeper.configured(stream)
        return {"type": "CONFIG_OK", "key": stream.key, "limits": stream.limits.spelled()}

    def _acknowledge(self, fields: dict[str, Any]) -> dict[str, Any]:
        stream = self._monitored(fields)
        name = maps.text(fields, "code")
        numbers = {known: number for number, known in alarms.NAMES.items()}
        if name not in numbers:
            raise Refusal(Code.BAD_PARAMETER, f"there is no alarm {name[:64]}; there are {', '.join(numbers)}")
        if not self._streams.acknowledge(stream, numbers[name]):
            raise Refusal(Code.NOT_FOUND, f"{name} of {stream.key} does not stand")
        self._keeper.acknowledged(stream, numbers[name])
        return {"type": "ALARM_ACK_OK", "key": stream.key, "code": name}

    def _erase(self, fields: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        """Forget a subject at once, and answer when nothing of it is on disk any more."""
        prefix = maps.check_subject(fields.get("key"))
        if self._keeper.degraded:
            raise Refusal(Code.STORAGE, f"the disk refuses ({self._keeper.degraded}): ask again when it does not")
        held = sum(key.startswith(prefix) for key in self._streams.by_key)
        self._keeper.erase(prefix, lambda rows: say({"type": "ERASE_OK", "key": prefix, "streams": held, "rows": rows}))

    def _monitored(self, fields: dict[str, Any]) -> Stream:
        """Find the stream that a request names, one with alarms."""
        key = maps.check_key(fields.get("key"))
        stream = self._streams.by_key.get(key)
        if stream is None:
            raise Refusal(Code.NOT_FOUND, f"there is no stream {key}")
        if stream.limits is None:
            raise Refusal(Code.UNSUPPORTED, f"{key} has no alarms: only those of an ecg are watched")
        return stream

    def _keys(self, prefix: str, after: str) -> list[str]:
        return sorted(key for key in self._streams.by_key if key > after and key.startswith(prefix))

    def _topics(self, prefix: str, after: str) -> list[tuple[str, Stream, str]]:
        found = []
        for stream in (*self._streams.by_key.values(), *self._own.values()):
            for what, kept in stream.recent.items():
                topic = f"{stream.key}/{what}/"
                if kept and topic > after and topic.startswith(prefix):
                    found.append((topic, stream, what))
        return sorted(found, key=lambda item: item[0])


def check(guard: Guard, user: str, fields: dict[str, Any]) -> None:
    """Refuse what a client has no right to ask for.

    Errors: Refusal
    """
    right, wanted = _wanted(fields)
    if right and not guard.allows(user, right, wanted, fields["type"]):
        raise Refusal(Code.FORBIDDEN, f"this client may not {right} what {fields['type']} asks for")


def _wanted(fields: dict[str, Any]) -> tuple[str, str]:
    """Return the right that a request needs, and what it is about."""
    type_ = fields.get("type", "")
    right, name = _RIGHTS.get(type_, ("", ""))
    if (type_ == "STATUS" and "prefix" not in fields) or not right:
        return "", ""  # sums over all streams are for everyone who got in
    if type_ == "CONFIG" and not fields.get("limits"):
        right = "read"
    value = fields.get(name)
    about = value if isinstance(value, str) else ""
    return right, about + "/" if name == "key" and about else about


def _again(message: Message) -> tuple[bytes, bytes]:
    """Mark a kept message as replayed."""
    _, header, payload = message
    fields = wire.decode_live(header, payload)
    times = fields.t_event_ns, fields.t_known_ns, fields.t_pub_ns
    flags = fields.flags | wire.REPLAYED
    kind = wire.WHATS.index(fields.what) + 1
    return wire.spell_live(kind, flags, fields.topic_seq, fields.sample_index, *times, payload), payload
