"""What an entry says is what was put in."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from vitalcore.streams.journal import entries
from vitalcore.streams.journal.entries import Entry
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.maps import Channel, Open
from vitalcore.streams.protocol.wire import Record


def record(handle: int, seq: int, n: int = 3) -> bytes:
    return wire.encode_record(Record(wire.DATA, 7, handle, seq, seq * n, np.full((n, 1), seq, "<f4")))


def body(records: list[bytes]) -> bytes:
    data = np.frombuffer(b"".join(records), np.uint8)
    lengths = np.array([len(each) for each in records])
    return entries.spell_records(np.cumsum(lengths) - lengths, lengths, data)


def test_records_come_back_byte_for_byte() -> None:
    records = [record(1, 0), record(2, 0, 40), record(1, 1)]
    starts, stops, data = entries.read_records(body(records))
    assert [data[a:b].tobytes() for a, b in zip(starts, stops, strict=True)] == records
    assert entries.handles(starts, data).tolist() == [1, 2, 1]


def test_only_the_records_that_were_taken_are_spelled() -> None:
    records = [record(1, 0), record(2, 0, 40), record(1, 1)]
    data = np.frombuffer(b"".join(records), np.uint8)
    begin = np.array([0, len(records[0]) + len(records[1])])
    size = np.array([len(records[0]), len(records[2])])
    assert entries.spell_records(begin, size, data) == body([records[0], records[2]])


def test_an_open_comes_back_with_its_place_in_the_table() -> None:
    opened = Open("icu/p1/monitor/ecg", 7, "ecg", Fraction(125, 2), (Channel("II", "mV", 2.0, 1.0),), 3, meta={})
    fields = entries.read(entries.spell_open(opened, 5, 99, 3, None))
    assert fields["open"] == opened
    assert (fields["row"], fields["handle"], fields["owner"]) == (5, 99, 3)


def of(prefix: str) -> Callable[[str], bool]:
    return lambda key: key.startswith(prefix)


def test_what_is_taken_out_is_gone_and_the_rest_is_as_it_was() -> None:
    mine, other = record(1, 0), record(2, 0)
    entry = Entry(9, entries.RECORDS, 0, body([mine, other, mine]))
    assert entries.without(entry, {1}, of("icu/p1/")).body == body([other])
    assert entries.without(entry, {5}, of("icu/p1/")) == entry
    change = Entry(10, entries.ACKNOWLEDGED, 0, entries.spell(key="icu/p1/monitor/ecg", code=50))
    assert entries.without(change, set(), of("icu/p1/")) == Entry(10, entries.ERASED, 0, b"")
    assert entries.without(change, set(), of("icu/p12/")) == change
