"""What a service manager hears."""

import os
import socket
from pathlib import Path

import pytest

from vitalcore.streams.process.notify import READY, RELOADING, Manager


@pytest.mark.parametrize("abstract", [False, True])
def test_a_state_is_a_datagram_to_the_socket_that_is_named(tmp_path: Path, abstract: bool) -> None:
    path = f"@vitalcore-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0" + path[1:] if abstract else path)
        manager = Manager({"NOTIFY_SOCKET": path})
        manager.tell(READY, "ready")
        assert heard.recv(4096) == b"READY=1\nSTATUS=ready"
        manager.tell(RELOADING)
        assert b"RELOADING=1\nMONOTONIC_USEC=" in heard.recv(4096)


def test_nobody_who_listens_is_no_error(tmp_path: Path) -> None:
    Manager({}).tell(READY)
    Manager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell(READY)


def test_the_watchdog_is_that_of_this_process() -> None:
    asked = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000"}
    assert Manager(asked).watchdog_s == 30
    assert Manager(asked | {"WATCHDOG_PID": str(os.getpid())}).watchdog_s == 30
    assert Manager(asked | {"WATCHDOG_PID": "1"}).watchdog_s is None
    assert Manager({}).watchdog_s is None
