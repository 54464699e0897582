"""Several workers are one engine to everybody outside: when one dies nothing is lost, and the others don't notice."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.faults.engine import free_ports
from tests.streams import small
from tests.streams.conftest import wait_for
from tests.streams.locked import Locked
from vitalcore.errors import ParameterError
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol import keys
from vitalcore.streams.protocol.maps import Channel
from vitalcore.streams.security.guard import Security
from vitalcore.streams.subscriber import Subscriber
from vitalcore.streams.workers.front import place
from vitalcore.streams.workers.workers import PORTS_FROM, Workers, check_files, own_file

KEYS = [f"icu/p{i}/monitor/ecg" for i in range(8)]
WHATS = ("beat", "feature", "gap")


class Ward:
    """Run two workers of the small chain behind a front."""

    def __init__(self, security: Security | None = None) -> None:
        base = free_ports(1)[0] % 20_000 + 20_000
        self.ingest, self.live, self.control = (f"tcp://127.0.0.1:{base + i}" for i in range(3))
        self.own = [f"tcp://127.0.0.1:{base + PORTS_FROM + i}" for i in range(2)]  # where workers take gateways
        make = partial(small.make, security=security)
        self.workers = Workers(make, 2, self.ingest, self.live, self.control, security)
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self.workers.run, args=(self.stop,), daemon=True)
        self._thread.start()
        assert self.workers.ready.wait(60)

    def close(self) -> None:
        self.stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    monkeypatch.setenv("SMALL_JOURNALS", str(tmp_path))
    made = Ward()
    yield made
    made.close()


def listen(subscriber: Subscriber, heard: dict[tuple[str, int], str], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        message = subscriber.receive(20)
        if message is not None:
            payload = {name: value for name, value in message.payload.items() if name != "t_arrival_ns"}
            heard[message.topic, message.header.topic_seq] = repr(payload)


def run(ward: Ward, kill: int | None) -> tuple[dict[tuple[str, int], str], dict[str, int]]:
    """Send 20 s of eight streams, killing a worker in the middle; return what was heard and the sums of STATUS."""
    x = np.random.default_rng(3).normal(0, 0.6, (len(KEYS), 5000)).astype(np.float32)
    topics = tuple(f"{key}/{what}/" for key in KEYS for what in WHATS)
    heard: dict[tuple[str, int], str] = {}
    with Subscriber(ward.live, ward.control, topics) as subscriber, Gateway(ward.ingest, 7) as gateway:
        subscriber.status()
        streams = [gateway.open(key, "ecg", 250, [Channel("II", "mV")]) for key in KEYS]
        for k in range(100):
            if k == 50 and kill is not None:
                pid = ward.workers.pids[kill]
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
            for i, stream in enumerate(streams):
                t0_ns = 1_700_000_000_000_000_000 + k * 200_000_000
                gateway.send(stream, x[i, k * 50 : k * 50 + 50, None], t0_ns=t0_ns)
            gateway.poll(1)
            listen(subscriber, heard, 0.01)
        for stream in streams:
            gateway.end(stream)
        end = time.monotonic() + 60
        while not gateway.drain(0.1) and time.monotonic() < end:
            listen(subscriber, heard, 0.01)
        while len([1 for topic, _ in heard if topic.endswith("gap/")]) < len(KEYS) and time.monotonic() < end:
            listen(subscriber, heard, 0.1)
        listen(subscriber, heard, 2.5)
        status = subscriber.status(prefix="icu/")
        assert sorted(status["keys"]) == sorted(KEYS)
        sums = {name: sum(row[name] for row in status["keys"].values()) for name in ("samples", "lost", "gaps")}
        assert status["streams"] == len(KEYS)
        return heard, sums


def test_subjects_are_spread_and_a_subject_stays_together() -> None:
    assert {place(key, 2) for key in KEYS} == {0, 1}
    assert all(place(key, 5) == place(key.replace("ecg", "ppg"), 5) for key in KEYS)


def test_a_worker_that_is_killed_is_started_again_alone_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for kill in (None, 1):
        folder = tmp_path / str(kill)
        folder.mkdir()
        monkeypatch.setenv("SMALL_JOURNALS", str(folder))
        ward = Ward()
        before = ward.workers.pids
        heard, sums = run(ward, kill)
        said.append(heard)
        assert sums == {"samples": 40_000, "lost": 0, "gaps": 0}
        after = ward.workers.pids
        assert ward.workers.restarts == (0 if kill is None else 1)
        assert after[0] == before[0]
        assert (after[1] == before[1]) == (kill is None)
        ward.close()
        assert sorted(path.name for path in folder.glob("*.db")) == ["j.1-of-2.db", "j.2-of-2.db"]
    assert len(said[0]) > 200
    assert said[0] == said[1]


def test_all_end_with_the_front(ward: Ward) -> None:
    pids = ward.workers.pids
    ward.stop.set()

    def gone() -> bool:
        return not any(pid is not None and Path(f"/proc/{pid}").exists() for pid in pids)

    assert wait_for(gone, 30)


def test_what_cant_be_is_refused() -> None:
    with pytest.raises(ParameterError, match="workers is 1"):
        Workers(small.make, 1)
    with pytest.raises(ParameterError, match=r"tcp://127\.0\.0\.1:\*"):
        Workers(small.make, 2, "tcp://127.0.0.1:*")


def test_keys_hold_at_the_front_and_at_every_worker(tmp_path: Path) -> None:
    locked = Locked(tmp_path)
    board = locked.client("board", write=("icu/",), read=("icu/",))
    other = locked.client("other", write=("er/",), read=("er/",))
    ward = Ward(locked.security)
    x = np.tile(np.array([0, 2], np.float32), 50)[:, None]
    with (
        Subscriber(ward.live, ward.control, "icu/", **locked.as_client(board)) as subscriber,
        Subscriber(ward.live, ward.control, "icu/", catch_up=False, **locked.as_client(other)) as curious,
        Gateway(ward.ingest, **locked.as_client(board)) as gateway,
    ):
        subscriber.status()
        streams = [gateway.open(key, "ecg", 250, [Channel("II", "mV")]) for key in KEYS]
        for where in (ward.ingest, *ward.own):
            for who in (other, keys.make(), None):
                with Gateway(where, **locked.as_client(who)) as intruder:
                    for key in KEYS:
                        intruder.send(intruder.open(key.replace("monitor", "fake"), "ecg", 250), x)
                    assert not intruder.drain(0.3)
        for stream in streams:
            gateway.send(stream, x)
        assert gateway.drain(10)
        heard: dict[tuple[str, int], str] = {}
        listen(subscriber, heard, 1)
        assert {topic.removesuffix("/beat/") for topic, _ in heard if topic.endswith("beat/")} == set(KEYS)
        status = subscriber.status(prefix="icu/")
        assert sorted(status["keys"]) == sorted(KEYS)
        assert status["samples"] == 100 * len(KEYS)
        assert curious.receive(500) is None
        assert curious.received == 0
    ward.close()


def test_journals_of_another_number_of_workers_are_not_left_behind_unnoticed(tmp_path: Path) -> None:
    journal = tmp_path / "j.db"
    for n in (1, 2, 4):
        check_files(journal, n)
    own_file(journal, 1, 2).touch()
    (tmp_path / "j.1-of-4-old.db").touch()
    check_files(journal, 2)
    with pytest.raises(ParameterError, match=r"j\.2-of-2\.db is a journal of workers = 2, and workers is 4"):
        check_files(journal, 4)
    with pytest.raises(ParameterError, match="workers is 1"):
        check_files(journal, 1)
    own_file(journal, 1, 2).unlink()
    journal.touch()
    with pytest.raises(ParameterError, match=r"j\.db is a journal of workers = 1, and workers is 2"):
        check_files(journal, 2)


def test_a_journal_names_its_worker() -> None:
    assert own_file(Path("/var/lib/vitalcore/j.db"), 0, 4) == Path("/var/lib/vitalcore/j.1-of-4.db")
