"""Lines, frames and records of a device: what becomes of them, good or bad."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitalcore.errors import ParameterError
from vitalcore.streams.gateway import feeds
from vitalcore.streams.gateway.device import Device, parse
from vitalcore.streams.gateway.feeds import feed
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.wire import Record

NOW_NS = 1_800_000_000_000_000_000


class Sink:
    """Stand in for a gateway: note what is sent."""

    def __init__(self) -> None:
        self.opened: list[tuple[Any, ...]] = []
        self.sent: list[dict[str, Any]] = []
        self.ended: list[int] = []

    def open(self, *what: Any) -> int:
        self.opened.append(what)
        return len(self.opened) - 1

    def send(self, stream: int, values: Any, sample_index: int | None = None, t0_ns: int = 0, times: Any = None,
             flags: int = 0) -> int:  # fmt: skip
        if values.shape[1] != len(self.opened[stream][3]):
            raise ParameterError("another number of channels")
        what = {"stream": stream, "x": values, "index": sample_index, "t0": t0_ns, "times": times, "flags": flags}
        self.sent.append(what)
        return 0

    def end(self, stream: int) -> None:
        self.ended.append(stream)

    def values(self, stream: int = 0) -> list[float]:
        return [v for one in self.sent if one["stream"] == stream for v in one["x"][:, 0].tolist()]


def device(input_: str = "", stream: str = "columns = [1]\nfs_hz = 250") -> Device:
    text = f'[input]\nfrom = "stdin"\n{input_}\n'
    for k, each in enumerate(stream.split("---")):
        text += f'[[stream]]\nkey = "a/b/c/s{k}"\nkind = "ecg"\nunit = "mV"\n{each}\n'
    return parse(text, Path("my.toml"))


def run(made: Device, *chunks: bytes) -> tuple[Sink, feeds.Feed]:
    sink = Sink()
    fed = feed(made, sink)  # type: ignore[arg-type]  # stands in for a gateway
    for chunk in chunks:
        fed.take(chunk, NOW_NS)
    fed.finish()
    return sink, fed


def same(a: list[float], b: list[float]) -> bool:
    return np.array_equal(a, b, equal_nan=True)


def test_lines_become_samples_however_they_are_cut() -> None:
    text = b"".join(b"%d,%d\n" % (k, -k) for k in range(100))
    both = "columns = [1]\nfs_hz = 250\n---columns = [2]\nfs_hz = 250"
    for cut in (1, 2, 7, 1000):
        sink, fed = run(device("", both), *(text[a : a + cut] for a in range(0, len(text), cut)))
        assert sink.values(0) == list(range(100))
        assert sink.values(1) == [-k for k in range(100)]
        assert fed.bad == 0
    assert sink.sent[0]["t0"] == NOW_NS - 100 * 4_000_000


def test_columns_are_found_by_their_names_wherever_they_stand() -> None:
    sink, fed = run(device("", 'columns = ["II", "V1"]\nfs_hz = 250'), b'# made by me\nt,"V1",x,II\n0,1,2,3\n')
    assert sink.sent[0]["x"].tolist() == [[3.0, 1.0]]
    assert [channel.label for channel in sink.opened[0][3]] == ["II", "V1"]
    assert fed.bad == 0


def test_names_that_nobody_asked_for_in_the_first_line_are_passed_over() -> None:
    sink, fed = run(device(), b"ecg\n1\n2\n")
    assert (sink.values(), fed.bad) == ([1, 2], 0)


def test_a_missing_field_is_a_missing_sample_and_the_others_stand() -> None:
    sink, fed = run(device("", "columns = [1, 2]\nfs_hz = 250"), b"1,2\n,3\n4\n,\n5,nan\n")
    nan = math.nan
    want = np.array([[1, 2], [nan, 3], [4, nan], [nan, nan], [5, nan]], np.float64)
    assert np.array_equal(np.concatenate([one["x"] for one in sink.sent]), want, equal_nan=True)
    assert fed.bad == 0


def test_a_bad_line_is_counted_keeps_its_place_and_stops_nothing() -> None:
    sink, fed = run(device(), b"1\n2\nx7\n4\n\xff\xfe\n6\n")
    assert same(sink.values(), [1, 2, math.nan, 4, math.nan, 6])
    assert fed.bad == 2
    assert "x7" in fed.first_bad


def test_a_line_without_end_is_dropped_and_counted() -> None:
    sink, fed = run(device(), b"1\n", b"9" * (feeds.MAX_LINE + 1), b"\n2\n")
    assert fed.bad == 1
    assert sink.values()[0] == 1
    assert sink.values()[-1] == 2


def test_a_last_line_without_end_counts() -> None:
    assert run(device(), b"1\n2")[0].values() == [1, 2]


def test_decimal_commas_are_read_where_they_do_not_separate() -> None:
    assert run(device('separator = ";"'), b"1,5;2\n2.5;3\n")[0].values() == [1.5, 2.5]


def test_times_show_lost_lines_as_a_jump_of_the_index() -> None:
    lines = b"".join(b"%.3f,%d\n" % (k / 250, k) for k in range(100) if not 40 <= k < 60)
    sink, fed = run(device("time = 1", "columns = [2]\nfs_hz = 250"), lines)
    assert [(one["index"], len(one["x"])) for one in sink.sent] == [(0, 40), (60, 40)]
    assert [one["t0"] for one in sink.sent] == [NOW_NS, NOW_NS + 60 * 4_000_000]
    assert fed.bad == 0


def test_times_since_1970_are_taken_as_they_are_and_a_step_back_loses_nothing() -> None:
    lines = b"1700000000000000000,1\n1700000000004000000,2\n1600000000000000000,3\n"
    sink, _ = run(device('time = 1\ntime_unit = "ns"', "columns = [2]\nfs_hz = 250"), lines)
    assert sink.values() == [1, 2, 3]
    assert sink.sent[0]["t0"] == 1_700_000_000_000_000_000


def test_without_a_rate_each_sample_carries_its_time_and_times_only_rise() -> None:
    lines = b"t,x\n1.0,1\n1.5,2\n1.5,3\n2.0,4\n,5\n"
    made = device('time = "t"', 'columns = ["x"]')
    sink, fed = run(made, lines)
    assert sink.values() == [1, 2, 4]
    assert np.diff(sink.sent[0]["times"]).tolist() == [500_000_000, 500_000_000]
    assert fed.bad == 2
    assert made.lanes[0].fs_hz is None


FRAMES = np.zeros(50, [("sync", "u1", (2,)), ("a", "<i2", (2,)), ("b", "<f4", (1,))])
FRAMES["sync"], FRAMES["a"][:, 0], FRAMES["b"][:, 0] = (0xA5, 0x5A), np.arange(50), np.arange(50) / 2
BINARY = 'channels = 2\nfs_hz = 250\ndtype = "i16"\n---fs_hz = 250\ndtype = "f32"'


def test_frames_become_samples_however_they_are_cut() -> None:
    data = FRAMES.tobytes()
    for cut in (1, 3, 64, 1000):
        made = device('format = "binary"\nsync = "a5 5a"', BINARY)
        sink, fed = run(made, *(data[a : a + cut] for a in range(0, len(data), cut)))
        assert sink.values(0) == list(range(50))
        assert sink.values(1) == [k / 2 for k in range(50)]
        assert fed.bad == 0


def test_lost_bytes_spoil_one_frame_and_are_told_as_a_discontinuity() -> None:
    data = FRAMES.tobytes()
    sink, fed = run(device('format = "binary"\nsync = "a5 5a"', BINARY), data[:203] + data[207:])
    assert sink.values(0) == [*range(20), *range(21, 50)]
    assert fed.bad == 1
    flags = [one["flags"] for one in sink.sent if one["stream"] == 0]
    assert flags == [0, wire.DISCONTINUITY, 0]


def test_frames_without_sync_are_cut_by_their_size() -> None:
    sink, _ = run(device('format = "binary"', 'channels = 1\nfs_hz = 250\ndtype = "i16"'), b"\1\0\2", b"\0\3\0")
    assert sink.values() == [1, 2, 3]


def record(index: int, n: int = 5, kind: int = wire.DATA, **more: Any) -> bytes:
    values = np.arange(index, index + n, dtype="<f4")[:, None] if kind == wire.DATA else np.zeros((0, 1), "<f4")
    return wire.encode_record(Record(kind, 0, more.pop("stream", 0), 0, index, values, **more))


def test_records_are_sent_on_with_their_gaps_and_times() -> None:
    data = record(1000, t0_ns=7) + record(1010) + record(1015, kind=wire.END)
    for cut in (1, 50, 1000):
        made = device('format = "records"', "fs_hz = 250")
        sink, fed = run(made, *(data[a : a + cut] for a in range(0, len(data), cut)))
        assert [(one["index"], one["t0"]) for one in sink.sent] == [(0, 7), (10, 0)]
        assert sink.ended == [0]
        assert fed.bad == 0


def test_bad_records_are_counted_and_the_next_good_one_is_found() -> None:
    good = [record(k * 5) for k in range(4)]
    damaged = bytearray(good[1])
    damaged[70] ^= 1
    huge = bytearray(good[1])
    huge[52:56] = b"\xff\xff\xff\x7f"
    stray = record(0, stream=5)
    data = b"noise" + good[0] + bytes(damaged) + bytes(huge) + stray + good[2] + good[3] + good[0][:80]
    sink, fed = run(device('format = "records"', "fs_hz = 250"), data)
    assert [one["index"] for one in sink.sent] == [0, 10, 15]
    assert fed.bad >= 4


def test_a_device_that_counts_anew_goes_on_behind_a_discontinuity() -> None:
    sink, _ = run(device('format = "records"', "fs_hz = 250"), record(100) + record(105) + record(0) + record(5))
    assert [(one["index"], one["flags"]) for one in sink.sent] == [(0, 0), (5, 0), (10, 2), (15, 0)]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_in_nothing_is_raised(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = [
        device(),
        device('time = 1\nseparator = ";"', "columns = [2, 3]\nfs_hz = 62.5"),
        device('time = "t"', 'columns = ["x"]'),
        device('format = "binary"\nsync = "a5 5a"', BINARY),
        device('format = "records"', "fs_hz = 250"),
    ]
    assert kinds[1].lanes[0].fs_hz == Fraction(125, 2)
    alphabets = [list(b"0123456789.,;\n-e"), list(range(256)), list(b"VCD1\n\xa5\x5a\0,t x")]
    for made in kinds:
        alphabet = alphabets[rng.integers(3)]
        run(made, *(bytes(rng.choice(alphabet, 500).astype(np.uint8)) for _ in range(10)))
