"""Table (d): how many 250 Hz streams in 40 ms chunks one engine on one core holds, beside the bare pyzmq receive rate.

`python -m benchmarks.ward --short` tries the two numbers of the bars only, for 5 s each.
"""

import gc
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import psutil
import zmq
from numpy.typing import NDArray

from benchmarks.engines import CHUNK, FS_HZ, LSB_MV, bare, cpu_s, ecg, engine
from benchmarks.load import Load
from benchmarks.sidebyside import table
from vitalcore.streams.subscriber import Subscriber

PERIOD_S = CHUNK / FS_HZ
SLOTS = 20  # a period's chunks come in so many portions: patients are not in step
CHUNKS_KEPT = 1024
CATCH_UP = 4  # chunks of a stream at a time, once it has credit again
DRAIN_S = 30.0  # for what waits for its credit in the end
SETTLE_S = 1.5  # until every stream has begun; not counted
LIMIT_MS = 20.0
LISTENED = 5  # of so many streams one is listened to
BARE_MESSAGES = 100_000


@dataclass
class Outcome:
    """Hold what one number of streams came to.

    behind_s : that the load itself was late
    held_s   : for which samples waited at most for their stream's credit
    ms       : p50, p99 and p99.9 from the send of a chunk to the publishing of the beat it decided
    own_ms   : the same from its receipt
    core     : share of the engine
    memory_mb: of the engine, at each time that was asked for, and at the end
    """

    streams: int
    behind_s: float
    held_s: float
    ms: tuple[float, float, float]
    own_ms: tuple[float, float, float]
    core: float
    lost: int
    beats: int
    memory_mb: list[float]


class Lane:
    """Feed the streams of one kind.

    x     : signal that each takes from a place of its own, [n_samples]
    chunk : samples of 40 ms
    """

    def __init__(self, load: Load, x: NDArray[np.int16], chunk: int, n: int) -> None:
        self.load, self.chunk = load, chunk
        rng = np.random.default_rng(1)
        self._chunks = x[: len(x) // chunk * chunk].reshape(-1, chunk, 1)
        self._starts = rng.integers(0, len(self._chunks), n)
        self._delays = rng.integers(0, FS_HZ // CHUNK, n)  # chunks by which one begins later: seconds are not in step
        self._sent_ns = np.zeros((n, CHUNKS_KEPT), np.int64)
        self._begun = np.zeros(n, np.int64)  # chunks sent
        self._began_ns = time.time_ns()
        self.held = 0  # chunks that a stream had to hold at most

    def send(self, portion: NDArray[np.int64], period: int) -> bool:
        """Send the chunks that streams of a portion have measured by a period; tell whether credit lets all of them."""
        measured = np.maximum(period + 1 - self._delays[portion], 0)
        for _ in range(CATCH_UP):
            ready = (self._begun[portion] < measured) & self.load.room(portion)
            now = portion[ready]
            if not len(now):
                break
            at = self._delays[now] + self._begun[now]
            self._sent_ns[now, self._begun[now] % CHUNKS_KEPT] = time.time_ns()
            self._begun[now] += 1
            values = self._chunks[(self._starts[now] + at) % len(self._chunks)]
            self.load.send(now, values, self._began_ns + at * int(1e9 * PERIOD_S))
        self.load.hear()
        held = int((measured - self._begun[portion]).max())
        self.held = max(self.held, held)
        return held == 0

    def sent_ns(self, stream: int, sample_index: int) -> int:
        """Tell when a sample was sent."""
        return int(self._sent_ns[stream, sample_index // self.chunk % CHUNKS_KEPT])


def main(short: bool = "--short" in sys.argv) -> None:
    """Print the tables."""
    with bare(core=0) as (address, _):
        rates = {pack: bare_rate(address, pack) for pack in (1, 50)}
    head = (
        "streams",
        "records a message",
        "p50 ms",
        "p99 ms",
        "core",
        "beats",
        "lost",
        "load late ms",
        "bare could",
    )
    for pack, tried, bar in ((1, (1000, 1500, 2000, 3000), 1000), (50, (2500, 5000, 7500, 10_000), 5000)):
        rows: list[tuple[object, ...]] = []
        for n in (bar,) if short else tried:
            got = hold(n, pack, 5 if short else 15)
            could = int(rates[pack] * PERIOD_S)
            late = 1000 * got.behind_s
            rows.append((n, pack, *got.ms[:2], f"{got.core:.0%}", got.beats, got.lost, late, could))
            if got.ms[1] > LIMIT_MS or got.lost:
                break
        title = f"(d) Ward on one core, {pack} records a message; bar: {bar} streams, p99 at most {LIMIT_MS:g} ms"
        table(title, head, rows)
    # the last 64 messages of each topic are kept to be sent again: memory is full after 64 s
    seconds = 10 if short else 135
    got = hold(1000, 1, seconds, [max(seconds - 60, seconds / 3)])
    rows = [(1000, *got.memory_mb, 500)]
    words = ("streams", "then", "a minute later", "at most")
    table("(d) Memory of the engine, MB resident, once what it keeps has filled", words, rows)


def bare_rate(address: str, pack: int) -> float:
    """Return the records a second that a bare pyzmq socket receives in the same messages."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.connect(address)
    message = bytes(pack * 88)
    for _ in range(BARE_MESSAGES if pack == 1 else BARE_MESSAGES // 5):
        dealer.send(message)
    dealer.send(b"\0end")
    rate = float(dealer.recv())
    context.destroy(0)
    return rate * pack


def hold(n: int, pack: int, seconds: float, memory_at_s: Sequence[float] = ()) -> Outcome:
    """Feed n streams of ECG in real time to an engine on one core."""
    with engine(core=0) as (endpoints, process), Load(endpoints["ingest"], n, pack, FS_HZ, LSB_MV) as load:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {0} or {0})
        return feed({"ecg": Lane(load, ecg(), CHUNK, n)}, n, seconds, endpoints, process, memory_at_s)


def feed(
    lanes: Mapping[str, Lane],
    n: int,
    seconds: float,
    endpoints: Mapping[str, str],
    process: psutil.Process,
    memory_at_s: Sequence[float] = (),
) -> Outcome:
    """Feed the streams of n patients in real time, and listen to the beats of some.

    memory_at_s : when to look at the memory of the engine's process
    """
    beats = tuple(f"ward/p{i}/m/{kind}/beat/" for kind in lanes for i in range(0, n, LISTENED))
    with Subscriber(endpoints["live"], endpoints["control"], beats, catch_up=False) as subscriber:
        subscriber.status()
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection of the load's own objects would make it late, and then send all at once
        try:
            return _feed(lanes, n, seconds, process, subscriber, list(memory_at_s))
        finally:
            gc.enable()
            gc.unfreeze()


def _feed(
    lanes: Mapping[str, Lane],
    n: int,
    seconds: float,
    process: psutil.Process,
    subscriber: Subscriber,
    memory_at_s: list[float],
) -> Outcome:
    portions = [np.arange(s, n, SLOTS) for s in range(SLOTS)]
    delays_ns: list[tuple[int, int]] = []
    late_s = 0.0
    memory: list[float] = []
    start = time.perf_counter()
    used = cpu_s(process)
    periods = int(seconds / PERIOD_S)
    settled = int(SETTLE_S / PERIOD_S)
    for period in range(-settled, periods):
        if period == 0:
            delays_ns.clear()
            late_s = 0.0
            for lane in lanes.values():
                lane.held = 0
        for s, portion in enumerate(portions):
            due = start + (period + settled + s / SLOTS) * PERIOD_S
            while (left_s := due - time.perf_counter()) > 0.0003:
                _listen(subscriber, lanes, delays_ns)
                time.sleep(min(0.0005, max(0.0, left_s - 0.0003)))
            late_s = max(late_s, -left_s)
            for lane in lanes.values():
                lane.send(portion, period + settled)
        if len(memory) < len(memory_at_s) and period * PERIOD_S >= memory_at_s[len(memory)]:
            memory.append(process.memory_info().rss / 1e6)
    core = (cpu_s(process) - used) / (time.perf_counter() - start)
    memory.append(process.memory_info().rss / 1e6)
    held_s = max(lane.held for lane in lanes.values()) * PERIOD_S
    end = time.monotonic() + DRAIN_S
    everyone, last = np.arange(n), periods + settled - 1
    while not all(lane.send(everyone, last) for lane in lanes.values()) and time.monotonic() < end:
        time.sleep(0.001)
    lost = sum(lane.load.missing() for lane in lanes.values())
    time.sleep(0.2)
    _listen(subscriber, lanes, delays_ns)
    lost += subscriber.missed
    ms = np.full((3, 2), np.nan)
    if delays_ns:
        ms = np.percentile(np.array(delays_ns), [50, 99, 99.9], axis=0) / 1e6
    (a, b, c), (d, e, f) = ms.T.tolist()
    return Outcome(n * len(lanes), late_s, held_s, (a, b, c), (d, e, f), core, lost, len(delays_ns), memory)


def _listen(subscriber: Subscriber, lanes: Mapping[str, Lane], delays_ns: list[tuple[int, int]]) -> None:
    while (message := subscriber.receive(0)) is not None:
        _, patient, _, kind = message.key.split("/")
        published_ns = message.header.t_pub_ns
        sent_ns = lanes[kind].sent_ns(int(patient[1:]), message.header.sample_index)
        delays_ns.append((published_ns - sent_ns, published_ns - message.payload["t_arrival_ns"]))


if __name__ == "__main__":
    main()
