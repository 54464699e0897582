"""What the live, ward and fault tables share: an engine in a process of its own, an ECG and a PPG to feed it with."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import psutil
import zmq
from numpy.typing import NDArray

from vitalcore.streams.journal.retention import Keep

FS_HZ = 250
CHUNK = 10  # samples: 40 ms
PPG_HZ = 100
PPG_CHUNK = 4
LSB_MV = 0.005
LOOPBACK = "tcp://127.0.0.1:*"
_SPAWN = multiprocessing.get_context("spawn")


def ecg(seconds: int = 60, seed: int = 0) -> NDArray[np.int16]:
    """Simulate an ECG at about 72 /min: P, QRS and T as bells, some noise; in units of LSB_MV."""
    rng = np.random.default_rng(seed)
    t = np.arange(seconds * FS_HZ) / FS_HZ
    x = rng.normal(0, 0.02, len(t))
    for beat_s in np.cumsum(rng.normal(0.83, 0.04, int(seconds / 0.7))):
        for delay_s, width_s, height_mv in ((-0.16, 0.025, 0.12), (0.0, 0.011, 1.1), (0.26, 0.05, 0.3)):
            x += height_mv * np.exp(-0.5 * ((t - beat_s - delay_s) / width_s) ** 2)
    return np.round(x / LSB_MV).astype(np.int16)


def ppg(seconds: int = 60, seed: int = 0) -> NDArray[np.int16]:
    """Simulate a PPG of 100 Hz at about 72 /min: a steep and a flat bell for each pulse; in units of LSB_MV."""
    rng = np.random.default_rng(seed)
    t = np.arange(seconds * PPG_HZ) / PPG_HZ
    x = rng.normal(0, 0.005, len(t))
    for beat_s in np.cumsum(rng.normal(0.83, 0.04, int(seconds / 0.7))):
        for delay_s, width_s, height in ((0.2, 0.08, 1.0), (0.45, 0.14, 0.35)):
            x += height * np.exp(-0.5 * ((t - beat_s - delay_s) / width_s) ** 2)
    return np.round(x / LSB_MV).astype(np.int16)


@contextmanager
def engine(
    core: int | None = None,
    journal: Path | None = None,
    light: bool = False,
    ports: tuple[int, int, int] = (0, 0, 0),
    keep: Keep | None = None,
) -> Iterator[tuple[dict[str, str], psutil.Process]]:
    """Run an engine in its own process, on one core if it is named; give its endpoints and its process.

    journal : file of its journal; None: it has none
    light   : with the small chain of the tests, which starts at once, and the bounds of a usual engine
    ports   : of ingest, live and control; 0: any
    keep    : what it keeps; None: what a usual one does
    """
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_engine, args=(theirs, core, journal, light, ports, keep), daemon=True)
    process.start()
    theirs.close()  # so that a child that dies is noticed
    try:
        yield ours.recv(), psutil.Process(process.pid)
    finally:
        _end(process, ours)


@contextmanager
def bare(core: int | None = None) -> Iterator[tuple[str, Connection]]:
    """Run a bare pyzmq ROUTER in its own process that echoes, or only counts what begins with a 0 byte."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_bare, args=(theirs, core), daemon=True)
    process.start()
    theirs.close()  # so that a child that dies is noticed
    try:
        yield ours.recv(), ours
    finally:
        _end(process, ours)


def cpu_s(process: psutil.Process) -> float:
    """Return the seconds of processor time a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _end(process: BaseProcess, pipe: Connection) -> None:
    pipe.close()
    process.join(20)
    if process.is_alive():
        process.terminate()


def _pin(core: int | None) -> None:
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def _engine(
    pipe: Connection,
    core: int | None,
    journal: Path | None,
    light: bool,
    ports: tuple[int, int, int],
    keep: Keep | None,
) -> None:
    import threading

    from vitalcore.streams.engine.engine import Engine
    from vitalcore.streams.journal.journal import Journal

    _pin(core)
    keeps = None if journal is None else Journal(journal, keep=keep)
    ingest, live, control = (f"tcp://127.0.0.1:{port or '*'}" for port in ports)
    if light:
        from tests.streams.chain import Peaks

        made = Engine(ingest, live, control, chains={"ecg": Peaks()}, journal=keeps)
    else:
        made = Engine(ingest, live, control, max_streams=32_768, memory=1 << 31, journal=keeps)
    stop = threading.Event()

    def watch() -> None:
        made.ready.wait()
        pipe.send(made.endpoints)
        pipe.poll(None)  # until the parent closes its end
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    made.run(stop)


def _bare(pipe: Connection, core: int | None) -> None:
    _pin(core)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.set(zmq.LINGER, 0)
    socket.bind(LOOPBACK)
    pipe.send(str(bytes(socket.get(zmq.LAST_ENDPOINT)).rstrip(b"\0"), "ascii"))
    counted, first = 0, 0.0
    while not pipe.poll(0):
        if not socket.poll(200):
            continue
        for _ in range(10_000):
            try:
                identity, message = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            if message[0]:
                socket.send_multipart([identity, message])
                continue
            if message == b"\0end":
                socket.send_multipart([identity, f"{counted / (time.perf_counter() - first)}".encode()])
                counted = 0
                continue
            first = first if counted else time.perf_counter()
            counted += 1
    context.destroy(0)
