"""Going on after a crash: saved states are put back, and what was journaled after them is done again."""

import time
from dataclasses import dataclass

from vitalcore.errors import SnapshotError
from vitalcore.streams.engine import quarantine, states
from vitalcore.streams.engine.ingest import Ingest
from vitalcore.streams.engine.keeper import Keeper
from vitalcore.streams.engine.live import Live
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.journal import entries
from vitalcore.streams.journal.archive import unreadable
from vitalcore.streams.journal.entries import Entry
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.protocol.wire import Refusal


@dataclass(frozen=True)
class Recovered:
    """Tell what an engine found in its journal.

    streams : that go on
    entries : done again
    damage  : what the journal could not give, one line each; empty if nothing is missing
    """

    streams: int
    entries: int
    seconds: float
    damage: tuple[str, ...]

    def lines(self) -> list[str]:
        """Say it."""
        told = f"journal: {self.streams} streams go on, {self.entries} entries done again in {self.seconds:.1f} s"
        return [told, *(f"journal: lost {what}" for what in self.damage)]


def recover(journal: Journal, streams: Streams, ingest: Ingest, live: Live, keeper: Keeper) -> Recovered:
    """Put the streams of a journal back as they were with its last entry; say nothing meanwhile.

    A state is as of its own entry, so entries reach only the streams that have not seen them. Last, the limits of the
    file reach the streams whose own nobody has changed: entries of their own say so, after all that was done again.
    Streams that were closed for a while stay so for what is left of it.

    Errors: JournalError where the file is broken: `vitalcore journal salvage` makes a new one of it.
    """
    begun = time.monotonic()
    keeper.silent = live.silent = True
    archive = journal.archive
    low = archive.number("low")
    as_of: dict[str, int] = {}
    asleep: list[tuple[int, int, int]] = []  # as of which entry, row, handle
    lost: list[str] = []
    for save in archive.saves():
        assert save.state is not None
        try:
            stream, handle, owner = states.restore(streams, save.state, time.time_ns())
        except (SnapshotError, Refusal) as error:
            lost.append(f"the state of {save.key}: {error}")
            continue
        as_of[save.key] = save.as_of
        streams.rows["owner"][stream.row] = owner
        asleep.append((save.as_of, stream.row, handle))
    asleep.sort(reverse=True)
    done = 0
    for entry in archive.entries(low):
        while asleep and asleep[-1][0] < entry.id:
            _, row, handle = asleep.pop()
            streams.rows["handle"][row] = handle
        try:
            _again(entry, as_of, streams, ingest)
        except Refusal as error:
            lost.append(f"a stream: {error}")
        done += 1
    now_ns = time.time_ns()
    for entry in archive.lately(entries.CLOSED, now_ns - int(quarantine.CLOSED_S * 1e9)):
        fields, left_s = entries.read(entry.body), quarantine.CLOSED_S - (now_ns - entry.t_ns) / 1e9
        ingest.quarantine.again(fields["key"], fields["places"], fields["why"], min(left_s, quarantine.CLOSED_S))
    if archive.malformed:
        raise unreadable(journal.path, archive.malformed)
    streams.disown()
    keeper.recovered(low)
    for stream in streams.rebook(streams.book):
        keeper.configured(stream)
    live.silent = False
    seconds = time.monotonic() - begun
    return Recovered(len(streams.by_key), done, seconds, (*archive.damage, *lost))


def _again(entry: Entry, as_of: dict[str, int], streams: Streams, ingest: Ingest) -> None:
    if entry.kind == entries.RECORDS:
        ingest.again(entry)
        return
    if entry.kind in (entries.ERASED, entries.CLOSED):
        return
    fields = entries.read(entry.body)
    key = fields["key"]
    if as_of.get(key, 0) >= entry.id:
        return
    if entry.kind == entries.OPENED:
        at = streams.by_row[fields["row"]] if fields["row"] < len(streams.by_row) else None
        if at is not None and at.key != key:
            return  # it was forgotten before the stream came whose state is there already
        stream = ingest.enter(fields["open"], b"", fields["row"], entry.t_ns, states.limits_again(fields))
        row = streams.rows[stream.row]
        row["handle"], row["owner"] = fields["handle"], fields["owner"]
        return
    known = streams.by_key.get(key)
    if known is None:
        return
    if entry.kind == entries.FORGOTTEN:
        streams.forget(known)
    elif entry.kind == entries.CONFIGURED and (limits := states.limits_again(fields)) is not None:
        streams.configure(known, limits, fields.get("own", False))
    elif entry.kind == entries.ACKNOWLEDGED:
        streams.acknowledge(known, fields["code"])


# FIXME
