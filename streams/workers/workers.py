"""Several worker processes on one machine, each with its streams, behind one front."""

import logging
import multiprocessing
import os
import re
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from vitalcore.alarms import Book
from vitalcore.errors import ParameterError, VitalcoreError
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.engine.streams import COUNTS
from vitalcore.streams.protocol import maps, sockets
from vitalcore.streams.security.guard import Security
from vitalcore.streams.workers.front import Address, Front, merge
from vitalcore.version import version

MAX_WORKERS = 32
PORTS_FROM = 10  # worker i listens this many ports above the front's ingest, plus i
START_S = 300.0  # kernels may have to be compiled
TELL_S = 1.0
BACKOFF_S = (0.1, 5.0)  # before a worker that died at once is started again: at first, at most
_ZERO = (
    "messages records samples refused streams streams_opened streams_ended connections connections_opened published"
    " quarantined quarantines"
)
# what a worker has counted before it is up
_NOTHING: dict[str, Any] = dict.fromkeys((*_ZERO.split(), *COUNTS, "pending"), 0)
_NOTHING |= {"latency_ns": [0, 0, 0], "ack": "received", "storage": "ok"}
Make = Callable[[Address, int, int, str], Engine]
_log = logging.getLogger(__name__)


class Workers:
    """Start workers and a front before them, start a worker that dies again, alone, and end all together.

    make                  : builds a worker's engine in its own process, from its address, its number, the number of
                            workers and the instance that all of them name; it must be one that can be pickled
    workers               : 2 to 32
    ingest, live, control : endpoints of the front; workers take gateways on the ports from 10 above that of ingest
    security              : files of keys, rights and the audit log

    Errors: ParameterError
    """

    def __init__(
        self,
        make: Make,
        workers: int,
        ingest: str = sockets.INGEST,
        live: str = sockets.LIVE,
        control: str = sockets.CONTROL,
        security: Security | None = None,
    ) -> None:
        if not 2 <= workers <= MAX_WORKERS:
            raise ParameterError(f"workers is {workers}; it must lie between 2 and {MAX_WORKERS}")
        self._make, self._n = make, workers
        self._folder = tempfile.TemporaryDirectory(prefix="vitalcore-")  # readable by its owner only
        self._addresses = [
            Address(_above(ingest, PORTS_FROM + i), *(f"ipc://{self._folder.name}/{name}-{i}" for name in ("l", "c")))
            for i in range(workers)
        ]
        self._epochs = [0] * workers
        self.instance = os.urandom(8).hex()
        self._front = Front(
            self._addresses, self._epochs, ingest, live, control, maps.greeting(self.instance), security
        )
        self.endpoints = self._front.endpoints
        self._spawn = multiprocessing.get_context("spawn")
        self._processes: list[BaseProcess | None] = [None] * workers
        self._lines: list[Connection | None] = [None] * workers
        self._started = [0.0] * workers
        self._wait_s = [BACKOFF_S[0]] * workers
        self._numbers: list[tuple[dict[str, Any], dict[str, int], float]] = [({}, {}, 0.0)] * workers
        self._told: list[str] = []
        self._begun_ns = time.time_ns()
        self.ready = threading.Event()
        self.stopping = False
        self.restarts = 0

    @property
    def pids(self) -> list[int | None]:
        """Name the workers' processes."""
        return [None if process is None else process.pid for process in self._processes]

    def counters(self) -> dict[str, Any]:
        """Count what has passed in all workers since each was started; from any thread."""
        told = [numbers for numbers, _, _ in self._numbers if numbers]
        about = {"engine": f"vitalcore {version()}", "instance": self.instance}
        whole = merge([{"type": "STATUS_OK"} | numbers for numbers in told or [_NOTHING]])
        del whole["type"]
        guarded = {name: whole.get(name, 0) + n for name, n in self._front.guard.counters.items()}
        return whole | about | guarded | {"uptime_ns": time.time_ns() - self._begun_ns}

    @property
    def storage(self) -> str:
        """Say why a disk refuses; `ok` while none does."""
        return str(self.counters().get("storage", "ok"))

    def sites(self) -> Counter[str]:
        """Count the streams of each site; from any thread."""
        return sum((Counter(sites) for _, sites, _ in self._numbers), Counter())

    def loop_age_s(self) -> float:
        """Tell how long ago the slowest loop last turned: the front's, or that of a worker that is up."""
        ages = [age_s for _, _, age_s in self._numbers]
        return max([(time.monotonic_ns() - self._front.turned_ns) / 1e9, *ages])

    def relimit(self, book: Book | None) -> None:
        """Let other limits of alarms hold, also for open streams whose own nobody has changed."""
        for line in self._lines:
            if line is not None:
                with suppress(OSError):
                    line.send(book)

    def told(self) -> list[str]:
        """Say what workers found in their journals at the start."""
        return self._told

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set, then end the workers and wait for them.

        Errors: VitalcoreError where a worker can't start at all.
        """
        try:
            for number in range(self._n):
                self._start(number)
            for number in range(self._n):
                self._await(number)
            self._front.guard.test(self._front.endpoints)
            watcher = threading.Thread(target=self._watch, args=(stop,), daemon=True)
            watcher.start()
            self.ready.set()
            self._front.run(stop.is_set)
            self.stopping = True
            watcher.join()
        finally:
            self.close()

    def close(self) -> None:
        """End the workers and close the front; `run` does so itself."""
        for process in self._processes:
            if process is not None and process.is_alive():
                process.terminate()
        for number, process in enumerate(self._processes):
            if process is not None:
                process.join(15)
                self._hear(number)
                if process.is_alive():
                    process.kill()
                    process.join()
        self._front.close()
        self._folder.cleanup()

    def _start(self, number: int) -> None:
        ours, theirs = self._spawn.Pipe()
        self._epochs[number] += 1
        arguments = self._make, self._addresses[number], number, self._n, self.instance, theirs
        process = self._spawn.Process(target=work, args=arguments, name=f"vitalcore worker {number}")
        process.start()
        theirs.close()
        self._processes[number], self._lines[number] = process, ours
        self._started[number] = time.monotonic()

    def _await(self, number: int) -> None:
        line = self._lines[number]
        assert line is not None
        said: Any = "it did not come up"
        try:
            if line.poll(START_S):
                said = line.recv()
        except (EOFError, OSError):
            said = "it ended"
        if isinstance(said, str):
            raise VitalcoreError(f"worker {number + 1} can't start: {said}")
        self._told += [f"worker {number + 1}: {each}" for each in said]

    def _watch(self, stop: threading.Event) -> None:
        """Start again, alone, what has died."""
        again_at = [0.0] * self._n
        while not stop.wait(0.05):
            now = time.monotonic()
            for number, process in enumerate(self._processes):
                self._hear(number)
                if process is None or process.is_alive():
                    continue
                if not again_at[number]:
                    quick = now - self._started[number] < BACKOFF_S[1]
                    self._wait_s[number] = min(2 * self._wait_s[number], BACKOFF_S[1]) if quick else BACKOFF_S[0]
                    again_at[number] = now + self._wait_s[number]
                    _log.error("worker %d has ended with code %s; it is started again", number + 1, process.exitcode)
                    self._numbers[number] = *self._numbers[number][:2], 0.0
                elif now >= again_at[number]:
                    again_at[number] = 0.0
                    self.restarts += 1
                    self._start(number)

    def _hear(self, number: int) -> None:
        line = self._lines[number]
        with suppress(EOFError, OSError):
            while line is not None and line.poll():
                said = line.recv()
                if isinstance(said, tuple):
                    self._numbers[number] = said


def work(make: Make, address: Address, number: int, n: int, instance: str, line: Connection) -> None:
    """Run a worker until it is told to end, or the front is gone.

    line : to the front. It hears why the worker can't start (a text) or what it found in its journal (a list), then its
           numbers now and then (counters, streams by site, age of the loop's turn); it sends limits of alarms
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the front ends us in order
    try:
        engine = make(address, number, n, instance)
    except VitalcoreError as error:
        line.send(str(error))
        return

    def tell() -> None:
        engine.ready.wait()
        line.send(engine.told())
        while not stop.is_set():
            count()
            stop.wait(TELL_S)

    def count() -> None:
        with suppress(OSError):
            line.send((engine.counters(), dict(engine.sites()), engine.loop_age_s()))

    def listen() -> None:
        try:
            while True:
                engine.relimit(line.recv())
        except (EOFError, OSError):
            stop.set()  # the front is gone, however it ended

    for each in (tell, listen):
        threading.Thread(target=each, daemon=True).start()
    engine.run(stop)
    count()


def own_file(path: Path, number: int, n: int) -> Path:
    """Name a worker's own journal or log: streams of another number of workers lie elsewhere."""
    return path if n == 1 else path.with_name(f"{path.stem}.{number + 1}-of-{n}{path.suffix}")


def check_files(path: Path, n: int) -> None:
    """See that no journal of another number of workers lies there: its streams would begin anew, and nobody notice.

    path : of the journal, as it is named with one worker

    Errors: ParameterError
    """
    named = re.compile(rf"{re.escape(path.stem)}\.\d+-of-(\d+){re.escape(path.suffix)}")
    others = {each: int(match[1]) for each in path.parent.glob("*") if (match := named.fullmatch(each.name))}
    if path.exists():
        others[path] = 1
    for other in sorted(each for each, number in others.items() if number != n):
        raise ParameterError(
            f"{other} is a journal of workers = {others[other]}, and workers is {n}: its streams would begin anew; "
            f"start with {others[other]}, or move it away"
        )


def _above(endpoint: str, by: int) -> str:
    host, _, port = endpoint.rpartition(":")
    if not port.isdigit() or not 0 < int(port) <= 65535 - by - MAX_WORKERS:
        raise ParameterError(f"{endpoint}: with workers the port of ingest is a number up to {65535 - 64}")
    return f"{host}:{int(port) + by}"
