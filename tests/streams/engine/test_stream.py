"""What is lost of a stream, and what a backlog may still bring of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.streams.conftest import Peer, Running
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.wire import Code

KEY = "icu/p1/monitor/ecg"


def counts(control: Peer) -> dict[str, tuple[int, int]]:
    """Ask what is lost and pending: of each stream, and "" of all."""
    answer = control.ask("STATUS", prefix="icu/")
    return {key: (row["lost"], row["pending"]) for key, row in answer["keys"].items()} | {
        "": (answer["lost"], answer["pending"])
    }


def test_a_backlog_is_pending_until_it_has_come_and_lost_as_far_as_it_does_not(
    running: Running, peer: Peer, control: Peer
) -> None:
    def open_(**fields: Any) -> int:
        answer = peer.open(KEY, resume="live_first", **fields)
        return int(answer["stream"])

    def send(session: int, stream: int, seq: int, index: int, kind: int = wire.DATA, flags: int = 0) -> None:
        values = np.zeros((10 if kind == wire.DATA else 0, 1), np.float32)
        peer.socket.send(wire.encode_record(wire.Record(kind, session, stream, seq, index, values, flags=flags)))
        peer.acks(lambda ack: ack.stream == stream and ack.next_seq == seq + 1)

    first = open_(session=1)
    send(1, first, 0, 0)
    second = open_(session=2, backlog=[1, 10, 50])
    assert counts(control)[KEY] == (0, 0)
    send(2, second, 0, 45, wire.GAP)  # 5 more than the backlog holds
    assert counts(control) == {KEY: (5, 40), "": (5, 40)}
    back = open_(session=1, backfill=True, first_seq=1, first_index=10)
    send(1, back, 1, 10, flags=wire.BACKFILL)
    assert counts(control)[KEY] == (5, 30)
    send(1, back, 2, 30, flags=wire.BACKFILL)  # 10 lost on the way: here no more
    assert counts(control) == {KEY: (5, 10), f"{KEY}/backfill": (10, 0), "": (15, 10)}
    send(1, back, 3, 40, wire.END, wire.BACKFILL)  # and 10 never come
    assert counts(control) == {KEY: (15, 0), f"{KEY}/backfill": (10, 0), "": (25, 0)}
    open_(session=3)
    assert counts(control)[""] == (25, 0)


def test_a_backlog_stays_pending_while_the_next_one_waits_behind_it(
    running: Running, peer: Peer, control: Peer
) -> None:
    def send(session: int, stream: int, seq: int, index: int, kind: int = wire.DATA, n: int = 10) -> None:
        flags = wire.BACKFILL if stream in back else 0
        values = np.zeros((n if kind == wire.DATA else 0, 1), np.float32)
        peer.socket.send(wire.encode_record(wire.Record(kind, session, stream, seq, index, values, flags=flags)))
        peer.acks(lambda ack: ack.stream == stream and ack.next_seq == seq + 1)

    def open_(**fields: Any) -> int:
        return int(peer.open(KEY, resume="live_first", **fields)["stream"])

    back: set[int] = set()
    send(1, open_(session=1), 0, 0)
    second = open_(session=2, backlog=[1, 10, 110])
    send(2, second, 0, 100, wire.GAP)
    send(2, second, 1, 100)
    back.add(first := open_(session=1, backfill=True, first_seq=1, first_index=10))
    send(1, first, 1, 10, n=30)
    assert counts(control)[""] == (0, 70)
    third = open_(session=3, backlog=[2, 110, 150])  # another outage: 70 of the first backlog wait, and 40 of this one
    send(3, third, 0, 40, wire.GAP)
    assert counts(control)[KEY] == counts(control)[""] == (0, 110)
    back.add(first := open_(session=1, backfill=True, first_seq=2, first_index=40))
    send(1, first, 2, 40, n=60)
    assert counts(control)[""] == (0, 50)
    send(1, first, 3, 100, wire.END)  # without its last 10
    assert counts(control)[""] == (10, 40)
    back.add(second := open_(session=2, backfill=True, first_seq=2, first_index=110))
    send(2, second, 2, 110, n=40)
    send(2, second, 3, 150, wire.END)
    assert counts(control)[KEY] == (0, 0)
    assert counts(control)[""] == (10, 0)


def test_what_is_pending_is_kept_by_a_journal(tmp_path: Path) -> None:
    before = {}
    for k in range(2):
        running = Running(journal=Journal(tmp_path / "j.db"))
        peer, control = Peer(running.ingest), Peer(running.control)
        if k == 0:
            stream = int(peer.open(KEY, session=2, backlog=[1, 10, 50])["stream"])
            nothing = np.empty((0, 1), np.float32)
            peer.socket.send(wire.encode_record(wire.Record(wire.GAP, 2, stream, 0, 40, nothing)))
            peer.acks(lambda ack: ack.next_seq == 1)
            back = int(peer.open(KEY, session=1, backfill=True, first_seq=1, first_index=10)["stream"])
            values = np.zeros((10, 1), np.float32)
            peer.socket.send(wire.encode_record(wire.Record(wire.DATA, 1, back, 1, 10, values, flags=wire.BACKFILL)))
            peer.acks(lambda ack: ack.next_seq == 2)
            before = counts(control)
        else:
            assert counts(control)[KEY] == before[KEY] == (0, 30)
        for each in (peer, control):
            each.close()
        running.stop()


@pytest.mark.parametrize("backlog", [[1, 2], 7, [1, 5, 4], [-1, 0, 1], [1, 0, 1 << 54]])
def test_a_backlog_that_breaks_its_rule_is_refused(peer: Peer, backlog: object) -> None:
    assert peer.open(KEY, backlog=backlog)["code"] == Code.BAD_MESSAGE
