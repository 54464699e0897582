"""The one place that makes sockets, with every option that the protocol relies on, and that breaks connections."""

import ipaddress
import os
import re
import socket as tcp
from contextlib import suppress
from typing import Any, NamedTuple

import zmq

from vitalcore.errors import ParameterError
from vitalcore.streams.protocol import keys as key_files
from vitalcore.streams.protocol.keys import Keys
from vitalcore.streams.protocol.wire import MAX_MESSAGE

MIN_ZMQ = (4, 3, 3)  # older ones have known holes in their handshake

INGEST, LIVE, CONTROL = "tcp://127.0.0.1:7401", "tcp://127.0.0.1:7402", "tcp://127.0.0.1:7403"
HEARTBEAT_MS = 1000
HANDSHAKE_MS = 5000
QUEUE = 256  # messages that wait in an engine's socket for each peer; then TCP holds the peer back
FAN_OUT = 20_000  # messages that wait for each subscriber; then it loses its own

_TCP = re.compile(r"tcp://(\[[^\]]*\]|[^:\[\]]+):(\*|\d{1,5})", re.ASCII)


class Connection(NamedTuple):
    """Name a peer's connection: no other has this pair, even when the descriptor is used again."""

    descriptor: int
    inode: int


def is_loopback(endpoint: str) -> bool:
    """Tell whether nobody but this machine can reach an endpoint, or be reached at it.

    Errors: ParameterError
    """
    match = _TCP.fullmatch(endpoint)
    if match is None:
        raise ParameterError(f"{endpoint} is no endpoint such as tcp://127.0.0.1:7401")
    host = match[1].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_loopback(endpoint: str, keyed: bool = False) -> str:
    """Return an endpoint to bind, if nobody but this machine can reach it or keys protect it.

    Errors: ParameterError
    """
    if not is_loopback(endpoint) and not keyed:
        raise ParameterError(
            f"{endpoint} leaves this machine and there are no keys to protect it: bind 127.0.0.1 or [::1], or give keys"
        )
    return endpoint.replace("localhost", "127.0.0.1")


def serve(
    context: "zmq.Context[zmq.Socket[bytes]]", kind: int, endpoint: str, keys: Keys | None = None, domain: str = ""
) -> "zmq.Socket[bytes]":
    """Bind an engine's socket.

    kind     : zmq.ROUTER or zmq.XPUB
    endpoint : tcp://, or ipc:// of a worker for the front before it
    keys     : the engine's; then only who the authenticator of this context admits gets in. None: loopback only
    domain   : what the authenticator is told of where somebody knocks

    Errors: ParameterError where the endpoint leaves this machine without keys, or can't be bound.
    """
    socket = _make(context, kind)
    socket.set(zmq.MAXMSGSIZE, MAX_MESSAGE)
    if keys is not None:
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, keys.secret.encode())
        # without a domain, or without enforcing it, libzmq admits everybody when no authenticator answers
        socket.set(zmq.ZAP_DOMAIN, domain.encode())
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)
    if kind == zmq.XPUB:
        socket.set(zmq.XPUB_MANUAL, 1)
        socket.set(zmq.SNDHWM, FAN_OUT)
    else:
        socket.set(zmq.ROUTER_HANDOVER, 0)
        socket.set(zmq.RCVHWM, QUEUE)
    if "[" in endpoint:
        socket.set(zmq.IPV6, 1)
    try:
        socket.bind(endpoint if endpoint.startswith("ipc://") else check_loopback(endpoint, keys is not None))
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
    context: "zmq.Context[zmq.Socket[bytes]]",
    kind: int,
    endpoint: str,
    queue: bool = True,
    server_key: str | None = None,
    keys: Keys | None = None,
    events: int = 0,
) -> "zmq.Socket[bytes]":
    """Connect a client's socket, which reconnects by itself.

    kind       : zmq.DEALER, zmq.SUB or zmq.XSUB
    queue      : whether what is sent waits for a peer that is not there
    server_key : public key of the engine, 40 characters; nobody else is talked to
    keys       : the client's own
    events     : that the socket's monitor tells, from before it connects, so that none is missed

    Errors: ParameterError where the endpoint is none, leaves this machine without keys, or one key is given without the
    other.
    """
    if (server_key is None) != (keys is None):
        raise ParameterError("a client needs its own keys and the engine's public key: both, or none of them")
    if keys is None and endpoint.startswith("tcp://") and not is_loopback(endpoint):
        raise ParameterError(f"{endpoint} leaves this machine: that needs keys, ours and the engine's public one")
    socket = _make(context, kind)
    if keys is not None and server_key is not None:
        socket.set(zmq.CURVE_SERVERKEY, key_files.check(server_key).encode())
        socket.set(zmq.CURVE_PUBLICKEY, keys.public.encode())
        socket.set(zmq.CURVE_SECRETKEY, keys.secret.encode())
    socket.set(zmq.RECONNECT_IVL, 50)
    if not endpoint.startswith("ipc://"):  # a worker that comes back is not kept waiting by its own front
        socket.set(zmq.RECONNECT_IVL_MAX, 2000)
    if kind in (zmq.SUB, zmq.XSUB):
        socket.set(zmq.RCVHWM, FAN_OUT)
    elif not queue:
        socket.set(zmq.SNDHWM, 0)  # credit is the bound
    socket.set(zmq.IMMEDIATE, not queue)
    if "[" in endpoint:
        socket.set(zmq.IPV6, 1)
    if events:
        socket.get_monitor_socket(events)
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        if events:
            socket.disable_monitor()
        socket.close()
        raise ParameterError(f"can't connect to {endpoint}: {error.strerror}") from None
    return socket


def post(socket: "zmq.Socket[bytes]", identity: bytes, message: bytes) -> None:
    """Send a message to one peer of a ROUTER; it is dropped if the peer is gone or does not read."""
    with suppress(zmq.ZMQError):
        socket.send_multipart([identity, message], zmq.NOBLOCK)


def connection_of(frame: zmq.Frame) -> Connection | None:
    """Name the connection that a received frame came on; None if it is gone."""
    try:
        descriptor = int(frame.get("__fd"))
        return Connection(descriptor, os.fstat(descriptor).st_ino)
    except (zmq.ZMQError, OSError):
        return None


def is_up(connection: Connection) -> bool:
    """Tell whether a connection still stands."""
    try:
        return os.fstat(connection.descriptor).st_ino == connection.inode
    except OSError:
        return False


def cut(connection: Connection) -> None:
    """Break a connection, and no other; libzmq takes it as the peer's leaving."""
    try:
        held = os.dup(connection.descriptor)  # so that what is looked at is what is broken
    except OSError:
        return
    with tcp.socket(fileno=held) as peer, suppress(OSError):
        if os.fstat(held).st_ino == connection.inode:
            peer.shutdown(tcp.SHUT_RDWR)


def _make(context: "zmq.Context[zmq.Socket[bytes]]", kind: int) -> "zmq.Socket[bytes]":
    if zmq.zmq_version_info() < MIN_ZMQ:
        raise ParameterError(f"libzmq is {zmq.zmq_version()}; it must be {'.'.join(map(str, MIN_ZMQ))} or newer")
    socket = context.socket(kind)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.set(zmq.HEARTBEAT_TIMEOUT, 3 * HEARTBEAT_MS)
    socket.set(zmq.TCP_KEEPALIVE, 1)
    return socket
