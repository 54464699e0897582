"""A pipe and a serial line; the line is a pseudo terminal."""

import os
import time
from pathlib import Path

import pytest

from vitalcore.errors import ReadError
from vitalcore.streams.gateway import sources
from vitalcore.streams.gateway.sources import Pipe, Serial


def test_a_pipe_gives_what_is_there_and_tells_its_end() -> None:
    read, write = os.pipe()
    pipe = Pipe(read)
    assert pipe.read(0.01) == b""
    os.write(write, b"1\n")
    assert pipe.read(1) == b"1\n"
    os.close(write)
    assert pipe.read(1) is None
    os.close(read)


def test_a_serial_line_that_is_pulled_out_is_named_and_found_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("serial")
    monkeypatch.setattr(sources, "RETRY_S", 0.01)
    port = f"{tmp_path}/tty"

    def plug() -> int:
        device, line = os.openpty()
        os.symlink(os.ttyname(line), port)
        os.close(line)
        return device

    device = plug()
    serial = Serial(port, 115_200)
    os.write(device, b"1,2\n")
    assert serial.read(1) == b"1,2\n"
    os.close(device)
    os.unlink(port)
    for _ in range(10):
        serial.read(0.01)
    assert port in serial.problem
    device = plug()
    end = time.monotonic() + 5
    while serial.problem and time.monotonic() < end:
        serial.read(0.01)
    assert not serial.problem
    os.write(device, b"3\n")
    assert serial.read(1) == b"3\n"
    serial.close()
    os.close(device)


def test_a_port_that_is_not_there_is_one_clear_error() -> None:
    pytest.importorskip("serial")
    with pytest.raises(ReadError, match="/dev/no-such-port"):
        Serial("/dev/no-such-port", 9600)
