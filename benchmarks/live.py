"""Table (c): from the gateway's send of the deciding chunk to the subscriber's receipt, beside a bare echo.

`python -m benchmarks.live --short` takes a quarter of the beats.
"""

import sys
import time

import numpy as np
import zmq

from benchmarks.engines import CHUNK, FS_HZ, LSB_MV, bare, ecg, engine
from benchmarks.sidebyside import table
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.maps import Channel
from vitalcore.streams.subscriber import Subscriber

KEY = "bench/p1/monitor/ecg"
PACE_S = 0.003  # between chunks: every chunk meets an idle engine, as at the bedside
SECONDS = 1200  # of signal


def main(short: bool = "--short" in sys.argv) -> None:
    """Print the table."""
    x = ecg(SECONDS // 4 if short else SECONDS)
    with engine() as (endpoints, _), bare() as (address, _):
        ours, echo = measure(x, endpoints, address)
    rows: list[tuple[object, ...]] = []
    for name, share, bar in (("p50", 50.0, 3), ("p99", 99.0, 5), ("p99.9", 99.9, "")):
        a, b = np.percentile(ours, share) * 1e6, np.percentile(echo, share) * 1e6
        rows.append((name, float(a), float(b), float(a / b), bar))
    head = ("", "vitalcore µs", "bare pyzmq echo µs", "times", "at most")
    table(f"(c) Live, one stream: send of the deciding chunk to receipt of its beat; {len(ours)} beats", head, rows)


def measure(x: np.ndarray, endpoints: dict[str, str], address: str) -> tuple[list[float], list[float]]:
    """Send chunk after chunk to the engine and to the echo; return the seconds of each beat and each echo."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.connect(address)
    ours: list[float] = []
    echo: list[float] = []
    sent = [0.0] * (len(x) // CHUNK)
    with (
        Subscriber(endpoints["live"], endpoints["control"], f"{KEY}/beat/", catch_up=False) as subscriber,
        Gateway(endpoints["ingest"]) as gateway,
    ):
        subscriber.status()
        stream = gateway.open(KEY, "ecg", FS_HZ, [Channel("II", "mV", LSB_MV)], "i16")
        while not gateway.is_open(stream):
            gateway.poll(10)
        for k in range(len(sent)):
            chunk = x[k * CHUNK : (k + 1) * CHUNK]
            sent[k] = time.perf_counter()
            gateway.send(stream, chunk, t0_ns=time.time_ns())
            end = sent[k] + PACE_S
            while (left_s := end - time.perf_counter()) > 0:
                message = subscriber.receive(max(1, int(1000 * left_s)))
                if message is not None:
                    ours.append(time.perf_counter() - sent[message.header.sample_index // CHUNK])
            gateway.poll()
            if k % 10 == 0:
                values = np.ascontiguousarray(chunk[:, None])
                record = wire.encode_record(wire.Record(wire.DATA, 1, 1, k, k * CHUNK, values))
                start = time.perf_counter()
                dealer.send(record)
                dealer.recv()
                echo.append(time.perf_counter() - start)
        assert gateway.drain()
    context.destroy(0)
    return ours, echo


if __name__ == "__main__":
    main()
