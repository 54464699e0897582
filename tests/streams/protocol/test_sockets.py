"""Sockets are made in one place, and only this machine can reach them."""

import time
from collections.abc import Iterator

import pytest
import zmq

from vitalcore.errors import ParameterError
from vitalcore.streams.protocol import keys, sockets, wire


@pytest.fixture
def context() -> Iterator["zmq.Context[zmq.Socket[bytes]]"]:
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield made
    made.destroy(0)


@pytest.mark.parametrize(
    "endpoint", ["tcp://127.0.0.1:7401", "tcp://127.9.9.9:*", "tcp://[::1]:0", "tcp://localhost:1"]
)
def test_loopback_may_be_bound(endpoint: str) -> None:
    assert sockets.check_loopback(endpoint).startswith("tcp://")


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://0.0.0.0:1",
        "tcp://*:1",
        "tcp://[::]:1",
        "tcp://192.168.0.4:1",
        "tcp://eth0:1",
        "tcp://127.0.0.1.evil.org:1",
    ],
)
def test_anything_else_is_refused_with_the_reason(endpoint: str) -> None:
    with pytest.raises(ParameterError, match=r"no keys to protect it"):
        sockets.check_loopback(endpoint)


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1:7401", "ipc:///tmp/x", "tcp://127.0.0.1", "inproc://x"])
def test_what_is_no_endpoint_is_named(endpoint: str) -> None:
    with pytest.raises(ParameterError, match="no endpoint"):
        sockets.check_loopback(endpoint)


def test_an_engines_socket_takes_no_message_beyond_the_limit(context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    router = sockets.serve(context, zmq.ROUTER, "tcp://127.0.0.1:*")
    dealer = sockets.connect(context, zmq.DEALER, sockets.endpoint_of(router))
    dealer.send(bytes(wire.MAX_MESSAGE))
    assert router.poll(5000)
    assert len(router.recv_multipart()[1]) == wire.MAX_MESSAGE
    dealer.send(bytes(wire.MAX_MESSAGE + 1))
    assert not router.poll(300)


def test_a_client_names_an_endpoint_that_is_none(context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    with pytest.raises(ParameterError, match="nonsense"):
        sockets.connect(context, zmq.SUB, "nonsense")


def test_a_client_leaves_this_machine_with_keys_only(context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    own, engine = keys.make(), keys.make()
    with pytest.raises(ParameterError, match="needs keys"):
        sockets.connect(context, zmq.DEALER, "tcp://192.0.2.7:7401")
    sockets.connect(context, zmq.DEALER, "tcp://192.0.2.7:7401", server_key=engine.public, keys=own)
    with pytest.raises(ParameterError, match="both, or none"):
        sockets.connect(context, zmq.DEALER, "tcp://127.0.0.1:7401", server_key=engine.public)
    with pytest.raises(ParameterError, match="both, or none"):
        sockets.connect(context, zmq.DEALER, "tcp://127.0.0.1:7401", keys=own)


def test_an_old_libzmq_is_refused(context: "zmq.Context[zmq.Socket[bytes]]", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zmq, "zmq_version_info", lambda: (4, 3, 2))
    with pytest.raises(ParameterError, match=r"must be 4\.3\.3 or newer"):
        sockets.connect(context, zmq.SUB, "tcp://127.0.0.1:7402")


def test_a_connection_is_cut_alone(context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    router = sockets.serve(context, zmq.ROUTER, "tcp://127.0.0.1:*")
    peers = [sockets.connect(context, zmq.DEALER, sockets.endpoint_of(router)) for _ in range(2)]
    found = []
    for peer in peers:
        peer.send(b"hello")
        assert router.poll(5000)
        identity, frame = router.recv_multipart(copy=False)
        connection = sockets.connection_of(frame)
        assert connection is not None
        assert sockets.is_up(connection)
        found.append((identity.bytes, connection))
    (gone, cut), (stays, other) = found
    sockets.cut(sockets.Connection(other.descriptor, other.inode + 1))  # a descriptor that somebody else has now
    sockets.cut(cut)
    end = time.monotonic() + 5
    while sockets.is_up(cut) and time.monotonic() < end:
        time.sleep(0.01)
    assert not sockets.is_up(cut)
    assert sockets.is_up(other)
    router.send_multipart([stays, b"still here"])
    assert peers[1].poll(5000)
    assert peers[1].recv() == b"still here"
    router.send_multipart([gone, b"gone"])
    assert not peers[0].poll(100)
