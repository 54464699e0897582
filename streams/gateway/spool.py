"""What a gateway holds of one session of a stream: records under way, records that wait, and what is lost of too many.

In memory, or behind one window on memory in a file (`Store`): the oldest wait in memory, what comes behind them lies on
disk only.
"""

import math
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from vitalcore.streams.gateway.link import Link
from vitalcore.streams.gateway.store import Entry, Store, Stored
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.maps import Open
from vitalcore.streams.protocol.wire import Record

REWIND_NS = 200_000_000  # the same place is not gone back to more often
TRIES = 3  # of a record that arrives damaged
WINDOW = 256  # records that wait in memory; further ones only lie in the file, if there is one
UNWRITTEN = 1 << 24  # bytes held in memory while the disk refuses them
SLAB = 16  # when there is no room, a 16th of it is made


@dataclass(eq=False, slots=True)
class Spool:
    """Hold the unacknowledged records of a session of a stream, in order.

    room     : bytes that may be held; beyond them the oldest samples that wait are lost, and a GAP says which. The
               newest record is always held
    store    : where records are kept beside; None: in memory only. number: of the session there
    base     : where the session begins, in samples of all sessions of its key
    shift    : what is added to the sample indices that the producer counts from its own start
    start    : index of the first sample; what lies before it was lost, or was sent in an earlier session
    since_ns : when the samples of the session before ended; 0 once a GAP has bridged the time since, or there was
               none. While it is not, start is at least 1
    link     : the connection that the stream is opened on; handle: of the engine, 0 while it is not open there
    former   : the session takes no more samples
    error    : why the engine refuses it, "" while it does not; refused: for good
    ask_ns   : when the engine may be asked for it again; heard_ns: when it was heard of last
    reopen   : records were lost that the engine waits for: OPEN must tell it where to go on
    """

    opened: Open
    room: int
    store: Store | None = None
    number: int = 0
    base: int = 0
    shift: int = 0
    start: int = 0
    since_ns: int = 0
    link: Link | None = None
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
    refused: bool = False
    ask_ns: int = 0
    heard_ns: int = 0
    ended: bool = False
    former: bool = False
    reopen: bool = False
    redirects: int = 0
    granted: tuple[str, str] = ("", "")  # acknowledgement and resume that OPEN_OK gave
    _last_ns: int = 0  # of a stream whose rate varies
    _out: int = 0  # number that may be sent next
    _on_disk: tuple[int, int] = (0, 0)  # numbers of the records that lie in the file only: from, below
    _tail: deque[Entry] = field(default_factory=deque)  # behind those, not written yet
    _tail_bytes: int = 0
    _generation: int = 0  # of the store, when the tail began
    _back: tuple[int, int] = (-1, 0)
    _tries: tuple[int, int] = (-1, 0)

    @classmethod
    def restore(cls, stored: Stored, room: int, store: Store, link: Link) -> "Spool":
        """Make the spool of what a former run left."""
        made = cls(stored.opened, room, store, stored.id, stored.base, link=link, former=True)
        made.next_seq, made.next_index, made.ended = stored.next_seq, stored.next_index, stored.ended
        made.held, made._on_disk = stored.n_bytes, (stored.first_seq, stored.next_seq)
        return made

    def put(self, record: Record) -> int:
        """Number and hold a record of new samples, behind a GAP where some are missing; return how many it cost."""
        n = len(record.values)
        size = wire.RECORD.size + record.values.nbytes + (0 if record.times is None else record.times.nbytes) + 8
        index = record.sample_index
        lost = 0
        if self.held + size + wire.RECORD.size > self.room:
            lost = self._shed(self.room - max(size + wire.RECORD.size, self.room // SLAB))
        if index > self.next_index:
            gap = wire.encode_record(self._gap(self.next_seq, index))
            self._hold((self.next_seq, self.next_index, index - self.next_index, gap, self.handle))
        spelled = Record(
            record.kind, self.opened.session, self.handle, self.next_seq, index, record.values, record.t0_ns,
            record.times, record.flags | self._flag,
        )  # fmt: skip
        self._hold((self.next_seq, index, n, wire.encode_record(spelled), self.handle))
        self.ended |= record.kind == wire.END
        if record.times is not None:
            self._last_ns = int(record.times[-1])
        return lost

    def end(self) -> None:
        """Hold an END: the session takes no more samples."""
        nothing = np.empty((0, len(self.opened.channels)), wire.DTYPES[self.opened.dtype])
        self.put(Record(wire.END, 0, 0, 0, max(self.next_index, self.start), nothing))

    def fits(self, size: int) -> bool:
        """Tell whether a record of new samples can go out at once, behind nothing."""
        return (
            self.handle > 0
            and not self.waiting
            and (self.store is None or not self._behind)
            and self.next_index >= self.start
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
        if self.store is not None:
            self._keep(self.sent[-1])
        self.held += size
        self.under_way += size
        self.next_seq, self.next_index, self._out = seq + 1, index + n, seq + 1

    def pull(self) -> bytes | memoryview | None:
        """Return the next record that credit allows to send, or None."""
        if not self.handle or len(self.sent) >= self.credit_records or not (self.waiting or self._refill()):
            return None
        seq, index, n, record, handle = self.waiting[0]
        if seq != self._out:
            # what lies between is lost: once all before it is acknowledged, OPEN tells the engine to go on behind it
            self.reopen = not self.sent
            return None
        if self.under_way + len(record) > self.credit_bytes:
            return None
        if handle != self.handle:
            record = wire.readdress(bytes(record), self.handle, self._flag)
        self.waiting.popleft()
        if not self.sent:
            self.heard_ns = time.monotonic_ns()  # an engine is silent from when it owes an answer
        self.sent.append((seq, index, n, record, self.handle))
        self.under_way += len(record)
        self._out = seq + 1
        return record

    def acknowledge(self, next_seq: int) -> None:
        """Let go of everything below a number."""
        sent, waiting = self.sent, self.waiting
        acked = self.acked_records
        while sent and sent[0][0] < next_seq:
            size = len(sent.popleft()[3])
            self.held -= size
            self.under_way -= size
            self.acked_records += 1
        while (waiting or (self._behind and next_seq > self._out and self._refill())) and waiting[0][0] < next_seq:
            self.held -= len(waiting.popleft()[3])
            self.acked_records += 1
        self._out = max(self._out, next_seq)
        if self.store is not None and self.acked_records != acked:
            self.store.drop(self.number, min(next_seq, self.next_seq), self.empty)

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
        self._out = next_seq

    def give_up(self, next_seq: int, now_ns: int, at_once: bool) -> None:
        """Go back to a refused record; send a GAP in its place if it was refused too often."""
        place, tries = self._tries
        self._tries = next_seq, tries + 1 if place == next_seq else 1
        if at_once or self._tries[1] >= TRIES:
            self.rewind(next_seq, now_ns, again=True)
            if self.waiting and self.waiting[0][0] == next_seq:
                gone = self.waiting.popleft()
                self.held -= len(gone[3])
                self._replace([gone])
        else:
            self.rewind(next_seq, now_ns)

    def expire(self, oldest: float) -> int:
        """Lose what waits and ends before a place (`position`); return how many samples."""
        return self._shed(math.inf, oldest)

    def position(self, entry: Entry) -> float:
        """Return where a record ends, in s: on the time line of all sessions of the key, or by its own times."""
        if self.opened.rate is None and entry[3][4] == wire.GAP:
            return -math.inf  # as old as what comes behind it
        if self.opened.rate is None:
            return int.from_bytes(entry[3][40:48], "little", signed=True) / 1e9
        return float((self.base + entry[1] + entry[2]) / self.opened.rate)

    @property
    def end_s(self) -> float:
        """Tell where the last sample ends, as `position` does."""
        if self.opened.rate is None:
            return self._last_ns / 1e9
        return float((self.base + self.next_index) / self.opened.rate)

    @property
    def empty(self) -> bool:
        """Tell whether everything is acknowledged."""
        return not (self.sent or self.waiting or self._behind)

    @property
    def n_records(self) -> int:
        """Count the records held."""
        return len(self.sent) + len(self.waiting) + len(self._tail) + self._on_disk[1] - self._on_disk[0]

    @property
    def oldest(self) -> tuple[int, int]:
        """Name the oldest record that can still be sent: its number and sample index."""
        if not self.sent:
            self._refill()
        for held in (self.sent, self.waiting):
            if held:
                return held[0][0], held[0][1]
        return self.next_seq, self.next_index

    @property
    def _behind(self) -> bool:
        """Tell whether records lie behind those in the window."""
        return bool(self._tail) or self._on_disk[0] < self._on_disk[1]

    def _hold(self, entry: Entry) -> None:
        if self.store is None:
            self.waiting.append(entry)
        else:
            self._settle()
            if self._behind or len(self.waiting) >= WINDOW:
                self._tail.append(entry)
                self._tail_bytes += len(entry[3])
                self._generation = self.store.generation
            else:
                self.waiting.append(entry)
            self._keep(entry)
            if self._tail_bytes > UNWRITTEN:
                self._shorten()
        self.held += len(entry[3])
        self.next_seq, self.next_index = entry[0] + 1, entry[1] + entry[2]

    def _keep(self, entry: Entry) -> None:
        assert self.store is not None
        if not self.number:
            self.number = self.store.open(self.opened, self.base)
        self.store.add(self.number, entry)

    def _settle(self) -> None:
        """Let go of the tail if it has been written."""
        if self._tail and self.store is not None and self.store.generation > self._generation:
            first, below = self._tail[0][0], self._tail[-1][0] + 1
            self._on_disk = (self._on_disk[0] if self._on_disk[0] < self._on_disk[1] else first), below
            self._tail.clear()
            self._tail_bytes = 0

    def _refill(self) -> bool:
        """Bring what lies behind an empty window into it; tell whether there is something."""
        if self.waiting or self.store is None:
            return bool(self.waiting)
        self._settle()
        first, below = self._on_disk
        if first < below:
            read = self.store.fetch(self.number, first, below, WINDOW)
            if not read:
                # the file has lost them: a GAP leads to the next record that is there
                seq, index = self._tail[0][:2] if self._tail else (self.next_seq, self.next_index)
                self.lost_samples += seq - first  # at least: how many samples they held is not known any more
                read = [(seq - 1, index, 0, wire.encode_record(self._gap(seq - 1, index)), self.handle)]
                self.held = sum(len(each[3]) for each in (*self.sent, *read, *self._tail))
            self.waiting.extend(read)
            self._on_disk = read[-1][0] + 1, below
        else:
            while self._tail and len(self.waiting) < WINDOW:
                self.waiting.append(self._tail.popleft())
                self._tail_bytes -= len(self.waiting[-1][3])
        return bool(self.waiting)

    def _shed(self, room: float, oldest: float = -math.inf) -> int:
        """Lose the oldest that wait until `room` is enough and none is older; return how many samples."""
        gone: list[Entry] = []
        while self.waiting or self._refill():
            entry = self.waiting[0]
            if (self.held <= room and self.position(entry) >= oldest) or entry[3][4] == wire.END:
                break
            gone.append(self.waiting.popleft())
            self.held -= len(entry[3])
        if len(gone) == 1 and gone[0][3][4] == wire.GAP:
            self.held += len(gone[0][3])
            self.waiting.appendleft(gone.pop())
        return self._replace(gone) if gone else 0

    def _shorten(self) -> None:
        """Lose the older half of a tail that the disk refuses for too long."""
        gone: list[Entry] = []
        while self._tail_bytes > UNWRITTEN // 2:
            gone.append(self._tail.popleft())
            self._tail_bytes -= len(gone[-1][3])
            self.held -= len(gone[-1][3])
        gap = self._gap_for(gone)
        self._tail.appendleft(gap)
        self._tail_bytes += len(gap[3])
        self.held += len(gap[3])
        assert self.store is not None
        self.store.discard(self.number, gone[0][0], gap[0])
        self.store.add(self.number, gap)

    def _replace(self, gone: list[Entry]) -> int:
        """Put a GAP in the place of records that were taken from the window; return the samples lost."""
        before = self.lost_samples
        gap = self._gap_for(gone)
        self.waiting.appendleft(gap)
        self.held += len(gap[3])
        if self.store is not None:
            self.store.discard(self.number, gone[0][0], gap[0])
            self.store.add(self.number, gap)
        return self.lost_samples - before

    def _gap_for(self, gone: list[Entry]) -> Entry:
        first, last = gone[0], gone[-1]
        resume = last[1] + last[2]
        self.lost_samples += _samples(gone)
        return last[0], first[1], resume - first[1], wire.encode_record(self._gap(last[0], resume)), self.handle

    def _gap(self, seq: int, resume: int) -> Record:
        dtype = wire.DTYPES[self.opened.dtype]
        values = np.empty((0, len(self.opened.channels)), dtype)
        return Record(wire.GAP, self.opened.session, self.handle, seq, resume, values, flags=self._flag)

    @property
    def _flag(self) -> int:
        return wire.BACKFILL if self.opened.backfill else 0


def _samples(entries: Iterable[Entry]) -> int:
    return sum(n for _, _, n, record, _ in entries if record[4] == wire.DATA)
