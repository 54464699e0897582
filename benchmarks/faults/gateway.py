"""What a gateway survives: kills, cuts of its link, lost and doubled messages, clocks that step and drift.

Each sample carries its own number, so what an engine makes of it shows what is missing, twice or out of order.
"""

import math
import multiprocessing
import os
import random
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.engines import engine
from benchmarks.faults.cut import Cut
from benchmarks.faults.rows import Row
from vitalcore.errors import ProtocolError
from vitalcore.streams.gateway.drift import Drift
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.gateway.store import SEQ_BITS
from vitalcore.streams.protocol import wire
from vitalcore.streams.subscriber import Subscriber

FS_HZ = 250
CHUNK = 10  # samples
T0_NS = 1_700_000_000_000_000_000
STEP_NS = 1_000_000_000 // FS_HZ
SPEED = 10  # times real time, of the device that is killed
KEYS = tuple(f"fault/p{k}/m/ecg" for k in range(3))
_SPAWN = multiprocessing.get_context("spawn")


class Ear:
    """Collect the numbers of the samples that an engine has computed, and the gaps that it tells."""

    def __init__(self, endpoints: dict[str, str], prefix: str = "fault/") -> None:
        self._subscriber = Subscriber(endpoints["live"], endpoints["control"], prefix)
        for patience in range(5):  # a machine with much to do takes its time
            try:
                self._subscriber.status()
                break
            except ProtocolError:
                if patience == 4:
                    raise
        self.values: dict[str, list[NDArray[np.int64]]] = {}
        self.gap_samples: dict[str, int] = {}
        self.gaps = 0
        self.n = 0
        self.heard_s: dict[int, float] = {}  # when the live record that begins with a sample was heard

    def hear(self, timeout_ms: int = 0) -> None:
        """Take what has come."""
        while (message := self._subscriber.receive(timeout_ms)) is not None:
            timeout_ms = 0
            key = message.key
            if message.what == "wave" and message.samples is not None:
                self.values.setdefault(key, []).append(message.samples[:, 0].astype(np.int64))
                if not message.header.flags & wire.BACKFILL_LIVE:
                    self.heard_s[int(message.samples[0, 0])] = time.monotonic()
                self.n += len(message.samples)
            elif message.what == "gap" and message.payload["to"] is not None:
                self.gaps += 1
                n = message.payload["to"] - message.payload["from"]
                self.gap_samples[key] = self.gap_samples.get(key, 0) + n

    def until(self, n: int, timeout_s: float = 30.0) -> None:
        """Wait for n samples."""
        end = time.monotonic() + timeout_s
        while self.n < n and time.monotonic() < end:
            self.hear(100)

    def numbers(self, key: str) -> NDArray[np.int64]:
        """Return the numbers of one stream as they came."""
        return np.concatenate(self.values.get(key, [np.zeros(0, np.int64)]))

    def faults(self, key: str, end: int) -> int:
        """Count samples of a stream, numbered up to `end`, that are twice, out of order or missing without a gap."""
        came = self.numbers(key)
        twice = len(came) - len(np.unique(came))
        disorder = int((np.diff(came) <= 0).sum())
        missing = end - len(np.unique(came))
        return twice + disorder + abs(missing - self.gap_samples.get(key, 0))

    def close(self) -> None:
        """Close the connections."""
        self._subscriber.close()


def ramp(a: int, b: int) -> NDArray[np.float32]:
    """Number samples; whole numbers are exact in f32 up to 2^24."""
    return np.arange(a, b, dtype=np.float32)[:, None]


def _device(address: str, spool: str, begun_s: float, end_s: float) -> None:
    """Be a gateway whose device measures all the time, whether somebody sends it or not."""
    with Gateway(address, spool=spool, pack=3) as gateway:
        streams = [gateway.open(key, "ecg", FS_HZ) for key in KEYS]
        at = _number(min(time.time() - begun_s, end_s))
        while time.time() - begun_s < end_s or at < _number(end_s):
            now = _number(min(time.time() - begun_s, end_s))
            for a in range(at, now, CHUNK):
                for stream in streams:
                    gateway.send(stream, ramp(a, a + CHUNK), t0_ns=T0_NS + a * STEP_NS)
            at = now
            gateway.poll(1)
        gateway.drain(60)


def _number(since_s: float) -> int:
    """Tell which sample a device measures so long after it was switched on."""
    return int(since_s * SPEED * FS_HZ) // CHUNK * CHUNK


def committed(spool: Path) -> dict[str, set[int]]:
    """Return the numbers of the samples that a gateway which was killed has left in its file."""
    with tempfile.TemporaryDirectory() as folder:  # a copy: whoever opens a database works on it
        for path in spool.parent.glob(spool.name + "*"):
            (Path(folder) / path.name).write_bytes(path.read_bytes())
        db = sqlite3.connect(Path(folder) / spool.name)
        keys = {number: next(key for key in KEYS if key.encode() in opened)
                for number, opened in db.execute("SELECT id, opened FROM session")}  # fmt: skip
        left: dict[str, set[int]] = {key: set() for key in KEYS}
        for place, body in db.execute("SELECT place, body FROM record WHERE NOT acked"):
            for record in wire.decode_records(body):
                if isinstance(record, wire.Record):
                    left[keys[place >> SEQ_BITS]].update(record.values[:, 0].astype(int).tolist())
        db.close()
    return left


def kills(n: int, seed: int = 0) -> Row:
    """Kill a gateway again and again; every second time its link was cut before."""
    rng = random.Random(seed)
    left: list[dict[str, set[int]]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        engine(light=True) as (endpoints, _),
        Cut(endpoints["ingest"]) as link,
    ):
        ear = Ear(endpoints)
        spool = Path(folder) / "spool.db"
        begun_s, end_s = time.time(), math.inf
        for k in range(n + 1):
            if k == n:
                end_s = time.time() - begun_s + 5
            process = _SPAWN.Process(target=_device, args=(link.endpoint, str(spool), begun_s, end_s))
            process.start()
            if k == n:
                patience_s = time.monotonic() + 120
                while process.is_alive() and time.monotonic() < patience_s:  # what nobody hears may be dropped
                    ear.hear(20)
                break
            ear.until(ear.n + 1)  # it lives
            _listen(ear, rng.uniform(0.2, 1.0))
            if k % 2:
                link.cut()
                _listen(ear, rng.uniform(0.1, 0.5))
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            left.append(committed(spool))
            link.heal()
            _listen(ear, 0.3)  # to what it had sent
        end = _number(end_s)
        _listen(ear, 1.0)
        bad = 0
        for key in KEYS:
            came = ear.numbers(key)
            begin = int(came[0]) if len(came) else end  # the process took a while to start
            bad += ear.faults(key, end - begin) + sum(len(each[key] - set(came.tolist())) for each in left)
        kept = sum(len(each[key]) for each in left for key in KEYS)
        lost = sum(ear.gap_samples.values())
        ear.close()
    return Row(
        "kill -9 of the gateway",
        n,
        f"{ear.n} samples came, {kept} of them left in spools; {lost} lost while dead, in {ear.gaps} gaps",
        bad,
    )


def _listen(ear: Ear, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ear.hear(20)


def cut(seconds: float, n: int = 1) -> Row:
    """Cut the link for a while; take the time from the first result that is heard again until all that waited is."""
    with engine(light=True) as (endpoints, _), Cut(endpoints["ingest"]) as link, Gateway(link.endpoint) as gateway:
        ear = Ear(endpoints)
        streams = [gateway.open(key, "ecg", FS_HZ) for key in KEYS]
        at, begun_s = 0, time.monotonic()
        rates: list[float] = []
        waits_s: list[float] = []

        def go_on(until_s: float) -> None:
            nonlocal at
            while time.monotonic() < until_s:
                while at < (time.monotonic() - begun_s) * FS_HZ:
                    for stream in streams:
                        gateway.send(stream, ramp(at, at + CHUNK), t0_ns=T0_NS + at * STEP_NS)
                    at += CHUNK
                gateway.poll(2)
                ear.hear()

        for _ in range(n):
            go_on(time.monotonic() + 1.5)
            link.cut()
            go_on(time.monotonic() + seconds)
            waiting, before = at * len(KEYS), ear.n
            link.heal()
            healed_s = time.monotonic()
            while ear.n == before:
                go_on(time.monotonic() + 0.002)
            up_s = time.monotonic()
            while ear.n < waiting:
                go_on(time.monotonic() + 0.002)
            rates.append(seconds / max(time.monotonic() - up_s, 0.002))
            waits_s.append(up_s - healed_s)
        gateway.drain()
        ear.until(at * len(KEYS))
        bad = sum(ear.faults(key, at) for key in KEYS) + ear.gaps
        ear.close()
    said = (
        f"{ear.n} samples came; heard again after {max(waits_s):.1f} s, caught up {min(rates):.0f} x real time (bar 20)"
    )
    return Row(f"link cut for {seconds:g} s", n, said, bad)


def outage(hours: float, resume: str = "in_order") -> Row:
    """Let the samples of a long outage wait on disk, faster than real time; take the rate at which they are sent.

    With live_first, also the time until what is measured meanwhile is heard.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        engine(light=True) as (endpoints, _),
        Cut(endpoints["ingest"]) as link,
    ):
        ear = Ear(endpoints, "fault/p0/")
        n = int(hours * 3600 * FS_HZ) // CHUNK * CHUNK
        with Gateway(link.endpoint, spool=Path(folder) / "spool.db", pack=32, room=1 << 32, resume=resume) as gateway:
            stream = gateway.open(KEYS[0], "ecg", FS_HZ)
            gateway.send(stream, ramp(0, CHUNK), t0_ns=T0_NS)
            gateway.drain()
            link.cut()
            for a in range(CHUNK, n, CHUNK):
                gateway.send(stream, ramp(a, a + CHUNK), t0_ns=T0_NS + a * STEP_NS)
                if a % 1000 == 0:
                    gateway.poll()
            link.heal()
            acked = gateway.counters["acked"]
            while gateway.counters["acked"] == acked:
                gateway.poll(5)
            begun_s = now_s = time.monotonic()
            sent_s: dict[int, float] = {}
            at = n
            while gateway.counters["held"] > 3 or at == n:
                if resume == "live_first" and time.monotonic() > now_s:
                    gateway.send(stream, ramp(at, at + CHUNK), t0_ns=T0_NS + at * STEP_NS)
                    sent_s[at] = time.monotonic()
                    at, now_s = at + CHUNK, now_s + CHUNK / FS_HZ
                elif resume == "in_order":
                    at = n + 1
                gateway.poll(1)
                ear.hear()
            rate = hours * 3600 / (time.monotonic() - begun_s)
            end = at if sent_s else n
            gateway.drain()
            ear.until(end)
        lanes = KEYS[0], f"{KEYS[0]}/backfill"
        came = [ear.numbers(lane) for lane in lanes]
        disorder = sum(int((np.diff(each) <= 0).sum()) for each in came)
        bad = disorder + abs(sum(map(len, came)) - end) + abs(len(np.unique(np.concatenate(came))) - end)
        words = f"{end} samples, the backlog sent {rate:.0f} x real time (bar 20)"
        if sent_s:
            delays_ms = [1e3 * (ear.heard_s[k] - sent) for k, sent in sent_s.items() if k in ear.heard_s]
            p50, p99 = np.percentile(delays_ms, [50, 99])
            words += f"; meanwhile what is measured is heard after {p50:.0f} ms, p99 {p99:.0f} ms"
        ear.close()
    return Row(f"link cut for {hours:g} h, simulated, {resume}", 1, words, bad)


def lossy(n: int, seed: int = 0) -> Row:
    """Lose 1 % of the messages on the way and double 1 %."""
    rng = random.Random(seed)
    with engine(light=True) as (endpoints, _), Gateway(endpoints["ingest"]) as gateway:
        ear = Ear(endpoints, "fault/p0/")
        stream = gateway.open(KEYS[0], "ecg", FS_HZ)
        while not gateway.is_open(stream):
            gateway.poll(5)
        (link,) = gateway._courier.links
        post = link.post
        done = {"lost": 0, "doubled": 0}

        def spoil(message: bytes | memoryview) -> bool:
            chance = rng.random()
            if chance < 0.01:
                done["lost"] += 1
                return True
            if chance < 0.02:
                done["doubled"] += 1
                post(message)
            return post(message)

        link.post = spoil  # type: ignore[method-assign]  # a network that is bad
        for a in range(0, n * CHUNK, CHUNK):
            gateway.send(stream, ramp(a, a + CHUNK), t0_ns=T0_NS + a * STEP_NS)
            gateway.poll()
            while gateway.counters["held"] > 200:
                gateway.poll(2)
            ear.hear()
        gateway.drain(60)
        ear.until(n * CHUNK)
        bad = ear.faults(KEYS[0], n * CHUNK) + ear.gaps
        ear.close()
    return Row(
        "messages lost and doubled, 1 % each", n, f"{done['lost']} lost, {done['doubled']} doubled on the way", bad
    )


def engine_kills(n: int) -> Row:
    """Kill the engine, which forgets everything; what it has not acknowledged it gets again."""
    rng = random.Random(1)
    at = 0
    ports = (0, 0, 0)
    with engine(light=True) as (endpoints, _):
        found = [int(endpoints[name].rsplit(":", 1)[1]) for name in ("ingest", "live", "control")]
        ports = (found[0], found[1], found[2])
    with Gateway(endpoints["ingest"]) as gateway:
        stream = gateway.open(KEYS[0], "ecg", FS_HZ)
        taken = lost = 0
        for k in range(n + 1):
            with engine(light=True, ports=ports) as (_, process):
                end = time.monotonic() + rng.uniform(1.5, 2.5)
                while time.monotonic() < end:
                    gateway.send(stream, ramp(at, at + CHUNK), t0_ns=T0_NS + at * STEP_NS)
                    at += CHUNK
                    gateway.poll(4)
                if k < n:
                    process.kill()
                    for _ in range(100):  # while it is away
                        gateway.send(stream, ramp(at, at + CHUNK), t0_ns=T0_NS + at * STEP_NS)
                        at += CHUNK
                        gateway.poll()
                else:
                    gateway.drain(30)
                    with Subscriber(endpoints["live"], endpoints["control"]) as subscriber:
                        status = subscriber.status(prefix="fault/")["keys"][KEYS[0]]
                        taken, lost = status["next_index"], status["lost"]
    return Row(
        "kill -9 of an engine that keeps nothing",
        n,
        f"{gateway.counters['resent']} records sent again",
        abs(taken - at) + lost,
    )


def drift() -> Row:
    """Estimate drifts of up to 200 ppm over a day of simulated round trips with 20 ms of jitter."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for ppm in (-200, -50, 0, 50, 200):
        made = Drift()
        for t in range(0, 86_400_000_000_000, 2_000_000_000):
            there, back = (1_000_000 + rng.exponential(20_000_000, 2)).astype(int).tolist()
            t1, offset = T0_NS + t, t * ppm // 1_000_000
            made.add(t1, t1 + there + offset, t1 + there + offset, t1 + there + back)
        assert made.ppm is not None
        worst = max(worst, abs(made.ppm - ppm))
    return Row("clock drift up to 200 ppm, a day", 5, f"known to {worst:.2f} ppm", int(worst > 5), "5 ppm")


def run(long: bool) -> Iterator[Row]:
    """Do it all."""
    yield kills(50 if long else 5)
    yield cut(1.0, 5 if long else 1)
    if long:
        yield cut(30.0)
        yield cut(600.0)
    for resume in ("in_order", "live_first"):
        yield outage(6.0 if long else 0.1, resume)
    yield lossy(100_000 if long else 3000)
    yield engine_kills(20 if long else 2)
    yield drift()
