"""Who tries to get in, and what comes of it: strangers on every endpoint, removed keys, floods; keys changed in use.

Every attack runs beside a gateway and a subscriber that are allowed: there is something to steal and somebody to
disturb.
"""

import socket as tcp
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from benchmarks.faults.rows import Row
from tests.streams.chain import Peaks
from tests.streams.locked import Locked
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol import keys, maps, wire
from vitalcore.streams.protocol.keys import Keys
from vitalcore.streams.security import rights
from vitalcore.streams.subscriber import Subscriber

ANY = "tcp://127.0.0.1:*"
KEY = "icu/p1/m/ecg"
CHUNK = 10  # samples, each of which is a beat of the test chain
LIMIT_S = 5.0  # for a key that is removed, and for a connection that does not finish its handshake
LISTEN_S = 2.0
ENDPOINTS: tuple[str, ...] = ("ingest", "live", "control")
CALM = "nobody else notices"


class Ward:
    """Run an engine with keys, a gateway that is allowed to send and a subscriber that is allowed to hear."""

    def __init__(self, folder: Path) -> None:
        self.locked = Locked(folder)
        self.sender = self.locked.client("sender", write=("icu/",))
        self.reader = self.locked.client("reader", read=("icu/",))
        self.engine = Engine(ANY, ANY, ANY, chains={"ecg": Peaks()}, security=self.locked.security)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.engine.run, args=(self._stop,))
        self._thread.start()
        if not self.engine.ready.wait(60):
            raise RuntimeError("the engine does not start")
        ends = self.engine.endpoints
        self.gateway = Gateway(ends["ingest"], **self.locked.as_client(self.sender))
        reads = self.locked.as_client(self.reader)
        self.subscriber = Subscriber(ends["live"], ends["control"], "icu/", catch_up=False, **reads)
        self.subscriber.status()
        self.stream = self.gateway.open(KEY, "ecg", 250)
        self.sent = self.heard = 0
        self.slowest_s = 0.0
        self.in_order = True

    def go_on(self, seconds: float) -> None:
        """Send and hear for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.gateway.send(self.stream, np.full(CHUNK, 2, np.float32))
            self.sent += CHUNK
            self.gateway.poll(2)
            self._hear(2)

    def settle(self) -> int:
        """Wait until all that was sent is heard; return how many samples are missing, twice or out of order."""
        self.gateway.drain(20)
        end = time.monotonic() + 20
        while self.heard < self.sent and time.monotonic() < end:
            self._hear(20)
        return abs(self.sent - self.heard) + (not self.in_order) + self.gateway.counters["lost_samples"]

    def close(self) -> None:
        """Stop everything."""
        self.subscriber.close()
        self.gateway.close()
        self._stop.set()
        self._thread.join(20)

    def _hear(self, timeout_ms: int) -> None:
        while (message := self.subscriber.receive(timeout_ms)) is not None:
            timeout_ms = 0
            if message.what == "beat":
                self.in_order &= message.payload["t"] == self.heard
                self.heard += 1
                took_ns = message.header.t_pub_ns - message.payload["t_arrival_ns"]
                self.slowest_s = max(self.slowest_s, took_ns / 1e9)


@dataclass
class Stranger:
    """Try everything on every endpoint, with libzmq alone: no helper of ours keeps to any rule here.

    own : keys to show; None: no CURVE at all
    since_ns : live messages published before are no gain, though they may still wait in a connection that is cut
    """

    ward: Ward
    own: Keys | None
    server_key: str = ""
    sockets: "dict[str, zmq.Socket[bytes]]" = field(default_factory=dict)
    tries: int = 0
    since_ns: int = 0

    def connect(self) -> None:
        """Connect to every endpoint."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        for name in ENDPOINTS:
            socket = self._context.socket(zmq.SUB if name == "live" else zmq.DEALER)
            if self.own is not None:
                socket.set(zmq.CURVE_SERVERKEY, (self.server_key or self.ward.locked.engine.public).encode())
                socket.set(zmq.CURVE_PUBLICKEY, self.own.public.encode())
                socket.set(zmq.CURVE_SECRETKEY, self.own.secret.encode())
            socket.connect(self.ward.engine.endpoints[name])
            self.sockets[name] = socket

    def attack(self) -> None:
        """Open a stream, write into the one that is open, subscribe, and ask for everything."""
        stream = self.ward.engine._streams.by_key[KEY]
        held = self.ward.engine._streams.rows[stream.row]
        mine = maps.Open(KEY, stream.opened.session + 1, "ecg", stream.opened.rate, (maps.Channel(),), 3)
        values = np.full((CHUNK, 1), 9, np.float32)
        place = int(held["handle"]), int(held["next_seq"]), int(held["next_index"])
        record = wire.encode_record(wire.Record(wire.DATA, stream.opened.session, *place, values))
        for message in (maps.write_open(mine), record, maps.pack("CREDIT", key=KEY)):
            self._send("ingest", message)
        for prefix in ("", "i", "icu/", f"{KEY}/", f"{KEY}/beat/", "icu/-/-/-/heartbeat/"):
            self.sockets["live"].subscribe(prefix)
            self.tries += 1
        for type_, fields in REQUESTS:
            self._send("control", maps.pack(type_, **fields))

    def gains(self) -> dict[str, int]:
        """Count what each endpoint gave: anything at all but a refusal."""
        found = dict.fromkeys(ENDPOINTS, 0)
        for name, socket in self.sockets.items():
            while socket.poll(0):
                message = socket.recv_multipart()
                if name == "live":
                    found[name] += wire.decode_live(*message[1:]).t_pub_ns > self.since_ns
                else:
                    found[name] += not _is_refusal(message[0])
        return found

    def close(self) -> None:
        """Leave."""
        self._context.destroy(0)

    def _send(self, name: str, message: bytes) -> None:
        self.tries += 1
        with suppress(zmq.Again):  # libzmq has given the connection up
            self.sockets[name].send(message, zmq.NOBLOCK)


REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("SNAPSHOT", {"prefix": ""}),
    ("SNAPSHOT", {"prefix": "icu/"}),
    ("STATUS", {"prefix": "icu/"}),
    ("REPLAY", {"topic": f"{KEY}/beat/", "from": 0, "to": 1 << 40}),
    ("CONFIG", {"key": KEY}),
    ("CONFIG", {"key": KEY, "limits": {"pause_s": 9}}),
    ("ALARM_ACK", {"key": KEY, "code": "asystole"}),
    ("ERASE", {"key": KEY}),
)


def _is_refusal(message: bytes) -> bool:
    if maps.is_map(message):
        return bool(maps.unpack(message, 4096, wire.MAX_MESSAGE)["type"] == "ERR")
    if message[:4] == wire.ACK_MAGIC:
        return all(ack.code for ack in wire.decode_acks(message))
    return False


@contextmanager
def ward() -> Iterator[Ward]:
    """Run a ward in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        made = Ward(Path(folder))
        try:
            yield made
        finally:
            made.close()


def strangers(rounds: int) -> list[Row]:
    """Let unknown, revoked, wrong-site and NULL clients, and one with a wrong engine key, try each endpoint."""
    rows = []
    with ward() as there:
        known = there.locked.client("one", write=("icu/",), read=("icu/",), admin=("icu/",))
        there.go_on(1.5)  # the engine has read it
        revoked = Stranger(there, known)
        revoked.connect()
        revoked.sockets["live"].subscribe("icu/")
        revoked._send("control", maps.pack("STATUS", prefix="icu/"))
        revoked._send(
            "ingest",
            maps.pack("OPEN", key="icu/p2/m/ecg", session=1, kind="ecg", rate=[250, 1], channels=[{}], dtype="f32"),
        )
        there.go_on(1.5)
        before = revoked.gains()
        rights.revoke(there.locked.rights, "one")
        there.go_on(LIMIT_S)
        revoked.gains()  # what came before it was cut
        revoked.since_ns = time.time_ns()
        who = {
            "unknown key": [Stranger(there, keys.make())],
            "revoked key, its old and new connections": [revoked, Stranger(there, known)],
            "key of another site": [
                Stranger(there, there.locked.client("lab", write=("lab/",), read=("lab/",), admin=("lab/",)))
            ],
            "NULL, no key": [Stranger(there, None)],
            "known key, wrong engine key": [Stranger(there, there.reader, keys.make().public)],
        }
        gained = {name: dict.fromkeys(ENDPOINTS, 0) for name in who}
        everyone = [(name, each) for name, some in who.items() for each in some]
        for _ in range(rounds):
            for _, each in everyone:
                if each is not revoked:
                    each.connect()
                each.attack()
            there.go_on(LISTEN_S)
            for name, each in everyone:
                for end, n in each.gains().items():
                    gained[name][end] += n
                if each is not revoked:
                    each.close()
        harm = there.settle()
        streams = set(there.engine._streams.by_key)
        forbidden, denied = (there.engine.counters()[name] for name in ("forbidden", "handshakes_denied"))
        for name, some in who.items():
            said = ", ".join(f"{end} {n}" for end, n in gained[name].items())
            rows.append(
                Row(
                    name,
                    sum(each.tries for each in some),
                    f"got in or out: {said}",
                    sum(gained[name].values()),
                    "nothing gets in or out",
                )
            )
        revoked.close()
    unheard = sum(n == 0 for n in before.values())  # what tells nothing to who is allowed proves nothing
    said = f"{there.sent} samples sent, {there.heard} heard; {denied} handshakes and {forbidden} requests denied"
    return [
        *rows,
        Row("those who are allowed, meanwhile", 1, said, harm + unheard + len(streams - {KEY, "icu/p2/m/ecg"}), CALM),
    ]


def revocations(n: int) -> Row:
    """Remove keys whose clients send and hear; measure until the last thing that goes in or out."""
    slowest_s, late = 0.0, 0
    with ward() as there:
        for k in range(n):
            known = there.locked.client(f"one-{k}", write=("icu/",), read=("icu/",))
            ends, own = there.engine.endpoints, there.locked.as_client(known)
            there.go_on(1.2)
            with (
                Gateway(ends["ingest"], **own) as gateway,
                Subscriber(ends["live"], ends["control"], f"{KEY}/", catch_up=False, **own) as subscriber,
            ):
                subscriber.status()
                stream = gateway.open(f"icu/r{k}/m/ecg", "ecg", 250)
                gateway.send(stream, np.zeros(CHUNK, np.float32))
                gateway.drain()
                rights.revoke(there.locked.rights, f"one-{k}")
                start = last = time.time()
                while time.time() - start < LIMIT_S + 1:
                    there.go_on(0.02)
                    acked = gateway.counters["acked"]
                    if not gateway.errors:
                        gateway.send(stream, np.zeros(CHUNK, np.float32))
                    gateway.poll(0)
                    if gateway.counters["acked"] > acked:
                        last = time.time()
                    while (message := subscriber.receive(0)) is not None:
                        last = max(last, message.header.t_pub_ns / 1e9)
                slowest_s = max(slowest_s, last - start)
                late += last - start > LIMIT_S or "FORBIDDEN" not in gateway.errors.values()
        harm = there.settle()
    said = f"out after {slowest_s:.1f} s at most"
    return Row("key removed from a client that sends and hears", n, said, late + harm, f"out in {LIMIT_S:g} s")


def rotations(n: int) -> Row:
    """Change a gateway's key under load, the next one allowed before the last one goes."""
    with ward() as there:
        own = there.sender
        for _ in range(n):
            following = there.locked.client("sender", write=("icu/",))
            there.go_on(0.3)
            there.gateway.use_keys(following)
            there.go_on(0.3)
            rights.revoke(there.locked.rights, "sender", own.public)
            own = following
            there.go_on(0.5)
        harm = there.settle()
        again = there.gateway.counters["resent"]
    return Row(
        "key changed under load",
        n,
        f"{there.sent} samples sent, {there.heard} heard once; {again} records resent",
        harm,
        CALM,
    )


def flood(n: int, rounds: int) -> Row:
    """Begin handshakes and never end them, while a gateway sends and another arrives."""
    with ward() as there:
        there.go_on(1.0)
        there.slowest_s = longest_s = 0.0
        left = late = 0
        for k in range(rounds):
            host, port = there.engine.endpoints["ingest"].removeprefix("tcp://").split(":")
            peers = []
            for i in range(n):
                peer = tcp.create_connection((host, int(port)))
                greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(15) + bytes(32)
                peer.send((b"", greeting, b"GET / HTTP/1.1\r\n\r\n")[i % 3])
                peer.setblocking(False)
                peers.append(peer)
            start = time.monotonic()
            with Gateway(there.engine.endpoints["ingest"], **there.locked.as_client(there.sender)) as newcomer:
                stream = newcomer.open(f"icu/f{k}/m/ecg", "ecg", 250)
                while not newcomer.is_open(stream) and time.monotonic() - start < LIMIT_S:
                    newcomer.poll(5)
                longest_s = max(longest_s, time.monotonic() - start)
                late += not newcomer.is_open(stream)
            there.go_on(LIMIT_S + 1.0)
            left += sum(not _is_closed(peer) for peer in peers)
            for peer in peers:
                peer.close()
        harm = there.settle()
        slowest_ms = 1e3 * there.slowest_s
    found = f"a newcomer opens in {longest_s:.2f} s, results in {slowest_ms:.0f} ms at most"
    said = f"{left} open after {LIMIT_S + 1:.0f} s; {found}"
    return Row("half-open handshakes", n * rounds, said, left + late + harm, CALM)


def _is_closed(peer: tcp.socket) -> bool:
    try:
        while chunk := peer.recv(4096):
            del chunk
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def run(long: bool) -> Iterator[Row]:
    """Do it all."""
    yield from strangers(20 if long else 1)
    yield revocations(10 if long else 1)
    yield rotations(20 if long else 3)
    yield flood(500, 10 if long else 1)
