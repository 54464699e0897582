"""The front of several workers: it sends gateways on to the worker that has their stream, and serves everybody else."""

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import zmq

from vitalcore.errors import ProtocolError
from vitalcore.streams.engine import control
from vitalcore.streams.engine.readers import Readers
from vitalcore.streams.protocol import maps, sockets, wire
from vitalcore.streams.protocol.wire import Ack, Code, Refusal
from vitalcore.streams.security.guard import Guard, Security

PATIENCE_NS = 1_000_000_000  # a worker that has not answered a request by then is left out
ERASING = 600  # times longer: bytes are removed before it is answered
MAX_PENDING = 4096  # requests under way
MAX_DRAIN = 1024  # messages passed on before anything else has its turn


@dataclass(frozen=True)
class Address:
    """Name where a worker is reached.

    ingest        : by gateways
    live, control : by the front alone
    """

    ingest: str
    live: str
    control: str


@dataclass
class _Pending:
    identity: bytes
    mark: int | str | None
    type_: str
    waits: set[int]
    since_ns: int
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)


def place(key: str, workers: int) -> int:
    """Tell which worker has a stream: all of a subject are in one."""
    return zlib.crc32("/".join(key.split("/")[:2]).encode()) % workers


class Front:
    """Serve the endpoints that everybody knows, for workers that compute.

    addresses             : of the workers
    epochs                : how often each has been started, as REDIRECT says it
    ingest, live, control : endpoints to bind
    greeting              : what WELCOME says

    An OPEN is answered with REDIRECT. What workers publish is passed on as it comes. A request about one stream goes to
    its worker, any other to all, and the answers are put together.

    Errors: ParameterError for an endpoint that leaves this machine without keys or can't be bound.
    """

    def __init__(
        self,
        addresses: Sequence[Address],
        epochs: Sequence[int],
        ingest: str,
        live: str,
        control: str,
        greeting: Mapping[str, Any],
        security: Security | None = None,
    ) -> None:
        self._addresses, self._epochs, self._greeting = addresses, epochs, dict(greeting)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sockets: list[zmq.Socket[bytes]] = []
        self.endpoints: dict[str, str] = {}
        self.guard = Guard(self._context, security)
        try:
            for name, kind, endpoint in (
                ("ingest", zmq.ROUTER, ingest),
                ("live", zmq.XPUB, live),
                ("control", zmq.ROUTER, control),
            ):
                socket = sockets.serve(self._context, kind, endpoint, self.guard.keys, name)
                self.guard.watch(name, socket)
                self._sockets.append(socket)
                self.endpoints[name] = sockets.endpoint_of(socket)
            self._heard = sockets.connect(self._context, zmq.XSUB, addresses[0].live)
            self._sockets.append(self._heard)
            for address in addresses[1:]:
                self._heard.connect(address.live)
            self._asked = [sockets.connect(self._context, zmq.DEALER, each.control) for each in addresses]
            self._sockets += self._asked
        except Exception:
            self.close()
            raise
        self._readers = Readers(self._sockets[1], self.guard, self._heed)
        self._pending: dict[int, _Pending] = {}
        self._marks = 0
        self.turned_ns = time.monotonic_ns()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Serve until `stopped` says so."""
        ingest, live, asked = self._sockets[:3]
        poller = zmq.Poller()
        for socket in self._sockets:
            poller.register(socket, zmq.POLLIN)
        work: dict[Any, Callable[[], object]] = {
            ingest: self._direct,
            live: self._readers.work,
            asked: self._ask,
            self._heard: self._pass_on,
        }
        for number, socket in enumerate(self._asked):
            work[socket] = partial(self._hear, number)
        if self.guard.socket is not None:
            poller.register(self.guard.socket, zmq.POLLIN)
            work[self.guard.socket] = self.guard.admit
        look_at = time.monotonic_ns()
        while not stopped():
            self.turned_ns = time.monotonic_ns()
            for socket in dict(poller.poll(50)):
                work[socket]()
            now_ns = time.monotonic_ns()
            for number, pending in list(self._pending.items()):
                if now_ns - pending.since_ns > PATIENCE_NS * (ERASING if pending.type_ == "ERASE" else 1):
                    self._answer(number)
            if now_ns >= look_at:
                look_at = now_ns + 1_000_000_000
                self.guard.look()
                self._readers.sweep()

    def close(self) -> None:
        """Close the sockets."""
        for socket in self._sockets:
            socket.close(linger=0)
        self.guard.close()
        self._context.term()

    def _heed(self, prefix: bytes, wanted: bool) -> None:
        self._heard.send((b"\1" if wanted else b"\0") + prefix)

    def _pass_on(self) -> None:
        live = self._sockets[1]
        for _ in range(MAX_DRAIN):
            try:
                parts = self._heard.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            live.send_multipart(parts)

    def _direct(self) -> None:
        """Send gateways on."""
        ingest = self._sockets[0]
        for _ in range(MAX_DRAIN):
            try:
                parts = ingest.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            user, message = self.guard.who(parts[-1]), parts[1].bytes if len(parts) == 2 else b""
            sockets.post(ingest, parts[0].bytes, self._redirect(message, user))

    def _redirect(self, message: bytes, user: str) -> bytes:
        if not maps.is_map(message):
            return wire.encode_ack(Ack(0, 0, 0, 0, 0, int(Code.NOT_OPEN)))
        fields: dict[str, Any] = {}
        try:
            fields = maps.unpack(message)
            type_ = fields["type"]
            now_ns = time.time_ns()
            if type_ == "HELLO":
                return maps.pack("WELCOME", now_ns=now_ns, **self._greeting)
            if type_ == "PING":
                t1 = maps.integer(fields, "t1", -(1 << 63), (1 << 63) - 1)
                return maps.pack("PONG", t1=t1, t2=now_ns, t3=time.time_ns())
            if type_ != "OPEN":
                raise Refusal(Code.BAD_MESSAGE, "here a message is HELLO, OPEN or PING")
            key = maps.check_key(fields.get("key"))
            if not self.guard.allows(user, "write", key + "/", "OPEN"):
                raise Refusal(Code.FORBIDDEN, f"this client may not write {key}")
            number = place(key, len(self._addresses))
            return maps.pack("REDIRECT", key=key, endpoint=self._addresses[number].ingest, epoch=self._epochs[number])
        except ProtocolError as error:
            code = error.code if isinstance(error, Refusal) else Code.BAD_MESSAGE
            named = fields.get("key")
            return maps.pack("ERR", code=int(code), message=str(error), key=named if isinstance(named, str) else None)

    def _ask(self) -> None:
        """Pass requests on to the workers that can answer them."""
        asked = self._sockets[2]
        for _ in range(control.MAX_REQUESTS):
            try:
                parts = asked.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            user, message = self.guard.who(parts[-1]), parts[1].bytes if len(parts) == 2 else b""
            answer = self._request(parts[0].bytes, message, user)
            if answer is not None:
                sockets.post(asked, parts[0].bytes, answer)

    def _request(self, identity: bytes, message: bytes, user: str) -> bytes | None:
        mark: int | str | None = None
        try:
            fields = maps.unpack(message)
            given = fields.pop("id", None)
            mark = given if isinstance(given, int | str) else None
            control.check(self.guard, user, fields)
            if len(self._pending) >= MAX_PENDING:
                raise Refusal(Code.FULL, f"{MAX_PENDING} requests are under way")
        except ProtocolError as error:
            code = error.code if isinstance(error, Refusal) else Code.BAD_MESSAGE
            return maps.pack("ERR", code=int(code), message=str(error), id=mark)
        self._marks += 1
        to = _whose(fields, len(self._asked))
        type_ = fields.pop("type")
        self._pending[self._marks] = _Pending(identity, mark, type_, set(to), time.monotonic_ns())
        for number in to:
            try:
                self._asked[number].send(maps.pack(type_, **(fields | {"id": self._marks})), zmq.NOBLOCK)
            except zmq.Again:
                self._pending[self._marks].waits.discard(number)
        return None

    def _hear(self, number: int) -> None:
        for _ in range(MAX_DRAIN):
            try:
                message = self._asked[number].recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            answer = maps.unpack(message, 1 << 16, wire.MAX_MESSAGE)
            mark = answer.pop("id", None)
            pending = self._pending.get(mark) if isinstance(mark, int) else None
            if pending is None:
                continue
            pending.answers[number] = answer
            pending.waits.discard(number)
            if not pending.waits:
                self._answer(mark)

    def _answer(self, mark: int) -> None:
        pending = self._pending.pop(mark)
        answers = [pending.answers[number] for number in sorted(pending.answers)]
        if not answers:
            whole: dict[str, Any] = {
                "type": "ERR",
                "code": int(Code.NOT_FOUND),
                "message": "the worker of this stream does not answer; it may be starting again",
            }
        else:
            whole = merge(answers)
        if pending.mark is not None:
            whole["id"] = pending.mark
        sockets.post(self._sockets[2], pending.identity, maps.pack(whole.pop("type"), **whole))


def _whose(fields: Mapping[str, Any], workers: int) -> Sequence[int]:
    """Tell which workers a request is for: a key or topic names its subject, a prefix does if it goes beyond it."""
    for name, least in (("key", 2), ("topic", 2), ("prefix", 3)):
        about = fields.get(name)
        if isinstance(about, str) and len(about.split("/")) >= least:
            return [place(about, workers)]
    return range(workers)


def merge(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Put the answers of several workers to one request together.

    Items come in the order of their topics, keys in theirs, up to where every worker has told all: the rest is asked
    for again. Numbers are added up, delays are those of the slowest; of what is the same in all one is taken.
    """
    good = [answer for answer in answers if answer["type"] != "ERR"]
    if len(good) < 2:
        return dict(good[0] if good else answers[0])
    whole = dict(good[0])
    if "items" in whole:
        ends = [answer["items"][-1][0] for answer in good if answer.get("more") and answer["items"]]
        items = sorted((item for answer in good for item in answer["items"]), key=lambda item: str(item[0]))
        whole["items"] = [item for item in items if not ends or item[0] <= min(ends)]
        whole["more"] = bool(ends)
        return whole
    for name, value in whole.items():
        others = [answer.get(name) for answer in good]
        if name == "keys":
            ends = [max(answer["keys"]) for answer in good if answer.get("more") and answer["keys"]]
            keys = {key: row for answer in good for key, row in answer["keys"].items()}
            listed = sorted(key for key in keys if not ends or key <= min(ends))[: maps.MAX_MAP - 1]
            whole["keys"] = {key: keys[key] for key in listed}
            whole["more"] = len(listed) < len(keys)
        elif name == "uptime_ns":
            whole[name] = min(int(other or 0) for other in others)
        elif name == "journal_commit_ns":
            whole[name] = max(int(other or 0) for other in others)
        elif name == "latency_ns":  # percentiles of workers don't add up
            whole[name] = [max(column) for column in zip(*others, strict=True)]
        elif isinstance(value, int) and not isinstance(value, bool):
            whole[name] = sum(int(other or 0) for other in others)
        elif name in ("ack", "storage") and len(set(others)) > 1:
            whole[name] = next(other for other in others if other not in ("journaled", "fsynced", "ok"))
    return whole
