"""Who subscribes to what on a live socket, and may."""

from collections.abc import Callable

import zmq

from vitalcore.streams.protocol import sockets
from vitalcore.streams.protocol.sockets import Connection
from vitalcore.streams.security.guard import Guard

MAX_SUBSCRIPTIONS = 65_536
MAX_PREFIX = 300  # bytes; no topic is longer


class Readers:
    """Confirm subscriptions that a client has a right to, and count them.

    changed : told of a prefix when its first reader comes and when its last one goes
    """

    def __init__(self, socket: "zmq.Socket[bytes]", guard: Guard, changed: Callable[[bytes, bool], None]) -> None:
        self._socket, self._guard, self._changed = socket, guard, changed
        self._readers: dict[Connection, set[bytes]] = {}
        self._subscriptions: dict[bytes, int] = {}  # connections that have each
        self._lengths: dict[int, int] = {}

    def work(self, most: int = 1024) -> bool:
        """Take subscriptions that have arrived, up to a bound; tell whether some are left."""
        for _ in range(most):
            try:
                frame = self._socket.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return False
            while self._socket.get(zmq.RCVMORE):
                self._socket.recv()
            message = frame.bytes
            connection = sockets.connection_of(frame)
            # of who is gone libzmq says the unsubscriptions, but not whose they were: `sweep` finds out
            if connection is None or not message or message[0] > 1 or len(message) > 1 + MAX_PREFIX:
                continue
            prefix, mine = message[1:], self._readers.setdefault(connection, set())
            if not message[0]:
                self._socket.set(zmq.UNSUBSCRIBE, prefix)
                self._withdraw(mine, prefix)
            elif prefix not in mine and self._may(frame, prefix):
                self._socket.set(zmq.SUBSCRIBE, prefix)
                mine.add(prefix)
                self._count(prefix, 1)
        return True

    def sweep(self) -> None:
        """Forget the subscriptions of connections that are gone, about once a second."""
        for connection in [each for each in self._readers if not sockets.is_up(each)]:
            gone = self._readers.pop(connection)
            for prefix in list(gone):
                self._withdraw(gone, prefix)

    def wanted(self, topic: bytes) -> bool:
        """Tell whether somebody reads a topic."""
        return any(topic[:n] in self._subscriptions for n in self._lengths if n <= len(topic))

    def _may(self, frame: zmq.Frame, prefix: bytes) -> bool:
        if sum(self._lengths.values()) >= MAX_SUBSCRIPTIONS:
            return False
        wanted = prefix.decode("ascii", "replace")
        return self._guard.allows(self._guard.who(frame), "read", wanted, "SUBSCRIBE")

    def _withdraw(self, mine: set[bytes], prefix: bytes) -> None:
        if prefix in mine:
            mine.remove(prefix)
            self._count(prefix, -1)

    def _count(self, prefix: bytes, change: int) -> None:
        before = self._subscriptions.get(prefix, 0)
        count = before + change
        length = self._lengths.get(len(prefix), 0) + change
        self._subscriptions[prefix], self._lengths[len(prefix)] = count, length
        if not count:
            del self._subscriptions[prefix]
        if not length:
            del self._lengths[len(prefix)]
        if bool(before) != bool(count):
            self._changed(prefix, bool(count))
