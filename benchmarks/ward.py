"""Table (d): how many 250 Hz streams in 40 ms chunks one engine on one core holds, beside the bare pyzmq receive rate.

`python -m benchmarks.ward --short` tries the two numbers of the bars only, for 5 s each.
"""

import gc
import os
import sys
import time
from dataclasses import dataclass

import numpy as np
import psutil
import zmq

from benchmarks.engines import CHUNK, FS_HZ, LSB_MV, bare, cpu_s, ecg, engine
from benchmarks.load import Load
from benchmarks.sidebyside import table
from vitalcore.streams.subscriber import Subscriber

PERIOD_S = CHUNK / FS_HZ
SLOTS = 20  # a period's chunks come in so many portions: patients are not in step
CHUNKS_KEPT = 1024
SETTLE_S = 1.5  # until every stream has begun; not counted
LIMIT_MS = 20.0
LISTENED = 5  # of so many streams one is listened to
BARE_MESSAGES = 100_000


@dataclass
class Outcome:
    """Hold what one number of streams came to."""

    streams: int
    pack: int
    behind_s: float  # that the load itself was late
    p50_ms: float
    p99_ms: float
    core: float  # share of the engine
    lost: int
    beats: int
    memory_mb: tuple[float, float]  # a minute before the end, and at the end


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
            rows.append((n, pack, got.p50_ms, got.p99_ms, f"{got.core:.0%}", got.beats, got.lost, late, could))
            if got.p99_ms > LIMIT_MS or got.lost:
                break
        title = f"(d) Ward on one core, {pack} records a message; bar: {bar} streams, p99 at most {LIMIT_MS:g} ms"
        table(title, head, rows)
    # the last 64 messages of each topic are kept to be sent again: memory is full after 64 s
    got = hold(1000, 1, 10 if short else 135)
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


def hold(n: int, pack: int, seconds: float) -> Outcome:
    """Feed n streams in real time; measure from the send of a chunk to the publishing of the beat it decided."""
    x = ecg()
    beats = tuple(f"ward/p{i}/m/ecg/beat/" for i in range(0, n, LISTENED))
    with (
        engine(core=0) as (endpoints, process),
        Subscriber(endpoints["live"], endpoints["control"], beats, catch_up=False) as subscriber,
        Load(endpoints["ingest"], n, pack, FS_HZ, LSB_MV) as load,
    ):
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection of the load's own objects would make it late, and then send all at once
        try:
            return _feed(x, n, pack, seconds, process, subscriber, load)
        finally:
            gc.enable()
            gc.unfreeze()


def _feed(
    x: np.ndarray,
    n: int,
    pack: int,
    seconds: float,
    process: psutil.Process,
    subscriber: Subscriber,
    load: Load,
) -> Outcome:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {0} or {0})
    subscriber.status()
    rng = np.random.default_rng(1)
    starts = rng.integers(0, len(x) // CHUNK, n)
    delays = rng.integers(0, FS_HZ // CHUNK, n)  # chunks by which a stream begins later: seconds are not in step
    portions = [np.arange(s, n, SLOTS) for s in range(SLOTS)]
    sent_ns = np.zeros((n, CHUNKS_KEPT), np.int64)
    chunks = x.reshape(-1, CHUNK, 1)
    begun = np.zeros(n, np.int64)
    latencies: list[float] = []
    late_s = 0.0
    memory: list[float] = []
    start = time.perf_counter()
    used = cpu_s(process)
    periods = int(seconds / PERIOD_S)
    settled = int(SETTLE_S / PERIOD_S)
    for period in range(-settled, periods):
        if period == 0:
            latencies.clear()
            late_s = 0.0
        for s, portion in enumerate(portions):
            due = start + (period + settled + s / SLOTS) * PERIOD_S
            while (left_s := due - time.perf_counter()) > 0.0003:
                _listen(subscriber, sent_ns, latencies)
                time.sleep(min(0.0005, max(0.0, left_s - 0.0003)))
            late_s = max(late_s, -left_s)
            now = portion[delays[portion] <= period + settled]
            if len(now):
                values = chunks[(starts[now] + period) % len(chunks)]
                now_ns = time.time_ns()
                sent_ns[now, begun[now] % CHUNKS_KEPT] = now_ns
                begun[now] += 1
                load.send(now, values, now_ns)
            load.hear()
        if period == max(periods - int(60 / PERIOD_S), periods // 3):
            memory.append(process.memory_info().rss / 1e6)
    core = (cpu_s(process) - used) / (time.perf_counter() - start)
    memory.append(process.memory_info().rss / 1e6)
    lost = load.missing()
    time.sleep(0.2)
    _listen(subscriber, sent_ns, latencies)
    lost += subscriber.missed
    p50, p99 = np.percentile(latencies, [50, 99]) / 1e6 if latencies else (np.nan, np.nan)
    return Outcome(n, pack, late_s, float(p50), float(p99), core, lost, len(latencies), (memory[0], memory[-1]))


def _listen(subscriber: Subscriber, sent_ns: np.ndarray, latencies: list[float]) -> None:
    while (message := subscriber.receive(0)) is not None:
        stream = int(message.key.split("/")[1][1:])
        chunk = message.header.sample_index // CHUNK
        latencies.append(message.header.t_pub_ns - sent_ns[stream, chunk % CHUNKS_KEPT])


if __name__ == "__main__":
    main()
