"""The spool of a gateway: what is held, what goes back, what is given up."""

from fractions import Fraction

import numpy as np

from vitalcore.streams.gateway.spool import TRIES, Spool
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.maps import Channel, Open
from vitalcore.streams.protocol.wire import Record


def spool(n: int = 0, room: int = 1 << 16) -> Spool:
    made = Spool(Open("a/b/c/d", 7, "ecg", Fraction(250), (Channel(),), 3), room)
    made.handle, made.credit_records, made.credit_bytes = 65537, 8, 1 << 16
    for k in range(n):
        assert made.put(samples(10 * k)) == 0
    return made


def samples(index: int, n: int = 10) -> Record:
    return Record(wire.DATA, 7, 0, 0, index, np.full((n, 1), index, "<f4"))


def pulled(from_: Spool) -> list[Record]:
    found = []
    while (message := from_.pull()) is not None:
        found += [r for r in wire.decode_records(bytes(message)) if isinstance(r, Record)]
    return found


def test_records_are_numbered_and_no_more_go_out_than_credit_allows() -> None:
    held = spool(12)
    assert [r.seq for r in pulled(held)] == list(range(8))
    held.acknowledge(3)
    assert [r.seq for r in pulled(held)] == [8, 9, 10]
    assert held.oldest == (3, 30)


def test_what_is_sent_again_says_so_and_carries_the_new_handle() -> None:
    held = spool(4)
    pulled(held)
    held.handle = 99
    held.rewind(1, 10**9)
    again = pulled(held)
    assert [(r.seq, r.stream, r.flags) for r in again] == [(k, 99, wire.RESEND) for k in (1, 2, 3)]
    assert again[0].values[0, 0] == 10


def test_many_refusals_of_one_burst_send_it_again_once() -> None:
    held = spool(4)
    pulled(held)
    for k in range(3):
        held.rewind(1, 10**9 + k)
        pulled(held)
    assert held.resent_records == 3


def test_a_jump_and_an_overflow_become_one_gap_record() -> None:
    held = spool(2)
    held.put(samples(50))
    kinds = [(r.kind, r.sample_index) for r in pulled(held)]
    assert kinds == [(wire.DATA, 0), (wire.DATA, 10), (wire.GAP, 50), (wire.DATA, 50)]


def test_when_there_is_no_room_the_oldest_are_lost_as_one_gap_and_open_tells_where_to_go_on() -> None:
    small = spool(room=350)
    assert [small.put(samples(10 * k)) for k in range(6)] == [0, 0, 10, 10, 10, 10]
    assert small.lost_samples == 40
    assert not pulled(small)
    assert small.reopen
    assert small.oldest == (3, 0)
    small.rewind(3, 10**9)  # as OPEN_OK makes it
    assert [(r.kind, r.seq, r.sample_index) for r in pulled(small)] == [
        (wire.GAP, 3, 40),
        (wire.DATA, 4, 40),
        (wire.DATA, 5, 50),
    ]


def test_what_is_under_way_is_never_lost_for_room() -> None:
    small = spool(2, room=350)
    assert len(pulled(small)) == 2
    assert [small.put(samples(10 * k)) for k in range(2, 6)] == [0, 10, 10, 10]
    assert small.pull() is None
    assert not small.reopen
    small.acknowledge(2)
    assert small.pull() is None
    assert small.reopen
    assert small.oldest == (4, 20)


def test_a_record_refused_too_often_is_replaced_by_a_gap() -> None:
    held = spool(2)
    last = pulled(held)
    for k in range(TRIES):
        held.give_up(0, (k + 1) * 10**9, at_once=False)
        last = pulled(held)
    assert [(r.kind, r.seq, r.sample_index) for r in last] == [(wire.GAP, 0, 10), (wire.DATA, 1, 10)]
    assert held.lost_samples == 10


def test_held_bytes_return_to_zero() -> None:
    held = spool(20)
    while held.waiting:
        pulled(held)
        held.rewind(held.oldest[0], 10**12 + held.oldest[0] * 10**9)
        pulled(held)
        held.acknowledge(held.oldest[0] + 3)
    held.acknowledge(20)
    assert (held.held, held.under_way, held.acked_records) == (0, 0, 20)
