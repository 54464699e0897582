"""Sockets are made in one place, and only this machine can reach them."""

from collections.abc import Iterator

import pytest
import zmq

from vitalcore.errors import ParameterError
from vitalcore.streams import sockets, wire


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
