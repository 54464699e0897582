"""What a service manager is told: ready, reloading, stopping, alive.

Source: sd_notify(3): datagrams of NAME=VALUE lines to the socket that NOTIFY_SOCKET names.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

READY, RELOADING, STOPPING, WATCHDOG = "READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1"


class Manager:
    """Tell the service manager, if there is one.

    watchdog_s : it must hear that the service is alive so often; None: it does not ask for it
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._path = environment.get("NOTIFY_SOCKET", "")
        period_us = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(period_us) / 1e6 if self._path and mine and period_us.isdecimal() else None

    def tell(self, state: str, status: str = "") -> None:
        """Tell a state, and in words what goes on; whoever does not listen is not waited for."""
        if not self._path:
            return
        lines = [state, *([f"STATUS={status}"] if status else [])]
        if state == RELOADING:
            lines.append(f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)
            to.sendto("\n".join(lines).encode(), address)
