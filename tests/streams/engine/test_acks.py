"""When acknowledgements are sent, and what they say."""

from fractions import Fraction

import numpy as np

from tests.streams.chain import Peaks
from tests.streams.conftest import Peer, Running
from tests.streams.engine.test_ingest import record
from vitalcore.streams.engine.acks import due, half_used
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.protocol.maps import Channel, Open
from vitalcore.streams.protocol.wire import Code


def test_good_records_are_acknowledged_cumulatively(peer: Peer) -> None:
    stream = peer.open()["stream"]
    for seq in range(5):
        peer.socket.send(record(stream, seq, 10 * seq))
    acks = peer.acks(lambda ack: ack.next_seq == 5)
    assert all(ack.code == 0 and ack.stream == stream for ack in acks)


def test_acknowledgements_are_due_at_half_the_credit_or_on_the_tick() -> None:
    held = Streams({"ecg": Peaks()}, 4, 1 << 20)
    stream = held.open(Open("icu/p1/monitor/ecg", 7, "ecg", Fraction(250), (Channel("II", "mV"),), 3), b"peer", 0)
    row = held.rows[stream.row]
    row["due"], row["next_seq"] = 1, int(row["credit_records"]) // 2 - 1
    touched = np.array([stream.row, stream.row])
    assert half_used(held.rows, touched).tolist() == [False, False]
    assert due(held.rows, None).tolist() == [stream.row]
    row["next_seq"] += 1
    assert half_used(held.rows, touched).tolist() == [True, True]
    assert due(held.rows, touched).tolist() == [stream.row]
    assert np.flatnonzero(held.rows["handle"] >= 0).tolist() == [stream.row]


def test_a_stopping_engine_says_so_to_every_gateway() -> None:
    running = Running()
    peer = Peer(running.ingest)
    try:
        stream = peer.open()["stream"]
        running.stop()
        refusal = peer.refusal()
        assert (refusal.code, refusal.stream) == (Code.SHUTTING_DOWN, stream)
    finally:
        peer.close()
