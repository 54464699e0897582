"""The engine: one thread, one poll, one kernel call for everything that has arrived."""

import gc
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import zmq

from vitalcore import warm
from vitalcore.alarms import Book
from vitalcore.kernels.wire.records import CRC_SLICES, ROW, STREAM, scan, unpack
from vitalcore.operator import Operator
from vitalcore.streams.engine.control import Control
from vitalcore.streams.engine.ingest import Ingest
from vitalcore.streams.engine.keeper import Keeper
from vitalcore.streams.engine.live import Live
from vitalcore.streams.engine.recovery import Recovered, recover
from vitalcore.streams.engine.stream import Stream
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.protocol import maps, sockets, wire
from vitalcore.streams.security.guard import Guard, Security
from vitalcore.version import version

ACK_NS = 50_000_000
HEARTBEAT_NS = 1_000_000_000
POLL_MS = 10
FAREWELL_MS = 200
RELIMITED = 16  # streams that other limits reach in a turn


class Engine:
    """Turn samples that gateways send into beats, features and events that subscribers receive.

    ingest, live, control : endpoints to bind on this machine; port 0 or * lets the system choose
    chains                : what is computed on each kind of signal; by default Ecg, Ppg and Face
    max_streams           : 1 to 65,536
    memory                : bytes that samples under way may come to, over all streams
    limits                : of the alarms, by stream; by default those of the chains
    journal               : what it keeps on disk and goes on from, closed with the engine; None: acknowledgements mean
                            `received`, and nothing survives
    security              : files of keys, rights and the audit log; by default there are none, and only this machine
                            is served

    instance              : that it names; by default one of its own

    A worker behind a front has ipc:// endpoints for live and control: who reaches them may do everything there.

    The sockets are bound when this returns, so `endpoints` can be read; `run` serves them.

    Errors: ParameterError for an endpoint that leaves this machine without keys or can't be bound, and for keys, rights
    or a log that can't be used.
    """

    def __init__(
        self,
        ingest: str = sockets.INGEST,
        live: str = sockets.LIVE,
        control: str = sockets.CONTROL,
        chains: Mapping[str, Operator] | None = None,
        max_streams: int = 8192,
        memory: int = 1 << 29,
        limits: Book | None = None,
        journal: Journal | None = None,
        security: Security | None = None,
        instance: str | None = None,
    ) -> None:
        self._chains = warm.CHAINS if chains is None else dict(chains)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sockets: list[zmq.Socket[bytes]] = []
        self.endpoints: dict[str, str] = {}
        self._guard: Guard | None = None
        try:
            self._guard = guard = Guard(self._context, security)
            for name, kind, endpoint in (
                ("ingest", zmq.ROUTER, ingest),
                ("live", zmq.XPUB, live),
                ("control", zmq.ROUTER, control),
            ):
                fronted = endpoint.startswith("ipc://")  # the front asks for keys and rights
                socket = sockets.serve(self._context, kind, endpoint, None if fronted else guard.keys, name)
                if not fronted:
                    guard.watch(name, socket)
                self._sockets.append(socket)
                self.endpoints[name] = sockets.endpoint_of(socket)
        except Exception:
            self.close()
            raise
        self.instance = instance or secrets.token_hex(8)
        self.ready = threading.Event()
        self._started_ns = time.time_ns()
        streams = Streams(self._chains, max_streams, memory, limits)
        greeting = maps.greeting(self.instance)
        self._streams = streams
        self.journal = journal
        self._keeper = Keeper(streams, journal)
        inside = Guard(self._context) if control.startswith("ipc://") else guard
        self._live = Live(self._sockets[1], streams, self.instance, inside)
        self._live.keeps = journal is not None
        self._ingest = Ingest(self._sockets[0], streams, self._live, self._keeper, greeting, guard)
        own = self._live.own
        self._control = Control(self._sockets[2], streams, greeting, self.counters, inside, self._keeper, own)
        self.recovered: Recovered | None = None
        self.stopping = False
        self._turned_ns = time.monotonic_ns()
        self._books: deque[Book | None] = deque()

    def run(self, stop: threading.Event | None = None) -> None:
        """Serve until `stop` is set or the process is interrupted, then say goodbye and close.

        Every kernel is compiled before the first message is taken; `ready` is set then. While it serves, the process'
        cyclic garbage is collected by this loop once a second, the young only, so that no stream waits for the rest.
        """
        guard = self._guard
        assert guard is not None  # nothing was raised before
        try:
            for _, compile_ in parts(self._chains):
                compile_()
            if self.journal is not None:
                self.recovered = recover(self.journal, self._streams, self._ingest, self._live, self._keeper)
            gc.collect()
            gc.disable()  # `_tidy` collects the young, at its own time
            outside = {name: each for name, each in self.endpoints.items() if not each.startswith("ipc://")}
            guard.test(outside)
            self.ready.set()
            self._serve(stop or threading.Event(), guard)
            self.stopping = True
            self._keeper.turn(close=True)
            if self.journal is not None:
                self.journal.close()
            self._ingest.acks.acknowledge()
            self._ingest.acks.shut_down()
            for _ in self._live.heartbeat():
                pass
        finally:
            gc.enable()
            gc.unfreeze()
            self.close()

    def close(self) -> None:
        """Close the sockets; `run` does so itself."""
        for socket in self._sockets:
            socket.close(linger=FAREWELL_MS)
        if self._guard is not None:
            self._guard.close()
        self._context.term()

    def counters(self) -> dict[str, Any]:
        """Count what has passed since the start; from any thread."""
        streams = self._streams
        return (
            {
                "engine": f"vitalcore {version()}",
                "instance": self.instance,
                "uptime_ns": time.time_ns() - self._started_ns,
                "streams": len(streams.by_key),
                "connections": len(streams.owners),
                "connections_opened": streams.connections_opened,
                "published": self._live.published,
                "latency_ns": self._live.latency_ns(),
                "ack": self._keeper.level,
                "storage": self.storage,
            }
            | self._ingest.counters()
            | ({} if self.journal is None else self.journal.counters())
            | streams.sums()
            | (self._guard.counters if self._guard is not None else {})
        )

    def told(self) -> list[str]:
        """Say what was found in the journal at the start."""
        return [] if self.recovered is None else self.recovered.lines()

    @property
    def storage(self) -> str:
        """Say why the disk refuses; `ok` while it does not, and without a journal."""
        return self._keeper.degraded or "ok"

    def sites(self) -> Counter[str]:
        """Count the streams of each site; from any thread."""
        return Counter(key.split("/", 1)[0] for key in list(self._streams.by_key))

    def loop_age_s(self) -> float:
        """Tell how long ago the loop last turned; from any thread."""
        return (time.monotonic_ns() - self._turned_ns) / 1e9

    def relimit(self, book: Book | None) -> None:
        """Let other limits of alarms hold, also for open streams whose own nobody has changed; from any thread."""
        self._books.append(book)

    def _serve(self, stop: threading.Event, guard: Guard) -> None:
        ingest, live, control = self._sockets
        poller = zmq.Poller()
        for socket in self._sockets:
            poller.register(socket, zmq.POLLIN)
        work: dict[Any, Callable[[], bool]] = {
            ingest: self._ingest.work,
            live: self._live.readers.work,
            control: self._control.work,
        }
        if guard.socket is not None:
            poller.register(guard.socket, zmq.POLLIN)
            work[guard.socket] = guard.admit
        ack_at = heartbeat_at = time.monotonic_ns()
        beats: Iterator[None] = iter(())
        relimited: Iterator[Stream] = iter(())
        busy = False
        while not stop.is_set():
            ready = dict(poller.poll(0 if busy else POLL_MS))
            if busy:
                ready[ingest] = zmq.POLLIN
            busy = False
            for socket in ready:
                left = work[socket]()
                busy |= left and socket is ingest
            self._turned_ns = now = time.monotonic_ns()
            if now >= ack_at:
                self._ingest.acks.acknowledge()
                ack_at = now + ACK_NS
            if now >= heartbeat_at:
                self._live.storage(self._keeper.degraded)
                beats = self._live.heartbeat()
                heartbeat_at = now + HEARTBEAT_NS
                self._ingest.review(guard.look())
                self._live.readers.sweep()
                self._streams.backlogs.settle()
                _tidy()
            next(beats, None)  # one message a turn: nobody waits for all of them
            for stream in islice(relimited, RELIMITED):
                self._keeper.configured(stream)
            if self._books:
                relimited = self._streams.rebook(self._books.popleft())


def parts(chains: Mapping[str, Operator] = warm.CHAINS) -> list[warm.Part]:
    """List what runs between a record and its findings, to be compiled beforehand."""
    return [*warm.wards(chains), ("records", _records)]


def _tidy() -> None:
    """Collect what has become garbage lately; what has lasted is never walked again, which would take long."""
    gc.collect(1)
    gc.freeze()


def _records() -> None:
    nothing = np.frombuffer(bytes(wire.RECORD.size), np.uint8)  # read-only, as what arrives is
    numbers = np.zeros(0, np.int64)
    rows, streams, at = np.zeros(1, ROW), np.zeros(1, STREAM), np.zeros(1, np.int64)
    views = nothing, nothing.view(np.int64), nothing.view(np.uint32), nothing.view(np.uint16)
    scan(CRC_SLICES, streams, *views, numbers, numbers, numbers, 1, at, rows)
    integers = nothing.view(np.int64), nothing.view(np.int16), nothing.view(np.int32)
    floats = nothing.view(np.float32), nothing.view(np.float64)
    scale, x = np.ones((1, 1)), np.zeros((0, 1))
    unpack(streams, scale, scale, *integers, *floats, rows, numbers, x, np.zeros(1, np.int64))
