"""What a gateway holds of one stream: records that wait, records under way, and what is lost when both are full."""

import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from vitalcore.streams import wire
from vitalcore.streams.maps import Open
from vitalcore.streams.wire import Record

REWIND_NS = 200_000_000  # the same place is not gone back to more often
TRIES = 3  # of a record that arrives damaged

# seq, sample_index, samples it covers (lost ones if it is a GAP), record, handle it is spelled for
Entry = tuple[int, int, int, bytes | memoryview, int]


@dataclass(eq=False)
class Spool:
    """Hold the unacknowledged records of a stream, in order.

    handle : of the engine; 0 while the stream is not open there
    room   : bytes that may be held; beyond them samples are lost, and a GAP says which
    """

    opened: Open
    room: int
    handle: int = 0
    next_seq: int = 0
    next_index: int = 0
    sent: deque[Entry] = field(default_factory=deque)
    waiting: deque[Entry] = field(default_factory=deque)
    held: int = 0
    under_way: int = 0  # bytes
    credit_records: int = 0
    credit_bytes: int = 0
    acked_records: int = 0
    lost_samples: int = 0
    resent_records: int = 0
    error: str = ""
    asked_ns: int = 0
    heard_ns: int = 0
    ended: bool = False
    _lost: bool = False
    _back: tuple[int, int] = (-1, 0)
    _tries: tuple[int, int] = (-1, 0)

    def put(self, record: Record) -> bool:
        """Number and hold a record of new samples, behind a GAP if some before it were lost; tell if it is held."""
        n = len(record.values)
        size = wire.RECORD.size + record.values.nbytes + (0 if record.times is None else record.times.nbytes) + 8
        index = record.sample_index
        if self.held + size + wire.RECORD.size > self.room:
            self.lost_samples += n
            self._lost = True
            return False
        if self._lost or index > self.next_index:
            self._lost = False
            gap = wire.encode_record(self._gap(self.next_seq, index))
            self._hold((self.next_seq, self.next_index, index - self.next_index, gap, self.handle))
        spelled = Record(
            record.kind, self.opened.session, self.handle, self.next_seq, index, record.values, record.t0_ns,
            record.times, record.flags,
        )  # fmt: skip
        self._hold((self.next_seq, index, n, wire.encode_record(spelled), self.handle))
        self.ended |= record.kind == wire.END
        return True

    def fits(self, size: int) -> bool:
        """Tell whether a record of new samples can go out at once, behind nothing."""
        return (
            self.handle > 0
            and not self.waiting
            and not self._lost
            and len(self.sent) < self.credit_records
            and self.under_way + size <= self.credit_bytes
            and self.held + size <= self.room
        )

    def post(self, record: memoryview, n: int, now_ns: int) -> None:
        """Hold a record of n new samples that fits and is being sent."""
        seq, index, size = self.next_seq, self.next_index, len(record)
        if not self.sent:
            self.heard_ns = now_ns
        self.sent.append((seq, index, n, record, self.handle))
        self.held += size
        self.under_way += size
        self.next_seq, self.next_index = seq + 1, index + n

    def pull(self) -> bytes | memoryview | None:
        """Return the next record that credit allows to send, or None."""
        if not self.waiting or not self.handle or len(self.sent) >= self.credit_records:
            return None
        seq, index, n, record, handle = self.waiting[0]
        if self.under_way + len(record) > self.credit_bytes:
            return None
        if handle != self.handle:
            record = wire.readdress(bytes(record), self.handle, 0)
        self.waiting.popleft()
        if not self.sent:
            self.heard_ns = time.monotonic_ns()  # an engine is silent from when it owes an answer
        self.sent.append((seq, index, n, record, self.handle))
        self.under_way += len(record)
        return record

    def acknowledge(self, next_seq: int) -> None:
        """Let go of everything below a number."""
        sent, waiting = self.sent, self.waiting
        while sent and sent[0][0] < next_seq:
            size = len(sent.popleft()[3])
            self.held -= size
            self.under_way -= size
            self.acked_records += 1
        while waiting and waiting[0][0] < next_seq:
            self.held -= len(waiting.popleft()[3])
            self.acked_records += 1

    def rewind(self, next_seq: int, now_ns: int, again: bool = False) -> None:
        """Go back to a number: what was sent from there on waits again."""
        self.acknowledge(next_seq)
        place, at_ns = self._back
        if place == next_seq and now_ns - at_ns < REWIND_NS and not again:
            return
        self._back = next_seq, now_ns
        self.resent_records += len(self.sent)
        while self.sent:
            seq, index, n, record, handle = self.sent.pop()
            self.waiting.appendleft((seq, index, n, wire.readdress(bytes(record), handle, wire.RESEND), handle))
        self.under_way = 0

    def give_up(self, next_seq: int, now_ns: int, at_once: bool) -> None:
        """Go back to a refused record; send a GAP in its place if it was refused too often."""
        place, tries = self._tries
        self._tries = next_seq, tries + 1 if place == next_seq else 1
        if at_once or self._tries[1] >= TRIES:
            self.rewind(next_seq, now_ns, again=True)
            if self.waiting and self.waiting[0][0] == next_seq:
                seq, index, n, record, _ = self.waiting.popleft()
                gap = wire.encode_record(self._gap(seq, index + n))
                self.waiting.appendleft((seq, index, n, gap, self.handle))
                self.held += len(gap) - len(record)
                self.lost_samples += n if record[4] == wire.DATA else 0
        else:
            self.rewind(next_seq, now_ns)

    @property
    def oldest(self) -> tuple[int, int]:
        """Name the oldest record that can still be sent: its number and sample index."""
        for held in (self.sent, self.waiting):
            if held:
                return held[0][0], held[0][1]
        return self.next_seq, self.next_index

    def _gap(self, seq: int, resume: int) -> Record:
        dtype = wire.DTYPES[self.opened.dtype]
        values = np.empty((0, len(self.opened.channels)), dtype)
        return Record(wire.GAP, self.opened.session, self.handle, seq, resume, values)

    def _hold(self, entry: Entry) -> None:
        self.waiting.append(entry)
        self.held += len(entry[3])
        self.next_seq, self.next_index = entry[0] + 1, entry[1] + entry[2]
