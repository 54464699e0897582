"""A link that can be cut: a TCP proxy on loopback between a gateway and an engine."""

import selectors
import socket
import threading
from types import TracebackType
from typing import Self

READ = 1 << 16


class Cut:
    """Pass bytes on to an endpoint, until the link is cut.

    target : tcp://127.0.0.1:port
    """

    def __init__(self, target: str) -> None:
        self._target = int(target.rsplit(":", 1)[1])
        self._door = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._door.getsockname()[1]}"
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._door, selectors.EVENT_READ)
        self._other: dict[socket.socket, socket.socket] = {}
        self._whole = self._running = True
        self.passed = 0
        self._thread = threading.Thread(target=self._pass, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = False
        self._thread.join()
        self._door.close()

    def cut(self) -> None:
        """Break every connection, in the middle of whatever is under way, and let none come up."""
        self._whole = False

    def heal(self) -> None:
        """Let connections come up again."""
        self._whole = True

    def _pass(self) -> None:
        while self._running:
            if not self._whole:
                self._drop(*self._other)
            for key, _ in self._selector.select(0.01):
                at = key.fileobj
                assert isinstance(at, socket.socket)
                if at is self._door:
                    self._connect()
                elif at in self._other:
                    self._forward(at)
        self._drop(*self._other)

    def _connect(self) -> None:
        ours, _ = self._door.accept()
        if not self._whole:
            ours.close()
            return
        try:
            theirs = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            ours.close()
            return
        for here, there in ((ours, theirs), (theirs, ours)):
            here.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._other[here] = there
            self._selector.register(here, selectors.EVENT_READ)

    def _forward(self, at: socket.socket) -> None:
        try:
            data = at.recv(READ)
            if data and self._whole:
                self._other[at].sendall(data)
                self.passed += len(data)
                return
        except OSError:
            pass  # one end is gone: so is the other
        self._drop(at)

    def _drop(self, *ends: socket.socket) -> None:
        for end in ends:
            other = self._other.pop(end, None)
            for each in (end, other):
                if each is not None:
                    self._other.pop(each, None)
                    if each.fileno() >= 0:
                        self._selector.unregister(each)
                        each.close()
