"""The streams of an engine: places, credit and handles are given and taken back."""

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.streams.chain import Peaks
from vitalcore.alarms import Book, shipped
from vitalcore.operators.ecg import Ecg
from vitalcore.operators.face import Face
from vitalcore.streams.engine.streams import IDLE_NS, Streams
from vitalcore.streams.protocol.maps import Channel, Open
from vitalcore.streams.protocol.wire import Code, Refusal

OPENED = Open("icu/p1/monitor/ecg", 7, "ecg", Fraction(250), (Channel("II", "mV", 2.0, 1.0),), 3)


def streams(limit: int = 4, memory: int = 1 << 20) -> Streams:
    return Streams({"ecg": Peaks(), "face": Peaks()}, limit, memory)


def test_all_that_was_given_is_given_back() -> None:
    held = streams()
    before = held._memory
    for _ in range(10):
        stream = held.open(OPENED, b"peer", 0)
        assert held.by_key == {stream.key: stream}
        held.forget(stream)
    assert (held.by_key, held.owners, held._memory, len(held._free)) == ({}, {}, before, 4)
    assert sum(len(table.ward) for table in held.tables) == 0
    assert len(held.tables) == 1


def test_a_handle_is_never_that_of_the_stream_before_in_its_row() -> None:
    held = streams(1)
    handles = set()
    for k in range(20):
        stream = held.open(replace(OPENED, session=k), b"peer", 0)
        handles.add(int(held.rows[0]["handle"]))
        assert held.rows[0]["handle"] & 0xFFFF == stream.row == 0
    assert len(handles) == 20


def test_a_stream_silent_for_long_gives_way_and_a_live_one_does_not() -> None:
    held = streams(2)
    held.open(OPENED, b"peer", 0)
    held.open(replace(OPENED, key="icu/p2/monitor/ecg"), b"peer", IDLE_NS)
    with pytest.raises(Refusal) as refused:
        held.open(replace(OPENED, key="icu/p3/monitor/ecg"), b"peer", IDLE_NS)
    assert refused.value.code == Code.FULL
    held.open(replace(OPENED, key="icu/p3/monitor/ecg"), b"peer", IDLE_NS + 1)
    assert set(held.by_key) == {"icu/p2/monitor/ecg", "icu/p3/monitor/ecg"}


def test_numbers_of_topics_go_on_over_sessions() -> None:
    held = streams()
    stream = held.open(OPENED, b"peer", 0)
    assert stream.topic("beat") == b"icu/p1/monitor/ecg/beat/"
    stream.counts["beat"] = 12
    again = held.open(replace(OPENED, session=8), b"peer", 0)
    assert (again.counts["beat"], again.base) == (12, 0)


def test_faces_of_every_known_detector_are_told_apart_by_their_number_of_points() -> None:
    held = Streams({"face": Face()}, 4, 1 << 24)
    opened = replace(OPENED, kind="face", rate=None)
    for k, points in enumerate((68, 468, 478)):
        held.open(replace(opened, key=f"icu/p{k}/camera/face", channels=(Channel(),) * (3 * points)), b"peer", 0)
    assert [table.columns for table in held.tables] == [205, 1405, 1435]
    with pytest.raises(Refusal, match="1434"):
        held.open(replace(opened, key="icu/p9/camera/face", channels=(Channel(),) * 9), b"peer", 0)


def test_other_limits_reach_the_open_streams_whose_own_nobody_has_changed() -> None:
    held = Streams({"ecg": Ecg()}, 4, 1 << 24, shipped())
    plain, changed = (held.open(replace(OPENED, key=f"icu/{name}/monitor/ecg"), b"peer", 0) for name in "ab")
    assert changed.limits is not None
    held.configure(changed, changed.limits.changed({"heart_rate_high_per_min": 150}), own=True)
    adult = shipped().of().changed({"heart_rate_high_per_min": 131})
    fresh = Book({"adult": adult}, "adult", {})
    assert list(held.rebook(fresh)) == [plain]
    assert plain.limits == adult
    assert changed.limits.heart_rate_high_per_min == 150
    follower = held.open(replace(OPENED, key=changed.key, session=8), b"peer", 0)
    assert list(held.rebook(shipped())) == [plain]
    assert follower.limits == changed.limits
    assert list(held.rebook(fresh)) == [plain]
    later = held.open(replace(OPENED, key="icu/c/monitor/ecg"), b"peer", 0)
    assert later.limits == adult
    assert list(held.rebook(fresh)) == []
