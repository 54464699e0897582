"""Kill the engine at random points under load: what was acknowledged, and what was found, must all be there."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.faults.rows import Row
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol.live import Message
from vitalcore.streams.protocol.maps import Channel
from vitalcore.streams.subscriber import Subscriber

FS_HZ = 250
CHUNK = 10  # samples a record
SERVE = [sys.executable, "-m", "vitalcore.cli.main", "serve"]
LIGHT = [sys.executable, "-m", "tests.streams.light"]  # a small chain, which starts at once

WHATS = ("beat", "delineation", "event", "feature", "alarm", "gap")

Key = tuple[str, int]

_CHANCE = random.SystemRandom()  # processes that were given the same seed look at other ports


class Served:
    """Run an engine in a process of its own, on ports of its own.

    command : what `--ingest`, `--live`, `--control` and `--journal` are added to
    """

    def __init__(self, journal: Path | None, command: list[str] | None = None, options: tuple[str, ...] = ()) -> None:
        self._command = [*(command or SERVE), *options]
        self.journal = journal
        self.ports = free_ports(3)
        self.endpoints = {
            name: f"tcp://127.0.0.1:{port}"
            for name, port in zip(("ingest", "live", "control"), self.ports, strict=True)
        }
        self.starts_s: list[float] = []
        self.said: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Start it; return after how many seconds it was ready."""
        begun = time.monotonic()
        where = [part for name, endpoint in self.endpoints.items() for part in (f"--{name}", endpoint)]
        keep = [] if self.journal is None else ["--journal", str(self.journal)]
        self._process = subprocess.Popen([*self._command, *where, *keep], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("ready"):
                self.starts_s.append(time.monotonic() - begun)
                return self.starts_s[-1]
        raise RuntimeError(f"the engine has not come up: {self.said[-5:]}")

    @property
    def pid(self) -> int:
        """Name the process."""
        assert self._process is not None
        return self._process.pid

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it with a signal and wait for its end."""
        assert self._process is not None
        os.kill(self._process.pid, number)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def free_ports(n: int) -> list[int]:
    """Find ports that nobody listens on, below those that a system gives out itself.

    Of those a client may still be looking for an engine that had one.
    """
    import socket

    held: list[socket.socket] = []
    while len(held) < n:
        each = socket.socket()
        try:
            each.bind(("127.0.0.1", _CHANCE.randrange(15_000, 30_000)))
        except OSError:
            each.close()
        else:
            held.append(each)
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


@dataclass
class Outcome:
    """Hold what a run has come to.

    found   : payloads by topic and number, without the times that differ from run to run
    samples : taken by the engine, over all streams
    lost    : samples that the engine has seen a gap for
    """

    found: dict[Key, tuple[Any, ...]]
    samples: int
    lost: int
    missed: int
    resent: int
    restarts_s: list[float]


def signals(streams: int, seconds: float, seed: int = 7) -> NDArray[np.float32]:
    """Make beats of a plain shape in noise, [streams, n]; no two streams are the same."""
    rng = np.random.default_rng(seed)
    n = int(seconds * FS_HZ) // CHUNK * CHUNK
    x = rng.normal(0, 0.02, (streams, n))
    t = np.arange(n) / FS_HZ
    for row in x:
        at = 0.3
        while at < t[-1]:
            row += 1.2 * np.exp(-0.5 * ((t - at) / 0.012) ** 2) + 0.25 * np.exp(-0.5 * ((t - at - 0.28) / 0.04) ** 2)
            at += rng.uniform(0.6, 1.0)
    return x.astype(np.float32)


def run_load(engine: Served, x: NDArray[np.float32], kills: int, seed: int = 1, rate: float = 20.0) -> Outcome:
    """Send every stream to its end, `rate` times as fast as it was recorded, and kill the engine on the way."""
    rng = random.Random(seed)
    chunks = x.shape[1] // CHUNK
    at = sorted(rng.sample(range(chunks // 20, chunks - chunks // 20), kills))
    engine.start()
    where = engine.endpoints
    found: dict[Key, tuple[Any, ...]] = {}
    keys = [f"faults/p{i}/monitor/ecg" for i in range(len(x))]
    topics = tuple(f"{key}/{what}/" for key in keys for what in WHATS)
    with Subscriber(where["live"], where["control"], topics) as subscriber, Gateway(where["ingest"], 1) as gateway:
        subscriber.status()
        streams = [gateway.open(key, "ecg", FS_HZ, [Channel("II", "mV")]) for key in keys]
        origin_ns = 1_700_000_000_000_000_000
        begun = time.monotonic()
        for k in range(chunks):
            if at and at[0] == k:
                at.pop(0)
                _breathe(gateway, subscriber, found, rng.uniform(0, 0.08))
                engine.kill()
                engine.start()
            for i, stream in enumerate(streams):
                t0_ns = origin_ns + int(k * CHUNK * 1e9 / FS_HZ)
                gateway.send(stream, x[i, k * CHUNK : (k + 1) * CHUNK, None], t0_ns=t0_ns)
            ahead_s = k * CHUNK / FS_HZ / rate - (time.monotonic() - begun)
            _breathe(gateway, subscriber, found, max(ahead_s, 0.0))
        for stream in streams:
            gateway.end(stream)
        end = time.monotonic() + 60
        while not gateway.drain(0.1) and time.monotonic() < end:
            _breathe(gateway, subscriber, found, 0.0)
        while (message := subscriber.receive(2500)) is not None:
            _note(message, found)
        status = subscriber.status(prefix="faults/")["keys"].values()
        return Outcome(
            found,
            sum(stream["samples"] for stream in status),
            sum(stream["lost"] for stream in status),
            subscriber.missed,
            gateway.counters["resent"],
            engine.starts_s[1:],
        )


def _breathe(gateway: Gateway, subscriber: Subscriber, found: dict[Key, tuple[Any, ...]], seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        gateway.poll(0)
        while (message := subscriber.receive(0)) is not None:
            _note(message, found)
        if time.monotonic() >= end:
            return
        time.sleep(0.001)


def _note(message: Message, found: dict[Key, tuple[Any, ...]]) -> None:
    header = message.header
    payload = {name: value for name, value in message.payload.items() if name != "t_arrival_ns"}
    what = header.sample_index, header.t_event_ns, header.t_known_ns, repr(sorted(payload.items()))
    key = message.topic, header.topic_seq
    if found.setdefault(key, what) != what:
        found[message.topic + "?", header.topic_seq] = what  # said twice, and not the same


def kills(n: int, streams: int = 4, seconds: float = 60.0, command: list[str] | None = None, rate: float = 20.0) -> Row:
    """Compare a run with kills with one without."""
    x = signals(streams, seconds)
    with tempfile.TemporaryDirectory() as folder:
        calm = Served(Path(folder) / "calm.db", command)
        clean = run_load(calm, x, 0, rate=rate)
        calm.kill(signal.SIGTERM)
        rough = Served(Path(folder) / "rough.db", command)
        killed = run_load(rough, x, n, rate=rate)
        rough.kill(signal.SIGTERM)
    differ = {key for key in clean.found.keys() | killed.found.keys() if clean.found.get(key) != killed.found.get(key)}
    lost = killed.lost + x.size - killed.samples
    slowest_s = max(killed.restarts_s, default=0.0)
    result = (
        f"{lost} of {x.size:,} samples lost, {len(differ)} of {len(clean.found):,} results differ, {killed.missed} "
        f"missed; {killed.resent} records sent again; back in {slowest_s:.1f} s at most (bar 3 s)"
    )
    for topic, number in sorted(differ)[:3]:
        which = topic.rstrip("?"), number
        result += f"; {topic}{number} is {killed.found.get((topic, number))}, undisturbed {clean.found.get(which)}"
    bad = lost + len(differ) + killed.missed + (len(clean.found) < 100)
    return Row("kill -9 of an engine with a journal, under load", n, result, bad, "0 samples lost, 0 results differ")


def run(long: bool) -> Iterator[Row]:
    """Do it all."""
    yield kills(500, seconds=600.0) if long else kills(20)
