"""What one peer can do to the others: stop reading, ignore its credit, come and go, be wrong about the time."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from multiprocessing.connection import Connection

import numpy as np
import psutil
import zmq

from benchmarks.engines import engine
from benchmarks.faults.frames import BATCH, CHUNK, CHUNK_NS, FS_HZ, GOOD, SESSION, T0_NS, Hall
from benchmarks.faults.rows import Row
from vitalcore.clock import Clock
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.maps import Channel, Open
from vitalcore.streams.protocol.wire import Record
from vitalcore.streams.subscriber import Subscriber

STREAMS = 8
WITHIN = 1.1  # of the control's p99
ENOUGH_S = 60.0  # the p99 of a shorter time is told and not judged
MEMORY_MB = 32.0  # that an engine may take for what it has promised to hold, and its sockets
SLACK_MB = 4.0  # that the allocator itself comes and goes by
_SPAWN = multiprocessing.get_context("spawn")


def _hear(pipe: Connection, live: str, control: str) -> None:
    """Be a subscriber to everything, and tell at the end what was heard and what was missed."""
    with Subscriber(live, control, "fault/", catch_up=False) as subscriber:
        subscriber.status(timeout_s=30.0)
        pipe.send(None)
        last = time.monotonic()
        while not pipe.poll(0) or time.monotonic() - last < 3.0:
            if subscriber.receive(20) is not None:
                last = time.monotonic()
        pipe.send((subscriber.received, subscriber.missed))


class _Ward:
    """Feed an engine every 40 ms, with a subscriber in a process of its own and one here, to beats only."""

    def __init__(self, stack: ExitStack) -> None:
        ends, self.process = stack.enter_context(engine(light=True))
        self.pipe, theirs = _SPAWN.Pipe()
        self.reader = _SPAWN.Process(target=_hear, args=(theirs, ends["live"], ends["control"]), daemon=True)
        self.reader.start()
        self.pipe.recv()
        beats = "fault/p0/m/ecg/beat/"
        self.subscriber = stack.enter_context(Subscriber(ends["live"], ends["control"], beats, catch_up=False))
        self.subscriber.status(timeout_s=30.0)
        self.gateway = stack.enter_context(Gateway(ends["ingest"]))
        self.streams = [self.gateway.open(f"fault/p{k}/m/ecg", "ecg", FS_HZ) for k in range(STREAMS)]
        while not all(map(self.gateway.is_open, self.streams)):
            self.gateway.poll(5)
        self.delays_ns: list[int] = []

    def send(self) -> None:
        """Send a chunk of each stream; all of its samples are beats of the test chain."""
        x = np.full((CHUNK, 1), 2, np.float32)
        for stream in self.streams:
            self.gateway.send(stream, x)

    def hear(self) -> None:
        """Take what has come."""
        self.gateway.poll(0)
        while (message := self.subscriber.receive(0)) is not None:
            self.delays_ns.append(message.header.t_pub_ns - message.payload["t_arrival_ns"])

    def end(self) -> tuple[int, int]:
        """Return what the reader has received and missed."""
        self.gateway.drain(30)
        self.pipe.send(None)
        counts: tuple[int, int] = self.pipe.recv()
        self.reader.join()
        return counts


def stopped(seconds: float) -> Row:
    """Stop a subscriber for a while; a second engine at the same work, whose subscriber reads on, is the control."""
    with ExitStack() as stack:
        wards = [_Ward(stack) for _ in range(2)]
        hindered, control = wards
        assert hindered.reader.pid is not None
        _feed(wards, 1.0)
        for ward in wards:
            ward.delays_ns.clear()
        before_mb = _rss_mb(hindered.process)
        os.kill(hindered.reader.pid, signal.SIGSTOP)
        _feed(wards, seconds)
        p99_ms = [float(np.percentile(ward.delays_ns, 99)) / 1e6 for ward in wards]
        n = len(control.delays_ns)
        grown_mb = _rss_mb(hindered.process) - before_mb
        os.kill(hindered.reader.pid, signal.SIGCONT)
        _feed(wards, 4.0)
        (received, missed), (heard, unheard) = hindered.end(), control.end()
    judged = seconds >= ENOUGH_S
    result = (
        f"p99 from receipt to publishing {p99_ms[0]:.2f} ms, of the control {p99_ms[1]:.2f} ms ({n:,} beats); of "
        f"{heard + unheard:,} messages it has {received:,} and knows of {missed:,} that it missed; "
        f"engine {grown_mb:+.0f} MB"
    )
    bad = abs(received + missed - heard - unheard) + unheard + (missed == 0)
    bad += judged and p99_ms[0] > WITHIN * p99_ms[1]
    target = "what it misses is counted" + "; p99 within 10 % of the control" * judged
    return Row(f"subscriber stopped for {seconds:g} s", 1, result, bad, target)


def _feed(wards: list[_Ward], seconds: float) -> None:
    """Feed the engines in turns, each first half of the time."""
    begun = time.monotonic()
    k = 0
    while (now := time.monotonic() - begun) < seconds:
        if now * FS_HZ >= k * CHUNK:
            for ward in wards if k % 2 else wards[::-1]:
                ward.send()
            k += 1
        for ward in wards:
            ward.hear()
        time.sleep(0.001)


def _rss_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


def credit(records: int) -> Row:
    """Send far beyond the credit, and never read what the engine answers; beside it a gateway that keeps the rules."""
    n = 1000  # samples of f64 a record
    with engine(light=True) as (ends, process), Gateway(ends["ingest"]) as gateway:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = context.socket(zmq.DEALER)
        socket.set(zmq.LINGER, 0)
        socket.connect(ends["ingest"])
        socket.send(maps.write_open(Open("fault/greedy/m/ecg", SESSION, "ecg", Fraction(FS_HZ), (Channel(),), 4)))
        handle = maps.unpack(socket.recv())["stream"]
        stream = gateway.open("fault/p0/m/ecg", "ecg", FS_HZ)
        before_mb = most_mb = _rss_mb(process)
        sent = 0
        slowest_s = 0.0
        values = np.zeros((n, 1))
        for seq in range(records):
            record = Record(wire.DATA, SESSION, handle, seq, seq * n, values)
            message = wire.encode_record(record)
            while True:
                try:
                    socket.send(message, zmq.NOBLOCK)
                    break
                except zmq.Again:  # the engine holds it back
                    gateway.poll(1)
            if seq % 20 == 0:
                gateway.send(stream, np.zeros((CHUNK, 1), np.float32))
                sent += 1
                begun = time.monotonic()
                while gateway.counters["acked"] < sent and time.monotonic() - begun < 30:
                    gateway.poll(5)
                slowest_s = max(slowest_s, time.monotonic() - begun)
                most_mb = max(most_mb, _rss_mb(process))
        gateway.drain(30)
        with Subscriber(ends["live"], ends["control"]) as subscriber:
            subscriber.status(timeout_s=30.0)
            status = subscriber.status(prefix="fault/", timeout_s=30.0)["keys"]
        context.destroy(0)
    greedy, kind = status["fault/greedy/m/ecg"], status["fault/p0/m/ecg"]
    refused = greedy["refused"]
    result = (
        f"{greedy['records']:,} records taken, {refused:,} refused; engine {most_mb - before_mb:+.0f} MB at most; the "
        f"other gateway lost {sent - kind['records']} of {sent}, and was acknowledged within {slowest_s:.2f} s"
    )
    bad = (most_mb - before_mb > MEMORY_MB) + abs(sent - kind["records"]) + (refused == 0)
    return Row(
        f"records of {8 * n / 1000:g} kB beyond all credit", records, result, bad, "memory bounded, others served"
    )


def churn(n: int, seconds: float) -> Row:
    """Connect and disconnect gateways and subscribers; look at the engine's descriptors and memory."""
    with engine(light=True) as (ends, process):

        def come_and_go(times: int, within_s: float) -> None:
            begun = time.monotonic()
            for k in range(times):
                if k % 2:
                    with Gateway(ends["ingest"]) as gateway:
                        stream = gateway.open(f"fault/p{k % 20}/m/ecg", "ecg", FS_HZ)
                        gateway.send(stream, np.full((CHUNK, 1), 2, np.float32))
                        assert gateway.drain(30)
                else:
                    with Subscriber(ends["live"], ends["control"], f"fault/p{k % 20}/", catch_up=False) as subscriber:
                        subscriber.status(timeout_s=30.0)
                time.sleep(max(0.0, (k + 1) * within_s / times - (time.monotonic() - begun)))
            time.sleep(2.5)  # the engine finds out once a second who is gone

        come_and_go(max(60, n // 4), 0.0)  # until what is kept of each topic has filled
        descriptors, memory_mb = process.num_fds(), _rss_mb(process)
        come_and_go(n, seconds)
        more, grown_mb = process.num_fds() - descriptors, _rss_mb(process) - memory_mb
    result = f"{descriptors} descriptors, {more:+d} afterwards; {memory_mb:.0f} MB, {grown_mb:+.1f} MB afterwards"
    bad = max(more, 0) + (grown_mb > SLACK_MB)
    return Row(f"connects and disconnects in {seconds:g} s", n, result, bad, "no growth of descriptors or memory")


STEPS_S = (1.0, -1.0, 3600.0, -3600.0, 315_360_000.0)


def clock_steps() -> Row:
    """Let a gateway's clock step while it sends: forwards, back, by ten years; samples go on as if nothing were."""
    x = np.random.default_rng(4).normal(0, 1, (BATCH * 20 * CHUNK, 1)).astype(np.float32)
    at = {BATCH * (2 + 3 * k): step_s for k, step_s in enumerate(STEPS_S)}
    offset_ns = 0
    with Hall() as hall:
        handle = hall.open(GOOD)
        for seq in range(BATCH * 20):
            offset_ns += int(at.get(seq, 0.0) * 1e9)
            t0_ns = T0_NS + seq * CHUNK_NS + offset_ns
            values = x[seq * CHUNK : (seq + 1) * CHUNK]
            hall.send(wire.encode_record(Record(wire.DATA, SESSION, handle, seq, seq * CHUNK, values, t0_ns)))
            if seq % BATCH == BATCH - 1:
                hall.turn()
        hall.settle()
        row = hall.engine._streams.rows[hall.engine._streams.by_key[GOOD].row]
        taken, lost = int(row["samples"]), int(row["lost"])
    bad = len(x) - taken + lost
    for what in ("beat", "event", "feature"):
        said = sorted((seq, body) for (topic, seq), body in hall.found.items() if topic == f"{GOOD}/{what}/")
        indices = [body[0] for _, body in said]
        bad += indices != sorted(indices)
        if what == "beat":
            bad += len(said) != int((x > 1).sum())
    told = [body[3] for (topic, _), body in sorted(hall.found.items()) if topic == f"{GOOD}/event/"]
    bad += sum(f"('step_ns', {int(1e9 * step_s)})" not in body for step_s, body in zip(STEPS_S, told, strict=False))
    bad += abs(len(told) - len(STEPS_S))
    result = f"{len(told)} told with their size; {taken:,} of {len(x):,} samples taken, {lost} lost, in order"
    return Row("clock steps of ±1 s, ±1 h and ten years", len(STEPS_S), result, bad, "told; sample timeline monotonic")


def drifting_samples() -> Row:
    """Let a gateway's clock drift by 200 ppm for a day, with 5 ms of jitter; its samples get the drifting times."""
    rng = np.random.default_rng(5)
    worst_ms, steps, backwards = 0.0, 0, 0
    for ppm in (-200, 200):
        clock = Clock(Fraction(FS_HZ))
        each = FS_HZ // 4  # samples between two looks at the clock
        last_ns = 0
        for index in range(0, 86_400 * FS_HZ, each):
            true_ns = T0_NS + index * 4_000_000 + index * 4 * ppm
            steps += clock.update(index, true_ns + int(rng.normal(0, 5e6))) != 0
            first_ns = clock.t_ns(index)
            backwards += first_ns <= last_ns
            last_ns = clock.t_ns(index + each - 1)
            if index > 64 * each:
                worst_ms = max(worst_ms, abs(first_ns - true_ns) / 1e6)
    result = f"times within {worst_ms:.1f} ms of the clock's own, {steps} steps told, {backwards} times backwards"
    bad = steps + backwards + (worst_ms > 10)
    return Row("clock drifts by 200 ppm, a day, jitter 5 ms", 2, result, bad, "timeline monotonic, no step told")


def run(long: bool) -> Iterator[Row]:
    """Do it all."""
    yield stopped(60.0 if long else 5.0)
    yield credit(20_000 if long else 3000)
    yield churn(10_000 if long else 1000, 600.0 if long else 60.0)
    yield clock_steps()
    yield drifting_samples()
