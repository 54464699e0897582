"""Where the bytes of a device come from: standard input, or a serial line that may go and come back."""

import os
import select
import time
from typing import Any, Protocol

from vitalcore.errors import ParameterError, ReadError

READ = 1 << 16
RETRY_S = 1.0


class Source(Protocol):
    """Give bytes.

    problem : what keeps it from doing so; empty while nothing does
    """

    problem: str

    def read(self, timeout_s: float) -> bytes | None:
        """Wait for bytes and return them; empty: none yet; None: there will be no more."""

    def close(self) -> None:
        """Let go of it."""


class Pipe:
    """Read a file descriptor, such as standard input."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.problem = ""

    def read(self, timeout_s: float) -> bytes | None:
        """Wait for bytes and return them; None at the end."""
        if not select.select([self._descriptor], [], [], timeout_s)[0]:
            return b""
        return os.read(self._descriptor, READ) or None

    def close(self) -> None:
        """Leave it open: it is not ours."""


class Serial:
    """Read a serial line; one that is pulled out is looked for every second.

    Errors: ParameterError where pyserial is missing; ReadError where there is no such port at first.
    """

    def __init__(self, port: str, baud: int) -> None:
        try:
            import serial
        except ImportError:
            raise ParameterError("a serial line needs pyserial: pip install 'vitalcore[serial]'") from None
        self._port, self._baud = port, baud
        self._error: type[Exception] = serial.SerialException
        self._line: Any = None  # serial.Serial, while it is there
        self._retry_s = 0.0
        self.problem = ""
        self._open()
        if self.problem:
            raise ReadError(self.problem)

    def read(self, timeout_s: float) -> bytes | None:
        """Wait for bytes and return them."""
        if self._line is None:
            time.sleep(timeout_s)
            if time.monotonic() > self._retry_s:
                self._open()
            return b""
        try:
            if not select.select([self._line.fileno()], [], [], timeout_s)[0]:
                return b""
            return bytes(self._line.read(READ))
        except (self._error, OSError) as error:
            self.close()
            self.problem = f"{self._port} is gone: {error}"
            self._retry_s = time.monotonic() + RETRY_S
            return b""

    def close(self) -> None:
        """Close the line."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _open(self) -> None:
        import serial

        try:
            self._line = serial.Serial(self._port, self._baud, timeout=0)
            self.problem = ""
        except (self._error, OSError) as error:
            self.problem = f"can't open {self._port}: {error}"
            self._retry_s = time.monotonic() + RETRY_S
