"""The gateway and the subscriber in JavaScript: from one to the other through an engine, whatever goes wrong."""

import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from benchmarks.faults.cut import Cut
from benchmarks.faults.engine import free_ports
from tests.examples.test_c import KEY, T0_NS, counted, measured
from tests.streams.conftest import Door, Running, bind, wait_for
from tests.streams.locked import Locked
from vitalcore.streams.protocol import keys, maps, wire

FOLDER = Path(__file__).parents[2] / "examples" / "node"
INSTALL_S = 120
TOPIC = f"{KEY}/beat/"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder in which the examples run: npm ci has been there."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no Node with npm")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < (20, 15):
        pytest.skip(f"Node is {version.strip()}; the examples need 20.15")
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    if not (folder / "node_modules").is_dir():
        try:
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            got = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S)
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm ci has not ended in {INSTALL_S} s")
        if got.returncode:
            pytest.skip(f"npm ci reaches no registry: {got.stderr.strip().splitlines()[-1]}")
    return folder


@pytest.mark.parametrize("name", ["wire", "gateway", "subscriber"])
def test_node_can_read_it(name: str) -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no Node")
    read = subprocess.run(["node", "--check", str(FOLDER / f"{name}.mjs")], capture_output=True, text=True)
    assert read.returncode == 0, read.stderr


def test_the_lock_file_names_every_package_and_no_host() -> None:
    locked = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert {f"node_modules/{name}" for name in wanted} < set(locked)
    packages = {name: package for name, package in locked.items() if name}
    assert all("integrity" in package and "resolved" not in package for package in packages.values())


class Program:
    """Run one of the examples."""

    def __init__(self, node: Path, name: str, *options: str) -> None:
        self._process = subprocess.Popen(
            ["node", f"{name}.mjs", *options], cwd=node,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def write(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def wait_until_ready(self) -> None:
        assert self._process.stderr is not None
        patience = threading.Timer(60, self._process.kill)
        patience.start()
        said = self._process.stderr.readline()
        patience.cancel()
        assert said == "subscriber: ready\n"

    def end(self) -> tuple[int, list[dict[str, Any]], str]:
        """Close its input; return the exit code, the lines of JSON and what was said beside them."""
        out, said = self._process.communicate(timeout=120)
        return self._process.returncode, [json.loads(line) for line in out.splitlines()], said

    def interrupt(self) -> tuple[int, list[dict[str, Any]], str]:
        self._process.send_signal(signal.SIGINT)
        return self.end()


def heard(said: str) -> dict[str, int]:
    return {name: int(n) for n, name in re.findall(r"(\d+) (\w+)", said)}


def subscribed(engine: Running, prefix: str) -> Callable[[], bool]:
    return lambda: prefix.encode() in engine.engine._live.readers._subscriptions


def test_what_the_gateway_measures_the_subscriber_hears_through_cut_links(node: Path) -> None:
    engine, x = Running(), measured(2000)
    with Cut(engine.ingest) as up, Cut(engine.live) as down:
        where = [("--live", live, "--control", engine.control) for live in (down.endpoint, engine.live)]
        # a wave that nobody wants just then is not kept: who wants them all has a whole link
        hearing, seeing = (
            Program(node, "subscriber", *each, f"{KEY}/{what}/")
            for each, what in zip(where, ("beat", "wave"), strict=True)
        )
        for each, what in ((hearing, "beat"), (seeing, "wave")):
            each.wait_until_ready()
            assert wait_for(subscribed(engine, f"{KEY}/{what}/"), 30)
        gateway = Program(node, "gateway", "--endpoint", up.endpoint, "--chunk", "20", "--t0", str(T0_NS), KEY)
        for i in range(0, 2000, 500):
            if i:  # what was said before a subscriber knows a topic, nobody tells it
                down.cut()
                time.sleep(0.1)
            gateway.write("".join(f"{value:.9g}\n" for value in x[i : i + 240]))
            assert wait_for(lambda taken=i + 240: engine.engine.counters()["samples"] >= taken, 30)  # type: ignore[misc]
            down.heal()
            up.cut()
            gateway.write("".join(f"{value:.9g}\n" for value in x[i + 240 : i + 500]))
            time.sleep(0.3)
            up.heal()
        code, _, said = gateway.end()
        assert code == 0, said
        assert counted(said)["lost"] == 0
        time.sleep(3)  # two heartbeats name what got lost last
        _, beats, told = hearing.interrupt()
        _, waves, _ = seeing.interrupt()
    counters = engine.engine.counters()
    engine.stop()
    assert (counters["samples"], counters["gaps"]) == (2000, 0)
    assert heard(told)["missed"] == heard(told)["damaged"] == 0, told
    assert heard(told)["replayed"] > 0
    assert [line["index"] for line in waves] == list(range(0, 2000, 20))
    np.testing.assert_array_equal(np.concatenate([line["samples"] for line in waves]), x)
    assert [line["payload"]["t"] for line in beats] == np.flatnonzero(x > 1).tolist()
    assert int(waves[50]["tEventNs"]) == T0_NS + 4_000_000_000


def test_who_comes_late_begins_with_the_last_word_of_each_topic(node: Path) -> None:
    engine = Running()
    code, _, said = Program(node, "gateway", "--endpoint", engine.ingest, "--play", "3", KEY).end()
    assert code == 0, said
    where = ("--live", engine.live, "--control", engine.control)
    _, lines, _ = Program(node, "subscriber", *where, "--quiet", "2", f"{KEY}/").end()
    engine.stop()
    assert {line["topic"].split("/")[-2] for line in lines} == {"beat", "feature", "gap"}
    assert all(line["replayed"] for line in lines)
    assert [line["payload"]["cause"] for line in lines if line["topic"].endswith("/gap/")] == ["end"]


class Faulty:
    """Be an engine that says things twice, damaged, or not at all."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.ports = free_ports(2)
        self.bind()

    def bind(self) -> None:
        self.live, self.control = self._context.socket(zmq.XPUB), self._context.socket(zmq.ROUTER)
        for socket, port in zip((self.live, self.control), self.ports, strict=True):
            bind(socket, port)

    def unbind(self) -> None:
        for socket in (self.live, self.control):
            socket.close(0)

    def spell(self, seq: int, flags: int = 0, what: str = "beat") -> tuple[bytes, bytes]:
        payload: bytes = msgpack.packb({"code": "heart_beat", "t": float(seq)})
        times = T0_NS + seq, T0_NS + seq, T0_NS + seq
        return wire.encode_live(wire.LiveHeader(what, seq, seq, *times, flags), payload), payload

    def say(self, *seqs: int, damage: bool = False) -> None:
        for seq in seqs:
            header, payload = self.spell(seq)
            self.live.send_multipart([TOPIC.encode(), header, payload[:-1] + b"?" if damage else payload])

    def asked(self, type_: str) -> tuple[bytes, dict[str, Any]]:
        while True:
            assert self.control.poll(20_000), f"nobody asks {type_}"
            identity, message = self.control.recv_multipart()
            fields = maps.unpack(message)
            if fields["type"] == type_:
                return identity, fields

    def answer(self, identity: bytes, **fields: Any) -> None:
        self.control.send_multipart([identity, msgpack.packb(fields)])

    def close(self) -> None:
        self.unbind()
        self._context.term()


def test_after_a_cut_it_asks_whether_an_alarm_has_ended(node: Path) -> None:
    engine, topic = Faulty(), TOPIC.replace("beat", "alarm")
    live, control = (f"tcp://127.0.0.1:{port}" for port in engine.ports)
    program = Program(node, "subscriber", "--live", live, "--control", control, "--quiet", "4", f"{KEY}/")
    who, fields = engine.asked("SNAPSHOT")
    item = [topic, *engine.spell(5, wire.REPLAYED, "alarm")]
    engine.answer(who, type="SNAPSHOT_OK", id=fields["id"], items=[item], more=False)
    program.wait_until_ready()
    engine.unbind()
    engine.bind()
    who, fields = engine.asked("REPLAY")
    assert (fields["topic"], fields["from"], fields["to"]) == (topic, 6, (1 << 63) - 1)
    items = [list(engine.spell(6, wire.REPLAYED, "alarm"))]
    engine.answer(who, type="REPLAY_OK", id=fields["id"], topic=topic, items=items, newest=6, more=False)
    code, lines, told = program.end()
    engine.close()
    assert code == 0
    assert [line["seq"] for line in lines] == [5, 6]
    assert heard(told)["missed"] == 0


def test_what_an_engine_says_once_more_behind_a_hole_does_not_close_the_hole(node: Path) -> None:
    engine = Faulty()
    live, control = (f"tcp://127.0.0.1:{port}" for port in engine.ports)
    program = Program(node, "subscriber", "--live", live, "--control", control, "--quiet", "4", f"{KEY}/")
    who, fields = engine.asked("SNAPSHOT")
    while engine.live.poll(2000):
        engine.live.recv()
    item = [TOPIC, *engine.spell(5, wire.REPLAYED)]
    engine.answer(who, type="SNAPSHOT_OK", id=fields["id"], items=[item], more=False)
    program.wait_until_ready()
    engine.say(8, 8, 9)
    who, fields = engine.asked("REPLAY")
    items = [list(engine.spell(seq, wire.REPLAYED)) for seq in (6, 7)]
    engine.answer(who, type="REPLAY_OK", id=fields["id"], topic=TOPIC, items=items, newest=9, more=False)
    code, lines, told = program.end()
    engine.close()
    assert code == 0
    assert [line["seq"] for line in lines] == [5, 6, 7, 8, 9]
    assert (heard(told)["missed"], heard(told)["duplicates"]) == (0, 1)


def test_damaged_doubled_and_lost_messages_are_told_apart(node: Path) -> None:
    engine = Faulty()
    live, control = (f"tcp://127.0.0.1:{port}" for port in engine.ports)
    program = Program(node, "subscriber", "--live", live, "--control", control, "--quiet", "4", f"{KEY}/")
    who, fields = engine.asked("SNAPSHOT")
    assert fields["prefix"] == f"{KEY}/"
    while engine.live.poll(2000):
        engine.live.recv()
    engine.say(5, 6)  # while it joins: what comes at or below the snapshot's number is dropped
    item = [TOPIC, *engine.spell(5, wire.REPLAYED)]
    engine.answer(who, type="SNAPSHOT_OK", id=fields["id"], items=[item], more=False)
    engine.say(7, 7)
    engine.say(8, damage=True)
    engine.say(9, 12)
    rounds = (((8, 8), (8,), False), ((10, 11), (10,), True), ((11, 11), (), False), ((11, 11), (), False))
    for newest, (wanted, filled, more) in zip((8, 10, 10, 12), rounds, strict=True):  # 10: 11 may still be said
        who, fields = engine.asked("REPLAY")
        assert (fields["topic"], fields["from"], fields["to"]) == (TOPIC, *wanted)
        items = [list(engine.spell(seq, wire.REPLAYED)) for seq in filled]
        answer = {"topic": TOPIC, "items": items, "newest": newest, "more": more}
        engine.answer(who, type="REPLAY_OK", id=fields["id"], **answer)
    code, lines, told = program.end()
    engine.close()
    assert code == 0
    assert [line["seq"] for line in lines] == [5, 6, 7, 8, 9, 10, 12]
    counts = heard(told)
    assert (counts["damaged"], counts["missed"], counts["duplicates"]) == (1, 1, 2)


def test_the_gateway_follows_redirects_and_asks_again_where_it_began_if_nobody_answers_there(node: Path) -> None:
    engine, x = Running(), measured(100)
    with Door("tcp://127.0.0.1:9", engine.ingest) as door:
        gateway = Program(node, "gateway", "--endpoint", door.endpoint, KEY)
        gateway.write("".join(f"{value:.9g}\n" for value in x))
        code, _, said = gateway.end()
    samples = engine.engine.counters()["samples"]
    engine.stop()
    assert code == 0, said
    assert (samples, counted(said)["lost"]) == (100, 0)
    assert [opened["key"] for opened in door.opened[:2]] == [KEY, KEY]


def test_the_gateway_goes_home_when_the_engine_it_was_sent_to_is_gone_while_there_was_nothing_to_say(
    node: Path,
) -> None:
    old, x = Running(), measured(200)
    with Door(old.ingest) as door:
        gateway = Program(node, "gateway", "--endpoint", door.endpoint, "--chunk", "10", KEY)
        gateway.write("".join(f"{value:.9g}\n" for value in x[:100]))
        assert wait_for(lambda: old.engine.counters()["samples"] == 100, 30)
        time.sleep(0.5)
        old.stop()
        new = Running()
        door.to = [new.ingest]
        gateway.write("".join(f"{value:.9g}\n" for value in x[100:]))
        assert wait_for(lambda: new.engine.counters()["samples"] >= 100, 30)
        code, _, said = gateway.end()
    new.stop()
    assert code == 0, said
    assert counted(said)["lost"] == 0


def test_keys_let_both_in(node: Path, tmp_path: Path) -> None:
    locked = Locked(tmp_path)
    board = locked.client("board", write=("icu/",), read=("icu/",))
    private, _ = keys.write(board, tmp_path / "keys", "board")
    engine = Running(security=locked.security)
    own = ("--keys", str(private), "--server-key", locked.engine.public)
    where = ("--live", engine.live, "--control", engine.control)
    subscriber = Program(node, "subscriber", *where, *own, f"{KEY}/")
    subscriber.wait_until_ready()
    assert wait_for(subscribed(engine, f"{KEY}/"), 30)
    code, _, said = Program(node, "gateway", "--endpoint", engine.ingest, *own, "--play", "2", KEY).end()
    assert code == 0, said
    time.sleep(1)
    _, lines, _ = subscriber.interrupt()
    assert sum(len(line["samples"]) for line in lines if line["topic"].endswith("/wave/")) == 500
    assert engine.engine.counters()["samples"] == 500
    engine.stop()


def test_a_refused_stream_ends_the_gateway_with_the_engines_words(node: Path) -> None:
    engine = Running()
    code, _, said = Program(node, "gateway", "--endpoint", engine.ingest, "--kind", "acc", KEY).end()
    engine.stop()
    assert code == 1
    assert "this engine analyses" in said
