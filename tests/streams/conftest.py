"""An engine in a thread, and a peer that says exactly what it is told to."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest
import zmq

from tests.streams.chain import Peaks
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.protocol import maps, sockets, wire
from vitalcore.streams.protocol.wire import Ack

ANY = "tcp://127.0.0.1:*"


class Running:
    """Run an engine in a thread."""

    def __init__(self, ingest: str = ANY, **options: Any) -> None:
        options = {"chains": {"ecg": Peaks(), "face": Peaks()}} | options
        self.engine = Engine(ingest, ANY, ANY, **options)
        self.ingest, self.live, self.control = (self.engine.endpoints[name] for name in ("ingest", "live", "control"))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.engine.run, args=(self._stop,), daemon=True)
        self._thread.start()
        assert self.engine.ready.wait(300)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()


class Door:
    """Send whoever opens a stream elsewhere, as the endpoint before several workers does.

    The first OPEN is answered with the first of `to`, the next with the second, those after the last with the last.
    """

    def __init__(self, *to: str) -> None:
        self.to = list(to)
        self.opened: list[dict[str, Any]] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = sockets.serve(self._context, zmq.ROUTER, ANY)
        self.endpoint = bytes(self._socket.get(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._answer, daemon=True)

    def __enter__(self) -> "Door":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._context.destroy(0)

    def _answer(self) -> None:
        while not self._stop.is_set():
            if not self._socket.poll(5):
                continue
            peer, message = self._socket.recv_multipart()
            if not maps.is_map(message) or (fields := maps.unpack(message))["type"] != "OPEN":
                continue
            self.opened.append(fields)
            endpoint = self.to[min(len(self.opened), len(self.to)) - 1]
            redirect = maps.pack("REDIRECT", key=fields["key"], endpoint=endpoint, epoch=len(self.opened))
            self._socket.send_multipart([peer, redirect])


class Peer:
    """Speak bytes on one connection.

    client : keys, if the engine wants them
    """

    def __init__(self, endpoint: str, **client: Any) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = sockets.connect(self._context, zmq.DEALER, endpoint, **client)

    def ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        self.socket.send(maps.pack(type_, **fields))
        return self.map()

    def map(self) -> dict[str, Any]:
        while True:
            message = self.receive()
            if maps.is_map(message):
                value: dict[str, Any] = msgpack.unpackb(message)
                return value

    def receive(self) -> bytes:
        assert self.socket.poll(5000), "the engine says nothing"
        return self.socket.recv()

    def acks(self, until: Callable[[Ack], bool]) -> list[Ack]:
        """Collect acknowledgements up to the first that is asked for."""
        heard: list[Ack] = []
        while not (heard and until(heard[-1])):
            message = self.receive()
            if not maps.is_map(message):
                for ack in wire.decode_acks(message):
                    heard.append(ack)
                    if until(ack):
                        break
        return heard

    def refusal(self) -> Ack:
        return self.acks(lambda ack: ack.code != 0)[-1]

    def open(self, key: str = "icu/p1/monitor/ecg", **changes: Any) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "key": key,
            "session": 7,
            "kind": "ecg",
            "rate": [250, 1],
            "channels": [{"label": "II", "unit": "mV"}],
            "dtype": "f32",
        }
        return self.ask("OPEN", **(fields | changes))

    def close(self) -> None:
        self.socket.close()
        self._context.term()


@pytest.fixture
def running() -> Iterator[Running]:
    engine = Running()
    yield engine
    assert engine.alive, "the engine has died"
    engine.stop()


@pytest.fixture
def peer(running: Running) -> Iterator[Peer]:
    made = Peer(running.ingest)
    yield made
    made.close()


@pytest.fixture
def control(running: Running) -> Iterator[Peer]:
    made = Peer(running.control)
    yield made
    made.close()


def bind(socket: "zmq.Socket[bytes]", port: int) -> None:
    """Bind a port of this machine, which may have been bound a moment ago."""

    def bound() -> bool:
        try:
            socket.bind(f"tcp://127.0.0.1:{port}")
        except zmq.ZMQError:
            return False
        return True

    end = time.monotonic() + 10
    while not bound():
        assert time.monotonic() < end, f"port {port} stays in use"
        time.sleep(0.005)


def wait_for(condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Wait until a condition holds; tell whether it does."""
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()
