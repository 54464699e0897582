"""The one place that makes sockets, with every option that the protocol relies on."""

import ipaddress
import re
from typing import Any

import zmq

from vitalcore.errors import ParameterError
from vitalcore.streams.wire import MAX_MESSAGE

INGEST, LIVE, CONTROL = "tcp://127.0.0.1:7401", "tcp://127.0.0.1:7402", "tcp://127.0.0.1:7403"
HEARTBEAT_MS = 1000
HANDSHAKE_MS = 5000
QUEUE = 256  # messages that wait in an engine's socket for each peer; then TCP holds the peer back
FAN_OUT = 20_000  # messages that wait for each subscriber; then it loses its own

_TCP = re.compile(r"tcp://(\[[^\]]*\]|[^:\[\]]+):(\*|\d{1,5})", re.ASCII)


def check_loopback(endpoint: str) -> str:
    """Return an endpoint to bind, if nobody but this machine can reach it.

    Errors: ParameterError
    """
    match = _TCP.fullmatch(endpoint)
    if match is None:
        raise ParameterError(f"{endpoint} is no endpoint such as tcp://127.0.0.1:7401")
    host = match[1].strip("[]")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ParameterError(
            f"{endpoint} leaves this machine, and this version has no keys to protect it: bind 127.0.0.1 or [::1]"
        )
    return endpoint.replace("localhost", "127.0.0.1")


def serve(context: "zmq.Context[zmq.Socket[bytes]]", kind: int, endpoint: str) -> "zmq.Socket[bytes]":
    """Bind an engine's socket.

    kind : zmq.ROUTER or zmq.XPUB

    Errors: ParameterError where the endpoint leaves this machine or can't be bound.
    """
    socket = _make(context, kind)
    socket.set(zmq.MAXMSGSIZE, MAX_MESSAGE)
    if kind == zmq.XPUB:
        socket.set(zmq.XPUB_MANUAL, 1)
        socket.set(zmq.SNDHWM, FAN_OUT)
    else:
        socket.set(zmq.ROUTER_HANDOVER, 0)
        socket.set(zmq.RCVHWM, QUEUE)
    if "[" in endpoint:
        socket.set(zmq.IPV6, 1)
    try:
        socket.bind(check_loopback(endpoint))
    except zmq.ZMQError as error:
        socket.close()
        raise ParameterError(f"can't bind {endpoint}: {error.strerror}") from None
    except ParameterError:
        socket.close()
        raise
    return socket


def endpoint_of(socket: "zmq.Socket[bytes]") -> str:
    """Return where a socket is bound, its port resolved."""
    bound: Any = socket.get(zmq.LAST_ENDPOINT)
    return str(bound.rstrip(b"\0"), "ascii")


def connect(
    context: "zmq.Context[zmq.Socket[bytes]]", kind: int, endpoint: str, queue: bool = True
) -> "zmq.Socket[bytes]":
    """Connect a client's socket, which reconnects by itself.

    kind  : zmq.DEALER or zmq.SUB
    queue : whether what is sent waits for a peer that is not there

    Errors: ParameterError where the endpoint is none.
    """
    socket = _make(context, kind)
    socket.set(zmq.RECONNECT_IVL, 50)
    socket.set(zmq.RECONNECT_IVL_MAX, 2000)
    if kind == zmq.SUB:
        socket.set(zmq.RCVHWM, FAN_OUT)
    elif not queue:
        socket.set(zmq.SNDHWM, 0)  # credit is the bound
    socket.set(zmq.IMMEDIATE, not queue)
    if "[" in endpoint:
        socket.set(zmq.IPV6, 1)
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        socket.close()
        raise ParameterError(f"can't connect to {endpoint}: {error.strerror}") from None
    return socket


def _make(context: "zmq.Context[zmq.Socket[bytes]]", kind: int) -> "zmq.Socket[bytes]":
    socket = context.socket(kind)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.set(zmq.HEARTBEAT_TIMEOUT, 3 * HEARTBEAT_MS)
    socket.set(zmq.TCP_KEEPALIVE, 1)
    return socket
