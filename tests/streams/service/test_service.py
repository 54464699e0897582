"""An engine as a service, in a process of its own: signals, log, health, and what a service manager hears."""

import json
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from tests.streams.conftest import wait_for
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol import maps
from vitalcore.streams.protocol.maps import Channel
from vitalcore.streams.subscriber import Subscriber

LIGHT = [sys.executable, "-m", "tests.streams.light"]
ANYWHERE = [part for name in ("ingest", "live", "control") for part in (f"--{name}", "tcp://127.0.0.1:*")]
KEY = "icu/subject-17/monitor/ecg"
STARTED: list[subprocess.Popen[str]] = []


class Service:
    """Run `vitalcore serve` with the small chain, its log as JSON."""

    def __init__(self, *options: str, environment: dict[str, str] | None = None) -> None:
        ends = [] if "--ingest" in options else ANYWHERE
        command = [*LIGHT, *ends, "--http", "127.0.0.1:0", "--log", "json", *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | (environment or {})
        )
        STARTED.append(self.process)
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self.process.stdout is not None
        self.said: list[str] = []
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("ready: "):
                break
        else:
            raise RuntimeError(str(self.lines))
        self.ends = dict(re.findall(r"(\w+) (\w+://[^,\s]+)", self.said[-1]))

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(json.loads(line))

    def heard(self, what: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["what"].startswith(what)]

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.ends["http"] + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join(10)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    """End what a test that failed has left running."""
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def service() -> Service:
    return Service()


def play(service: Service, n: int = 500) -> None:
    with Gateway(service.ends["ingest"], session=1) as gateway:
        stream = gateway.open(KEY, "ecg", 250, [Channel("II", "mV")])
        gateway.send(stream, np.ones(n, np.float32))
        assert gateway.drain(20)


def test_health_readiness_and_metrics_are_told_over_http(service: Service) -> None:
    play(service)
    assert service.get("/healthz") == (200, "ok\n")
    assert service.get("/readyz") == (200, "ready\n")
    status, text = service.get("/metrics")
    assert status == 200
    assert "vitalcore_samples_total 500.0" in text
    assert 'vitalcore_site_streams{site="icu"} 1.0' in text
    assert "subject-17" not in text
    assert service.get("/")[0] == 404


def test_the_whole_log_of_a_run_names_no_subject_and_no_key(tmp_path: Path) -> None:
    options = ("--journal", str(tmp_path / "j.db"), "--log-level", "debug")
    said: list[str] = []
    for _ in range(2):  # the second goes on with the stream of the first
        service = Service(*options)
        play(service)
        assert service.end() == 0
        whole = json.dumps(service.lines)
        assert "subject-17" not in whole
        assert [line["what"] for line in service.lines if line["what"] in ("start", "ready", "shutdown", "ended")] == [
            "start",
            "ready",
            "shutdown",
            "ended",
        ]
        assert service.heard("counts")[0]["connections_opened"] == 1
        said.append(service.heard("recovered")[0]["said"])
    assert "1 streams go on" in said[1]


def test_limits_and_level_are_read_again_at_sighup_and_a_file_that_is_not_valid_changes_nothing(tmp_path: Path) -> None:
    path, limits = tmp_path / "engine.toml", tmp_path / "limits.toml"
    limits.write_text("[adult]\nheart_rate_high_per_min = 130\n")
    path.write_text('[engine]\nlimits = "limits.toml"\n[log]\nlevel = "info"\n')
    service = Service("--config", str(path))
    limits.write_text('[streams."icu/subject-17/"]\nheart_rate_high_per_min = 999\n')
    service.process.send_signal(signal.SIGHUP)
    assert wait_for(lambda: bool(service.heard("reload refused")))
    refused = service.heard("reload refused")[0]
    assert "heart_rate_high_per_min is 999" in refused["why"]
    assert "subject-17" not in refused["why"]
    limits.write_text("[adult]\nheart_rate_high_per_min = 140\n")
    path.write_text('[engine]\nlimits = "limits.toml"\nmax_streams = 5\n[log]\nlevel = "info"\n')
    service.process.send_signal(signal.SIGHUP)
    assert wait_for(lambda: bool(service.heard("a change that holds from the next start on")))
    assert service.heard("reloaded")
    assert service.heard("a change that holds")[0]["option"] == "[engine] max_streams"
    path.write_text('[log]\nlevel = "loud"\n')
    service.process.send_signal(signal.SIGHUP)
    assert wait_for(lambda: len(service.heard("reload refused")) == 2)
    assert f"{path}, line 2: [log] level is 'loud'" in service.heard("reload refused")[1]["why"]
    assert service.end() == 0


def test_a_service_manager_hears_ready_alive_reloading_and_stopping(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(60)
        service = Service(environment={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "900000"})
        assert heard.recv(4096).startswith(b"READY=1\n")
        assert heard.recv(4096) == b"WATCHDOG=1"
        service.process.send_signal(signal.SIGHUP)
        told = [b""]
        while not told[-1].startswith(b"READY=1"):
            told.append(heard.recv(4096))
        assert any(each.startswith(b"RELOADING=1\n") and b"MONOTONIC_USEC=" in each for each in told)
        service.process.send_signal(signal.SIGTERM)
        while not told[-1].startswith(b"STOPPING=1"):
            told.append(heard.recv(4096))
        assert service.process.wait(30) == 0


def test_a_gateway_goes_on_with_the_next_engine_and_nothing_is_lost_or_said_twice(tmp_path: Path) -> None:
    options = ["--journal", str(tmp_path / "j.db")]
    first = Service(*options)
    same = [part for name in ("ingest", "live", "control") for part in (f"--{name}", first.ends[name])]
    x = np.zeros(4000, np.float32)
    x[::100] = 2.0
    found: list[float] = []
    with (
        Subscriber(first.ends["live"], first.ends["control"], KEY) as subscriber,
        Gateway(first.ends["ingest"]) as gateway,
    ):

        def hear(patience_ms: int) -> bool:
            while (message := subscriber.receive(patience_ms)) is not None:
                if message.what == "beat":
                    found.append(message.payload["t"])
            return True

        subscriber.status()
        stream = gateway.open(KEY, "ecg", 250, [Channel("II", "mV")])
        for at in range(0, 2000, 10):
            gateway.send(stream, x[at : at + 10])
            gateway.poll(0)
            hear(0)
        assert first.end() == 0
        second = Service(*options, *same)
        for at in range(2000, 4000, 10):
            gateway.send(stream, x[at : at + 10])
            gateway.poll(0)
            hear(0)
        gateway.end(stream)
        assert wait_for(lambda: hear(0) and gateway.drain(0.1), 30)
        assert gateway.counters["lost_samples"] == 0
        hear(3000)
        beats = [100.0 * k for k in range(40)]
        kept = subscriber.request("REPLAY", topic=f"{KEY}/beat/", **{"from": 0, "to": 99})["items"]
        assert [msgpack.unpackb(payload)["t"] for _, payload in kept] == beats
        assert found == beats[-len(found) :]  # the very first may come before its subscription
        assert len(found) > 30
        status = subscriber.status(prefix=KEY)["keys"][KEY]
        assert (status["samples"], status["lost"]) == (4000, 0)
    assert second.end() == 0


def test_a_second_sigterm_ends_at_once_what_the_first_would_have_waited_for(tmp_path: Path) -> None:
    service = Service("--journal", str(tmp_path / "j.db"))
    with closing(sqlite3.connect(tmp_path / "j.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the last states wait for who else writes the file
        with Gateway(service.ends["ingest"], session=1) as gateway:
            stream = gateway.open(KEY, "ecg", 250, [Channel("II", "mV")])
            gateway.send(stream, np.ones(500, np.float32))
            assert wait_for(lambda: "vitalcore_samples_total 500.0" in (gateway.poll(1), service.get("/metrics"))[1][1])
        service.process.send_signal(signal.SIGTERM)
        assert wait_for(lambda: bool(service.heard("shutdown")))
        assert service.process.poll() is None
        assert service.end() == -signal.SIGTERM
    assert not service.heard("ended")


def test_more_connect_than_a_shell_lets_a_program_have_files() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
    try:
        service = Service()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with zmq.Context() as context:
        peers = [context.socket(zmq.DEALER) for _ in range(100)]
        for peer in peers:
            peer.connect(service.ends["ingest"])
            peer.send(maps.pack("HELLO", client="one of many", versions=[maps.WIRE_VERSION]))
        assert [maps.unpack(peer.recv())["type"] for peer in peers if peer.poll(5000)] == ["WELCOME"] * 100
        for peer in peers:
            peer.close(0)
    assert service.end() == 0
