"""What a journal holds: sessions of streams, their records in order, what is missing between them, and results."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgpack
import numpy as np

from vitalcore.kernels.wire.records import STREAM
from vitalcore.streams.journal import entries
from vitalcore.streams.journal.archive import Archive
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.maps import Open
from vitalcore.streams.protocol.wire import Record

NO_T_NS = 1 << 63


@dataclass
class Session:
    """Hold what a journal has of one session of a stream.

    first, next_ : index of its first sample, and of the one after its last
    from_ns, to_ns : time of its first and last record: the stream's, or that of arrival where it states none
    missing        : what should be there and is not, one line each
    """

    opened: Open
    next_seq: int | None = None
    first: int = -1
    next_: int = 0
    records: int = 0
    samples: int = 0
    size_bytes: int = 0
    from_ns: int = NO_T_NS
    to_ns: int = 0
    ended: bool = False
    missing: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name it in a line."""
        return f"{self.opened.name} session {self.opened.session}"

    def take(self, record: Record, size: int, t_ns: int) -> None:
        """Count the next record.

        t_ns : of its arrival
        """
        if self.next_seq is not None and record.seq > self.next_seq:
            self.miss(self.next_seq, record.seq, record.sample_index)
        t_ns = record.t0_ns if 0 < record.t0_ns < 1 << 62 else t_ns
        self.first = record.sample_index if self.first < 0 else self.first
        self.next_seq, self.next_ = record.seq + 1, record.sample_index + len(record.values)
        self.records, self.samples = self.records + 1, self.samples + len(record.values)
        self.size_bytes += size
        self.from_ns, self.to_ns = min(self.from_ns, t_ns), max(self.to_ns, t_ns)
        self.ended = record.kind == wire.END

    def miss(self, seq: int, stop: int, index: int) -> None:
        """Note records seq to stop - 1 as missing; what comes next is the sample `index`."""
        samples = f"samples {self.next_} to {index - 1}" if index > self.next_ else "no samples"
        after = f", after {utc(self.to_ns)}" if self.to_ns else ""
        self.missing.append(f"{self.name}: records {seq} to {stop - 1} are missing ({samples}{after})")


@dataclass
class Results:
    """Hold what a journal has of the results of one topic."""

    topic: str
    count: int = 0
    size_bytes: int = 0
    next_: int | None = None
    missing: list[str] = field(default_factory=list)


def walk(archive: Archive, sessions: dict[tuple[str, int], Session]) -> Iterator[tuple[Session, Record, int]]:
    """Read every record of a journal in order, with its session and the time of its arrival, and fill `sessions`."""
    openings = [(each.id, entries.read(each.body)) for each in archive.openings()][::-1]
    of: dict[int, Session] = {}
    for entry in archive.entries():
        while openings and openings[-1][0] <= entry.id:
            fields = openings.pop()[1]
            opened: Open = fields["open"]
            session = sessions.setdefault((opened.name, opened.session), Session(opened))
            if session.next_seq is not None:
                session.next_seq = max(session.next_seq, opened.first_seq)
            of[fields["handle"]] = session
        if entry.kind != entries.RECORDS:
            continue
        starts, stops, data = entries.read_records(entry.body)
        handles = entries.handles(starts, data).tolist()
        for handle, a, b in zip(handles, starts.tolist(), stops.tolist(), strict=True):
            record = next(wire.decode_records(data[a:b].tobytes()), None)
            known = of.get(handle)
            if known is None:
                archive.damage.append(f"entry {entry.id}: nothing says whose a record of it is")
            elif not isinstance(record, Record):
                archive.damage.append(f"entry {entry.id}: a record of {known.name}")
            else:
                known.take(record, b - a, entry.t_ns)
                yield known, record, entry.t_ns


def sessions_of(archive: Archive) -> list[Session]:
    """List the sessions that a journal holds, with what is missing in them.

    A state knows how far its stream has come.
    """
    found: dict[tuple[str, int], Session] = {}
    for _ in walk(archive, found):
        pass
    for save in archive.saves():
        fields = msgpack.unpackb(save.state or b"", strict_map_key=False, use_list=False)
        opened = maps.read_open(maps.unpack(fields["open"]))
        numbers = np.frombuffer(fields["numbers"], STREAM)[0]
        session = found.setdefault((opened.name, opened.session), Session(opened))
        next_seq = int(numbers["next_seq"])
        if session.next_seq is not None and session.next_seq < next_seq:
            session.miss(session.next_seq, next_seq, int(numbers["next_index"]))
    return sorted(found.values(), key=lambda session: (session.opened.name, session.opened.session))


def results_of(archive: Archive) -> list[Results]:
    """List the topics that a journal holds results of, with holes in their numbers."""
    found: dict[str, Results] = {}
    for page in archive.results():
        topic = found.setdefault(page.topic, Results(page.topic))
        numbers = [message[0] for message in msgpack.unpackb(page.body, use_list=False)]
        for number in numbers:
            if topic.next_ is not None and number > topic.next_:
                topic.missing.append(f"{page.topic}: results {topic.next_} to {number - 1} are missing")
            topic.next_ = number + 1
        topic.count += len(numbers)
        topic.size_bytes += len(page.body)
    return [found[topic] for topic in sorted(found)]


def verify(archive: Archive) -> list[str]:
    """Return everything that is damaged or missing, one line each; nothing if the journal is whole."""
    missing = [line for session in sessions_of(archive) for line in session.missing]
    missing += [line for topic in results_of(archive) for line in topic.missing]
    structure = archive.check()
    return [*structure, *archive.damage, *missing]


def utc(t_ns: int) -> str:
    """Write a time as UTC, to the millisecond."""
    return datetime.fromtimestamp(t_ns / 1e9, UTC).isoformat(timespec="milliseconds")
