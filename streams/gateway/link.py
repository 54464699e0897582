"""One connection of a gateway to an engine, and the records that share its next message."""

from typing import TYPE_CHECKING

import zmq

from vitalcore.streams.protocol import wire

if TYPE_CHECKING:
    from vitalcore.streams.gateway.spool import Spool


class Link:
    """Send records packed into messages.

    pack      : records to a message
    by_handle : streams that are open on this connection
    """

    def __init__(self, socket: "zmq.Socket[bytes]", endpoint: str, pack: int) -> None:
        self.socket, self.endpoint = socket, endpoint
        self.by_handle: dict[int, Spool] = {}
        self._pack = pack
        self._batch: list[bytes | memoryview] = []
        self._batch_bytes = 0

    def add(self, record: bytes | memoryview) -> bool:
        """Take a record into the message; tell whether it is full."""
        self._batch.append(record)
        self._batch_bytes += len(record)
        return len(self._batch) >= self._pack

    def fits(self, size: int) -> bool:
        """Tell whether a record of so many bytes still fits into the message."""
        return self._batch_bytes + size <= wire.MAX_MESSAGE

    def flush(self) -> None:
        """Send the message."""
        if self._batch:
            self.post(b"".join(self._batch))
            self._batch, self._batch_bytes = [], 0

    def post(self, message: bytes | memoryview) -> bool:
        """Send a message; tell whether there is a connection that takes it."""
        try:
            self.socket.send(message, zmq.NOBLOCK, copy=True)
        except zmq.Again:
            return False  # no connection, or it is full: what is not acknowledged is sent again
        return True
