"""The gateway in C: built without a warning; what it sends is what the engine gets, whatever goes away meanwhile."""

import ctypes.util
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq
from numpy.typing import NDArray

from benchmarks.faults.cut import Cut
from benchmarks.faults.engine import LIGHT, Served, free_ports
from tests.streams.conftest import Door, Running, wait_for
from tests.streams.locked import Locked
from vitalcore.streams.protocol import keys, maps
from vitalcore.streams.protocol.live import Message
from vitalcore.streams.subscriber import Subscriber

SOURCE = Path(__file__).parents[2] / "examples" / "c" / "gateway.c"
KEY = "icu/p1/board/ecg"
T0_NS = 1_700_000_000_000_000_000
FLAGS = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2")

# what the gateway calls, for a machine that has libzmq (pyzmq brings it) and not its header
PROTOTYPES = """
#include <stddef.h>
typedef struct { void *socket; int fd; short events, revents; } zmq_pollitem_t;
void *zmq_ctx_new(void);
int zmq_ctx_term(void *context);
void *zmq_socket(void *context, int type);
int zmq_close(void *socket);
int zmq_setsockopt(void *socket, int option, const void *value, size_t size);
int zmq_connect(void *socket, const char *endpoint);
int zmq_send(void *socket, const void *bytes, size_t size, int flags);
int zmq_recv(void *socket, void *bytes, size_t size, int flags);
int zmq_poll(zmq_pollitem_t *items, int n, long timeout_ms);
int zmq_errno(void);
const char *zmq_strerror(int number);
int zmq_curve_public(char *public_key, const char *secret_key);
"""


def libzmq(folder: Path) -> list[str]:
    """Return what the compiler needs to know of libzmq: the system's, or pyzmq's with a header made in a folder."""
    if ctypes.util.find_library("zmq") and Path("/usr/include/zmq.h").exists():
        return ["-lzmq"]
    bundled = list((Path(zmq.__file__).parents[1] / "pyzmq.libs").glob("libzmq*.so*"))
    if not bundled:
        pytest.skip("neither the system nor pyzmq has a libzmq to link with")
    used = sorted(set(re.findall(r"\bZMQ_(\w+)", SOURCE.read_text(encoding="ascii"))))
    numbers = "".join(f"#define ZMQ_{name} {int(getattr(zmq, name))}\n" for name in used)
    (folder / "zmq.h").write_text(PROTOTYPES + numbers, encoding="ascii")
    return [f"-I{folder}", str(bundled[0]), f"-Wl,-rpath,{bundled[0].parent}"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("c")
    program = folder / "gateway"
    command = [compiler, *FLAGS, "-o", str(program), str(SOURCE), *libzmq(folder), "-lm"]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return str(program)


class Device:
    """Run the gateway and be the device in front of it."""

    def __init__(self, gateway: str, endpoint: str, *options: str) -> None:
        command = [gateway, "--endpoint", endpoint, "--chunk", "10", "--t0", str(T0_NS), *options, KEY]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def measure(self, samples: NDArray[np.float64]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.writelines(f"{x:.9g}\n" for x in samples)
        self._process.stdin.flush()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def end(self, timeout_s: float = 120) -> tuple[int, str]:
        """Close the input; return the exit code and what was said."""
        _, said = self._process.communicate(timeout=timeout_s)
        return self._process.returncode, said

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def counted(said: str) -> dict[str, int]:
    match = re.search(r"(\d+) samples, (\d+) records sent, (\d+) of them again, (\d+) samples lost", said)
    assert match, said
    return dict(zip(("samples", "sent", "again", "lost"), map(int, match.groups()), strict=True))


def measured(n: int) -> NDArray[np.float64]:
    """Make samples whose sums are exact, now and then above 1."""
    return np.round(np.random.default_rng(3).normal(0, 0.6, n) * 64) / 64


def drained(subscriber: Subscriber, quiet_ms: int = 1500) -> list[Message]:
    return list(iter(lambda: subscriber.receive(quiet_ms), None))


def test_an_engine_gets_every_sample_once_through_cut_links(gateway: str) -> None:
    engine, x = Running(), measured(3000)
    with Cut(engine.ingest) as link, Subscriber(engine.live, engine.control, f"{KEY}/") as subscriber:
        subscriber.status()
        device = Device(gateway, link.endpoint)
        for part in np.split(x, 6):
            device.measure(part)
            time.sleep(0.2)
            link.cut()
            time.sleep(0.2)
            link.heal()
        code, said = device.end()
        heard = drained(subscriber)
        counts = subscriber.status(prefix=KEY)["keys"][KEY]
    engine.stop()
    assert code == 0, said
    assert counted(said) | {"sent": 0, "again": 0} == {"samples": 3000, "sent": 0, "again": 0, "lost": 0}
    waves = [m for m in heard if m.what == "wave"]
    assert [m.header.sample_index for m in waves] == list(range(0, 3000, 10))
    np.testing.assert_array_equal(np.concatenate([m.samples for m in waves if m.samples is not None])[:, 0], x)
    beats = [m.payload["t"] for m in heard if m.what == "beat"]
    assert beats == np.flatnonzero(x > 1).tolist()
    assert (counts["samples"], counts["gaps"], counts["ended"]) == (3000, 0, True)
    times = {m.header.sample_index: m.header.t_event_ns for m in waves}
    assert times[1000] == T0_NS + 4_000_000_000


def test_an_engine_that_is_killed_gets_the_unacknowledged_records_again(gateway: str, tmp_path: Path) -> None:
    x, engine = measured(4000), Served(tmp_path / "j.db", LIGHT)
    engine.start()
    where = engine.endpoints
    device = Device(gateway, where["ingest"], "--ack", "journaled")
    for part in np.split(x, 4):
        device.measure(part[:500])
        time.sleep(0.3)
        os.kill(engine.pid, signal.SIGSTOP)
        device.measure(part[500:])  # as much as credit allows is under way to nobody
        time.sleep(0.3)
        engine.kill()
        engine.start()
    code, said = device.end()
    with Subscriber(where["live"], where["control"], f"{KEY}/", catch_up=False) as subscriber:
        everything = {"from": 0, "to": 1 << 40}
        features, gaps = (
            [maps.unpack_payload(item[1]) for item in subscriber.request("REPLAY", topic=topic, **everything)["items"]]
            for topic in (f"{KEY}/feature/", f"{KEY}/gap/")
        )
    engine.kill()
    assert code == 0, said
    assert counted(said)["again"] > 0
    assert [each["features"][0]["value"] for each in features] == np.cumsum(x)[::250].tolist()
    assert [each["cause"] for each in gaps] == ["end"]


def test_missing_numbers_and_a_line_of_names_are_understood(gateway: str) -> None:
    engine = Running()
    with Subscriber(engine.live, engine.control, f"{KEY}/wave/") as subscriber:
        subscriber.status()
        device = subprocess.run(
            [gateway, "--endpoint", engine.ingest, "--labels", "II,V5", "--chunk", "2", KEY],
            input="II,V5\n0.5,1.5\n,2.5\nno,-1e-3\n0.25,7", capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        waves = drained(subscriber, 500)
    engine.stop()
    assert device.returncode == 0, device.stderr
    got = np.concatenate([m.samples for m in waves if m.samples is not None])
    expected = np.array([[0.5, 1.5], [np.nan, 2.5], [np.nan, -1e-3], [0.25, 7]], np.float32)
    np.testing.assert_array_equal(got, expected)
    assert waves[0].payload["channels"] == ["II", "V5"]


def test_a_full_spool_loses_its_oldest_and_says_so_in_one_gap(gateway: str) -> None:
    port = free_ports(1)[0]
    endpoint = f"tcp://127.0.0.1:{port}"
    player = subprocess.Popen(
        [gateway, "--endpoint", endpoint, "--play", "6", "--spool", "50", "--chunk", "10", KEY],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(3)  # 75 records; from then on nothing more is lost unless everything stands still for 2 s
    engine = Running(endpoint)
    with Subscriber(engine.live, engine.control, f"{KEY}/") as subscriber:
        _, said = player.communicate(timeout=60)
        heard = drained(subscriber, 500)
        counts = subscriber.status(prefix=KEY)["keys"][KEY]
    engine.stop()
    assert player.returncode == 0, said
    lost = counted(said)["lost"]
    # what is dropped before its acknowledgement is heard may have arrived all the same
    assert 100 < counts["lost"] <= lost
    assert (counts["gaps"] > 0, counts["undeclared_gap"]) == (True, 0)
    assert counts["samples"] + counts["lost"] == 1500
    assert [m.payload["cause"] for m in heard if m.what == "gap"][-1] == "end"


def test_keys_let_it_in_and_a_strangers_key_does_not(gateway: str, tmp_path: Path) -> None:
    locked = Locked(tmp_path)
    for name in ("board", "stranger"):
        made = locked.client(name, write=("icu/",)) if name == "board" else keys.make()
        keys.write(made, tmp_path / "keys", name)
    engine = Running(security=locked.security)
    options = ["--server-key", locked.engine.public, "--keys"]
    stranger = Device(gateway, engine.ingest, *options, str(tmp_path / "keys" / "stranger.key"))
    stranger.measure(measured(100))
    board = Device(gateway, engine.ingest, *options, str(tmp_path / "keys" / "board.key"))
    board.measure(measured(200))
    code, said = board.end()
    assert code == 0, said
    assert wait_for(lambda: engine.engine.counters()["handshakes_denied"] > 0)
    assert stranger.running
    stranger.kill()
    assert engine.engine.counters()["samples"] == 200
    engine.stop()


def test_it_follows_to_the_engine_that_has_the_stream(gateway: str) -> None:
    engine = Running()
    with Door(engine.ingest) as door:
        device = Device(gateway, door.endpoint)
        device.measure(measured(100))
        code, said = device.end()
    assert code == 0, said
    assert engine.engine.counters()["samples"] == 100
    engine.stop()
    assert [(o["type"], o["key"], o["rate"]) for o in door.opened] == [("OPEN", KEY, [250, 1])]


@pytest.mark.parametrize("pause_s", [0, 0.5], ids=["not acknowledged", "idle"])
def test_it_goes_home_when_the_engine_it_was_sent_to_is_gone(gateway: str, pause_s: float) -> None:
    """As where an engine is started again with another number of workers."""
    old, x = Running(), measured(200)
    with Door(old.ingest) as door:
        device = Device(gateway, door.endpoint)
        device.measure(x[:100])
        assert wait_for(lambda: old.engine.counters()["samples"] == 100)
        time.sleep(pause_s)
        old.stop()
        new = Running()
        door.to = [new.ingest]
        device.measure(x[100:])
        # and what the old one had not acknowledged
        assert wait_for(lambda: new.engine.counters()["samples"] >= 100, 30)
        code, said = device.end()
    new.stop()
    assert code == 0, said
    assert counted(said)["lost"] == 0


@pytest.fixture
def engine() -> Iterator[Running]:
    made = Running()
    yield made
    made.stop()


def test_a_refused_stream_ends_it_with_the_engines_words(gateway: str, engine: Running) -> None:
    code, said = Device(gateway, engine.ingest, "--kind", "acc").end()
    assert code == 1
    assert "this engine analyses" in said


def test_a_newer_producer_stops_it(gateway: str, engine: Running) -> None:
    older = Device(gateway, engine.ingest)
    older.measure(measured(100))
    assert wait_for(lambda: engine.engine.counters()["records"] == 10)
    newer = Device(gateway, engine.ingest)
    newer.measure(measured(100))
    assert wait_for(lambda: engine.engine.counters()["records"] == 20)
    older.measure(measured(100))
    code, said = older.end()
    assert code == 1
    assert "newer" in said or "is over" in said
    assert newer.end()[0] == 0


def test_what_it_can_not_do_is_answered_with_its_usage(gateway: str) -> None:
    assert subprocess.run([gateway], capture_output=True, text=True).returncode == 2
    wrong = subprocess.run([gateway, "--nonsense", "1", KEY], capture_output=True, text=True)
    assert (wrong.returncode, "--nonsense" in wrong.stderr) == (1, True)
