"""Noise on the line: hostile bytes beside a good stream, and a link that doubles, cuts, flips and loses.

The engine is turned by hand, in this thread: what it would raise is raised here. Everything goes over its real sockets.
"""

import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgpack
import numpy as np
import zmq
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seed_of
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.faults.rows import Row
from tests.streams.chain import Peaks
from tests.streams.frames import MANIFEST, frame
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.wire import Record
from vitalcore.streams.subscriber import Subscriber

ANY = "tcp://127.0.0.1:*"
FS_HZ = 250
CHUNK = 10  # samples
BATCH = 25  # hostile messages between two good records
T0_NS = 1_700_000_000_000_000_000
CHUNK_NS = 1_000_000_000 // FS_HZ * CHUNK
GOOD, THINNED, BAD = "good/p1/m/ecg", "good/p2/m/ecg", "bad/p1/m/ecg"
SESSION = 7
WAIT_S = 30.0
SETTLE_S = 1.0

Found = dict[tuple[str, int], tuple[Any, ...]]


class Hall:
    """Run an engine turn by turn, with a gateway, a stranger on ingest and one on control, and hear what it says.

    found : what was said of the good streams, by topic and number, without the times that differ from run to run
    """

    def __init__(self) -> None:
        self.engine = Engine(ANY, ANY, ANY, chains={"ecg": Peaks(), "face": Peaks()}, max_streams=4096)
        ends = self.engine.endpoints
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._good, self._bad, self._control = (self._dealer(ends[n]) for n in ("ingest", "ingest", "control"))
        self._subscriber = Subscriber(ends["live"], ends["control"], "good/", catch_up=False)
        self.found: Found = {}
        self.sent = self.asked = self.answered = self.refused = 0
        self._wait(lambda: bool(self.engine._live.readers._subscriptions))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._subscriber.close()
        self._context.destroy(0)
        self.engine.close()

    def open(self, key: str, good: bool = True) -> int:
        """Open a stream; return its handle."""
        before = self.engine._streams.by_key.get(key)
        opened = maps.Open(key, SESSION, "ecg", Fraction(FS_HZ), (maps.Channel("II", "mV"),), 3)
        self.send(maps.write_open(opened), good)
        self.turn()
        stream = self.engine._streams.by_key[key]
        assert stream is not before
        return int(self.engine._streams.rows[stream.row]["handle"])

    def send(self, message: bytes, good: bool = True) -> None:
        """Send to ingest."""
        (self._good if good else self._bad).send(message)
        self.sent += 1

    def ask(self, message: bytes) -> None:
        """Send to control."""
        self._control.send(message)
        self.asked += 1

    def turn(self) -> None:
        """Let the engine work on all that was sent, and hear what it says."""
        ingest = self.engine._ingest
        self._wait(lambda: ingest.counters()["messages"] == self.sent and self.answered == self.asked)

    def settle(self) -> None:
        """Hear what is under way, and ask again for what got lost."""
        for _ in self.engine._live.heartbeat():
            pass
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            heard = len(self.found)
            self._turn()
            if len(self.found) > heard:
                end = time.monotonic() + SETTLE_S

    def _wait(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{self.sent} messages sent, {self.asked} asked: the engine has not come to an end")
            self._turn()
        self._turn()

    def _turn(self) -> None:
        self.engine._live.readers.work()
        while self.engine._ingest.work():
            pass
        self.engine._ingest.acks.acknowledge()
        while self.engine._control.work():
            pass
        while self._control.poll(0):
            self._control.recv()
            self.answered += 1
        for gateway in (self._good, self._bad):
            while gateway.poll(0):
                gateway.recv()
        while (message := self._subscriber.receive(0)) is not None:
            header = message.header
            said = {name: value for name, value in message.payload.items() if name != "t_arrival_ns"}
            body = repr(sorted(said.items())), None if message.samples is None else message.samples.tobytes()
            times = header.sample_index, header.t_event_ns, header.t_known_ns
            self.found[message.topic, header.topic_seq] = *times, *body

    def _dealer(self, endpoint: str) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.DEALER)
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.SNDHWM, 0)
        socket.connect(endpoint)
        return socket


def good_record(handle: int, seq: int, chunk: int, x: NDArray[np.float32]) -> bytes:
    """Spell a record of a signal, [n, 1]."""
    values, t0_ns = x[chunk * CHUNK : (chunk + 1) * CHUNK], T0_NS + chunk * CHUNK_NS
    return wire.encode_record(Record(wire.DATA, SESSION, handle, seq, chunk * CHUNK, values, t0_ns))


def signal(records: int, seed: int = 3) -> NDArray[np.float32]:
    """Make a signal in which about one of six samples is a beat of the test chain, [n, 1]."""
    return np.random.default_rng(seed).normal(0, 1, (records * CHUNK, 1)).astype(np.float32)


_RECORDS = [frame(name) for name, entry in MANIFEST.items() if entry["what"] == "records"]
_REQUESTS: tuple[dict[str, Any], ...] = (
    {"type": "HELLO", "client": "x", "versions": [1]},
    {"type": "OPEN", "key": BAD, "session": 8, "kind": "ecg", "rate": [250, 1], "channels": [{}], "dtype": "f32"},
    {"type": "OPEN", "key": "bad/p2/m/face", "session": 1, "kind": "face", "channels": [{"count": 9}], "dtype": "i16"},
    {"type": "CREDIT", "key": BAD},
    {"type": "PING", "t1": 0},
    {"type": "SNAPSHOT", "prefix": "bad/", "after": ""},
    {"type": "STATUS", "prefix": ""},
    {"type": "REPLAY", "topic": f"{BAD}/beat/", "from": 0, "to": 9},
    {"type": "CONFIG", "key": BAD, "limits": {"pause_s": 2.0}},
    {"type": "ALARM_ACK", "key": BAD, "code": "asystole"},
    {"type": "ERASE", "key": BAD},
)
_FIELDS = sorted(
    {name for request in _REQUESTS for name in request} | {"id", "meta", "first_seq", "first_index", "ack"}
)
_NUMBERS = (0, 1, -1, 1 << 31, 1 << 32, 1 << 53, (1 << 63) - 1, -(1 << 63), (1 << 64) - 1, 0.5, 1e308, float("nan"))
_TEXTS = ("", BAD, "bad//m/ecg", f"{BAD}\n", "/", "\0", "\u202e", "x" * 400, "f32", "f64", "ecg", "face", "OPEN")
_VALUES: tuple[Any, ...] = (
    *(None, True, b"", b"x" * 9, float("-inf"), msgpack.ExtType(5, b"x"), msgpack.Timestamp(0)),
    *_NUMBERS,
    *_TEXTS,
    *([], [[]], {}, {"": None}, [None] * 40, [1 << 31, 1], [0, 0], [-1, 1], [1, 1 << 63], [1.5, 1], [250]),
    *([{"count": n}] for n in _NUMBERS),
    *([{"scale": n, "offset": n}] for n in _NUMBERS),
    *([{"unit": text, "label": text}] * 2 for text in _TEXTS),
    *({"pause_s": n, "heart_rate_high_per_min": n} for n in _NUMBERS),
)


def hostile(recipe: bytes, handle: int) -> bytes:
    """Make a message as the bytes of a recipe say: bytes as they are, a request or records, each spoiled."""
    numbers = iter(recipe[1:])
    what = recipe[0] % 8 if recipe else 0
    if what == 0:
        return recipe[1:]
    if what > 3:
        return b"".join(_record(numbers, handle) for _ in range(1 + (what == 7) * 3))
    request = dict(_REQUESTS[next(numbers, 0) % len(_REQUESTS)])
    for _ in range(next(numbers, 0) % 4):
        name, value = _FIELDS[next(numbers, 0) % len(_FIELDS)], next(numbers, 0)
        request[name] = _VALUES[value] if value < len(_VALUES) else int.from_bytes(islice(numbers, 7), "big")
    message: bytes = msgpack.packb(request)
    return message[: next(numbers, 0)] if what == 3 else message


def _record(numbers: Iterator[int], handle: int) -> bytes:
    """Set, flip, insert, remove or cut off bytes of a golden record for a stream that is open, and perhaps sign it."""
    made = bytearray(_RECORDS[next(numbers, 0) % len(_RECORDS)])
    if len(made) >= wire.RECORD.size:
        made[8:20] = struct.pack("<QI", SESSION, handle)
    how = next(numbers, 0)
    for _ in range(how >> 1 & 3):
        edit, at, value = next(numbers, 0), next(numbers, 0), next(numbers, 0)
        at %= len(made) or 1
        if edit % 8 == 0:
            del made[at:]
        elif edit % 8 == 1 or not made:
            made[at:at] = bytes([value])
        elif edit % 8 == 2:
            del made[at : at + 1 + value % 16]
        else:
            made[at] = value if edit % 2 else made[at] ^ 1 << value % 8
    if how & 1 and len(made) >= wire.RECORD.size:
        length, size = struct.unpack_from("<H", made, 6)[0], struct.unpack_from("<I", made, 52)[0]
        crc = zlib.crc32(made[length : length + size], zlib.crc32(made[: wire.CRC_AT]))
        struct.pack_into("<I", made, wire.CRC_AT, crc)
    return bytes(made)


def malformed(examples: int, number: int = 0) -> Row:
    """Send hostile messages to ingest and control, and a good stream beside; compare it with a run without them."""
    clean = calm(examples)
    disturbed, refused = _disturbed(examples, number)
    differ = sum(clean.get(key) != disturbed.get(key) for key in clean.keys() | disturbed.keys())
    result = f"{refused:,} records refused, no crash; {differ} of {len(clean):,} messages of the good stream differ"
    bad = differ + (len(clean) < examples // BATCH)
    return Row("malformed messages on ingest and control", examples, result, bad, "no crash, others bit-identical")


class Play:
    """Send a record of the good stream after every batch of hostile messages, or without them.

    examples  : of hostile messages, that there will be
    disturbed : they are really sent
    """

    def __init__(self, hall: Hall, examples: int, disturbed: bool) -> None:
        self._hall, self._disturbed = hall, disturbed
        self._x = signal(examples // BATCH)
        self._handle, self._theirs = hall.open(GOOD), hall.open(BAD, good=False)
        self._batch: list[bytes] = []
        self._seq = 0

    def take(self, recipe: bytes) -> None:
        """Send one; with the last one of a batch the good record, and let the engine work on all."""
        hall = self._hall
        if not self._batch and self._disturbed:
            # the one before is in quarantine by now
            self._theirs = hall.open(f"bad/q{self._seq}/m/ecg", good=False)
        message = hostile(recipe, self._theirs)
        if self._disturbed:
            hall.send(message, good=False)
            hall.ask(message)
        self._batch.append(message)
        if len(self._batch) == BATCH:
            hall.send(good_record(self._handle, self._seq, self._seq, self._x))
            try:
                hall.turn()
            except Exception as error:
                error.add_note("after one of " + " ".join(each.hex() for each in self._batch))
                raise
            self._batch.clear()
            self._seq += 1


def calm(examples: int) -> Found:
    """Return what the good stream says without hostile messages."""
    with Hall() as hall:
        play = Play(hall, examples, disturbed=False)
        for _ in range(examples):
            play.take(b"")
        hall.settle()
        return hall.found


def _disturbed(examples: int, number: int) -> tuple[Found, int]:
    """Return what it says beside them, and how many records were refused."""
    with Hall() as hall:
        quiet = settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        )
        play = Play(hall, examples, disturbed=True)
        quiet(seed_of(number)(given(st.binary(min_size=16, max_size=48))(play.take)))()
        hall.settle()
        return hall.found, hall.engine.counters()["refused"]


def spoiled(records: int, number: int = 0) -> Row:
    """Double, cut and flip 1 % each on the way; of a second stream lose 1 % before that, half of it declared."""
    rng = random.Random(number)
    lost = {seq for seq in range(1, records - 1) if rng.random() < 0.01}
    done: dict[str, int] = {"doubled": 0, "cut short": 0, "flipped": 0}
    clean, wrong = _thinned(records, lost, None, done)
    disturbed, also_wrong = _thinned(records, lost, rng, done)
    differ = sum(clean.get(key) != disturbed.get(key) for key in clean.keys() | disturbed.keys())
    gaps = sorted(body[0] for (topic, _), body in disturbed.items() if topic == f"{THINNED}/gap/")
    runs = sorted((k + 1) * CHUNK for k in lost if k + 1 not in lost)
    bad = differ + wrong + also_wrong + (gaps != runs) + (len(clean) < records // 2)
    bad += any(topic == f"{GOOD}/gap/" for topic, _ in disturbed)
    what = ", ".join(f"{n:,} {name}" for name, n in done.items())
    result = (
        f"{what}: {differ} of {len(clean):,} messages differ; {len(lost):,} records lost, told in {len(gaps):,} gaps"
    )
    return Row("records doubled, cut short, flipped, lost, 1 % each", records, result, bad, "equal; each loss a gap")


def _thinned(records: int, lost: set[int], rng: random.Random | None, done: dict[str, int]) -> tuple[Found, int]:
    """Send a stream whole, disturbed if `rng` is given, and one without what is lost; count samples wrongly missing."""
    x = signal(records)
    with Hall() as hall:
        whole, thinned = hall.open(GOOD), hall.open(THINNED)
        seq = 0
        for k in range(records):
            message = good_record(whole, k, k, x)
            if rng is not None:
                _disturb(hall, message, rng, done)
            hall.send(message)
            if k not in lost:
                hall.send(good_record(thinned, seq, k, x))
                seq += 1
            elif k % 2 and k + 1 not in lost:
                nothing = np.zeros((0, 1), np.float32)
                hall.send(wire.encode_record(Record(wire.GAP, SESSION, thinned, seq, (k + 1) * CHUNK, nothing)))
                seq += 1
            if k % BATCH == BATCH - 1:
                hall.turn()
        hall.settle()
        streams = hall.engine._streams
        missing = [int(streams.rows[streams.by_key[key].row]["lost"]) for key in (GOOD, THINNED)]
        return hall.found, missing[0] + abs(missing[1] - CHUNK * len(lost))


def _disturb(hall: Hall, message: bytes, rng: random.Random, done: dict[str, int]) -> None:
    """Perhaps send a message once more before its time, or damaged; a gateway sends it again, which is what follows."""
    chance = rng.random()
    if chance < 0.01:
        done["doubled"] += 1
        hall.send(message)
    elif chance < 0.02:
        done["cut short"] += 1
        hall.send(message[: rng.randrange(len(message))])
    elif chance < 0.03:
        done["flipped"] += 1
        at = rng.randrange(8 * len(message))
        flipped = bytearray(message)
        flipped[at // 8] ^= 1 << at % 8
        hall.send(bytes(flipped))


def guided(runs: int) -> Row:
    """Let atheris look for malformed messages by the code that they reach, in a process of its own, interpreted."""
    what, target = "malformed messages, found by coverage", "no crash, others bit-identical"
    if find_spec("atheris") is None:
        return Row(what, 0, "not done: atheris is not installed", 0, target)
    command = [sys.executable, "-m", "benchmarks.faults.guided", f"-runs={runs}", "-max_len=48", "-seed=1"]
    with tempfile.TemporaryDirectory() as folder:  # where it leaves an input that breaks something
        done = subprocess.run([*command, f"-artifact_prefix={folder}/"], capture_output=True, text=True, check=False)
        broken = [path.read_bytes().hex() for path in Path(folder).iterdir()]
    reached = re.findall(r"cov: (\d+)", done.stderr)
    result = f"{reached[-1] if reached else 0} places of the code reached"
    if done.returncode:
        result += f"; ended with {done.returncode} after {broken}: {done.stderr.strip().splitlines()[-1]}"
    return Row(what, runs, result, int(done.returncode != 0), target)


def run(long: bool) -> Iterator[Row]:
    """Do it all; hypothesis gets its million in portions, since it remembers what it has tried."""
    for number in range(50 if long else 1):
        yield malformed(20_000, number)
    yield guided(1_000_000 if long else 20_000)
    yield spoiled(100_000)
