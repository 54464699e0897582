"""An engine as a service: its config, signals, log, HTTP and service manager around it."""

import logging
import resource
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from vitalcore import alarms, warm
from vitalcore.errors import VitalcoreError
from vitalcore.streams.engine.engine import Engine, parts
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.process import log, notify
from vitalcore.streams.security.guard import Security
from vitalcore.streams.service import http
from vitalcore.streams.service.config import Config, keep, options
from vitalcore.streams.workers.front import Address
from vitalcore.streams.workers.workers import Workers, check_files, own_file

LOOK_S = 0.1
COUNT_S = 10.0  # what comes often is told so often, with its number
COUNTED = (
    "streams_opened",
    "streams_ended",
    "connections_opened",
    "refused",
    "quarantines",
    "handshakes_denied",
    "forbidden",
)


class Service:
    """Run an engine until a signal ends it.

    read     : makes the config; asked again at SIGHUP
    say      : takes a line for whoever started it
    compile_ : compiles what is not yet

    SIGTERM and SIGINT: nothing more is taken, what was taken goes to the journal with the states of the streams, the
    gateways are told, and `run` returns; within 15 s, however the disk is. A second one ends the process at once.
    """

    def __init__(
        self,
        read: Callable[[], Config],
        say: Callable[[str], object],
        compile_: Callable[[list[warm.Part]], object],
    ) -> None:
        self._read, self._say, self._compile = read, say, compile_
        self._stop, self._again, self._over = threading.Event(), threading.Event(), threading.Event()
        self._manager = notify.Manager()
        self._seen = dict.fromkeys(COUNTED, 0)
        self._storage = "ok"

    def run(self) -> None:
        """Serve.

        Errors: VitalcoreError where the config or one of its files can't be used.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)
        signal.signal(signal.SIGHUP, lambda *_: self._again.set())
        config = self._read()
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each connection is a file
        with ExitStack() as stack:
            engine = _engine(config)
            stack.callback(engine.close)
            where = dict(engine.endpoints)
            if config.http:
                server = http.Server(engine, config.http, config.http_anywhere)
                stack.callback(server.close)
                where["http"] = server.url
            stack.enter_context(log.writing(config.log, config.log_level))
            log.tell("start", logging.INFO, engine=engine.counters()["engine"], instance=engine.instance, **where)
            self._compile(parts())
            watch = threading.Thread(target=self._watch, args=(engine, config, where), name="service", daemon=True)
            watch.start()
            try:
                engine.run(self._stop)
            finally:
                self._over.set()
                watch.join()
            counters = engine.counters()
            log.tell("ended", streams=counters["streams"], samples=counters["samples"], storage=counters["storage"])
            self._say(f"ended: {counters['streams']} streams, {counters['published']} messages published")

    def _end(self, number: int, _: Any) -> None:
        self._stop.set()
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)

    def _watch(self, engine: Engine | Workers, config: Config, where: dict[str, str]) -> None:
        """Tell what happens; beside the loop, which never waits for it."""
        while not engine.ready.wait(LOOK_S):
            if self._over.is_set():
                return
        for line in engine.told():
            self._say(line)
            log.tell("recovered", said=line)
        log.tell("ready", logging.INFO, **where)
        self._say("ready: " + ", ".join(f"{name} {endpoint}" for name, endpoint in where.items()))
        self._manager.tell(notify.READY, "ready")
        alive_s = count_s = time.monotonic()
        while not self._stop.wait(LOOK_S) and not self._over.is_set():
            now_s = time.monotonic()
            if self._again.is_set():
                self._again.clear()
                config = self._reload(engine, config)
            period_s = self._manager.watchdog_s
            if period_s and now_s - alive_s >= period_s / 3 and http.health(engine)[0]:
                alive_s = now_s
                self._manager.tell(notify.WATCHDOG)
            self._look(engine)
            if now_s - count_s >= COUNT_S:
                count_s = now_s
                self._count(engine)
        self._manager.tell(notify.STOPPING, "shutting down")
        log.tell("shutdown")
        self._over.wait()
        self._look(engine)
        self._count(engine)

    def _look(self, engine: Engine | Workers) -> None:
        storage = engine.storage
        if storage != self._storage:
            degraded = storage != "ok"
            level = logging.ERROR if degraded else logging.INFO
            log.tell(
                "storage degraded" if degraded else "storage healed", level, **({"why": storage} if degraded else {})
            )
            self._storage = storage

    def _count(self, engine: Engine | Workers) -> None:
        counters = engine.counters()
        new = {name: counters[name] - self._seen[name] for name in COUNTED if counters[name] != self._seen[name]}
        if new:
            self._seen = {name: counters[name] for name in COUNTED}
            log.tell("counts", **new, streams=counters["streams"], connections=counters["connections"])

    def _reload(self, engine: Engine | Workers, config: Config) -> Config:
        """Read the config and the limits again; return what holds now. A file that can't be used changes nothing."""
        self._manager.tell(notify.RELOADING, "reloading")
        try:
            fresh = self._read()
            engine.relimit(None if fresh.limits is None else alarms.read(fresh.limits))
        except VitalcoreError as error:
            log.tell("reload refused; what held before holds", logging.ERROR, why=str(error))
            fresh = config
        else:
            log.set_level(fresh.log_level)
            log.tell("reloaded", limits=str(fresh.limits or "default"), log_level=fresh.log_level)
            known = options()
            for each in (field.name for field in fields(Config)):
                option = known[each][0]
                if not option.live and getattr(fresh, each) != getattr(config, each):
                    changed = f"[{option.table}] {option.key}"
                    log.tell("a change that holds from the next start on", logging.WARNING, option=changed)
        self._manager.tell(notify.READY, "ready")
        return fresh


def _engine(config: Config) -> Engine | Workers:
    """Make the engine of a config, or several behind a front.

    Errors: VitalcoreError
    """
    security = _security(config, config.audit)
    if config.journal is not None:
        check_files(config.journal, config.workers)
    if config.workers == 1:
        return _worker(config, Address(config.ingest, config.live, config.control), 0, 1, None)
    endpoints = config.ingest, config.live, config.control
    return Workers(partial(_worker, config), config.workers, *endpoints, security=security)


def _security(config: Config, audit: Path | None) -> Security:
    return Security(config.keys, config.rights, audit, int(config.audit_mb * (1 << 20)))


def _worker(config: Config, address: Address, number: int, n: int, instance: str | None) -> Engine:
    book = None if config.limits is None else alarms.read(config.limits)
    path, audit = (each and own_file(each, number, n) for each in (config.journal, config.audit))
    journal = None
    if path is not None:
        journal = Journal(path, config.ack, keep(config))
    try:
        return Engine(
            address.ingest,
            address.live,
            address.control,
            max_streams=config.max_streams,
            memory=int(config.memory_mb * (1 << 20)) // n,
            limits=book,
            journal=journal,
            security=_security(config, audit),
            instance=instance,
        )
    except BaseException:
        if journal is not None:
            journal.close()
        raise
