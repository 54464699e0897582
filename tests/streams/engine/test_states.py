"""A stream that is put back is the stream that was saved."""

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.streams.chain import Peaks
from vitalcore.errors import SnapshotError
from vitalcore.streams.engine import states
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.protocol.maps import Channel, Open

OPENED = Open("icu/p1/monitor/ecg", 7, "ecg", Fraction(250), (Channel("II", "mV", 2.0, 1.0),), 3, meta={})


def table() -> Streams:
    return Streams({"ecg": Peaks()}, 8, 1 << 24)


def test_a_stream_comes_back_with_its_numbers_clock_messages_and_place() -> None:
    held = table()
    for i in range(2):
        held.open(replace(OPENED, key=f"icu/p{i}/monitor/ecg"), b"peer", 0)
    stream = held.open(replace(OPENED, key="icu/p7/monitor/ecg"), b"peer", 0)
    stream.topic("beat")
    stream.counts["beat"] = 9
    stream.recent["beat"].append((8, b"header", b"payload"))
    assert stream.clock is not None
    stream.clock.update(0, 10**18)
    row = held.rows[stream.row]
    row["next_seq"], row["next_index"], row["samples"] = 5, 50, 50
    other = table()
    back, handle, owner = states.restore(other, states.spell(held, stream), 0)
    assert (back.key, back.row, back.opened, back.counts) == (stream.key, stream.row, stream.opened, stream.counts)
    assert list(back.recent["beat"]) == [(8, b"header", b"payload")]
    assert back.clock is not None
    assert back.clock.offset_ns == stream.clock.offset_ns
    numbers = other.rows[back.row]
    assert [int(numbers[name]) for name in ("next_seq", "next_index", "samples", "durable_seq")] == [5, 50, 50, 5]
    assert (int(numbers["handle"]), int(numbers["owner"])) == (-1, -1)
    assert (handle, owner) == (int(row["handle"]), int(row["owner"]))
    assert other.memory(back) == held.memory(stream)
    assert states.spell(other, back)[-50:] == states.spell(held, stream)[-50:]


def test_a_state_of_another_version_is_refused_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    held = table()
    state = states.spell(held, held.open(OPENED, b"peer", 0))
    monkeypatch.setattr(states, "version", lambda: "9")
    states._print.cache_clear()
    other = table()
    with pytest.raises(SnapshotError, match="another version"):
        states.restore(other, state, 0)
    assert other.by_key == {}
    monkeypatch.undo()
    states._print.cache_clear()
    states.restore(other, state, 0)
