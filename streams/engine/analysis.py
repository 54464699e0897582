"""What is made of the samples that were taken: one call for all streams of a table, and what it finds is told."""

import logging
from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.wire import records
from vitalcore.streams.engine.acks import Acks
from vitalcore.streams.engine.keeper import Keeper
from vitalcore.streams.engine.live import Live
from vitalcore.streams.engine.quarantine import PLACES, Quarantine
from vitalcore.streams.engine.stream import Stream
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.engine.table import Table
from vitalcore.streams.process import log
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.wire import Code
from vitalcore.streams.security.guard import Guard

LAST_NS = 1 << 62  # in the year 2116; a later time stamp is none
_log = logging.getLogger(__name__)


class Analysis:
    """Compute records that were taken, in their order; a stream whose analysis fails is closed alone.

    arrival_ns : of what is computed next
    ended      : streams, since the start
    """

    def __init__(
        self, streams: Streams, live: Live, keeper: Keeper, guard: Guard, acks: Acks, quarantine: Quarantine
    ) -> None:
        self._streams, self._live, self._keeper, self._guard, self._acks = streams, live, keeper, guard, acks
        self._quarantine = quarantine
        self.arrival_ns = 0
        self.ended = 0

    def take(self, rows: NDArray[np.void], data: NDArray[np.uint8]) -> None:
        """Compute records, and do what comes before those that are more than the next samples.

        rows : of ROW
        """
        start = 0
        for i in ((rows["kind"] != wire.DATA) | (rows["missing"] != 0)).nonzero()[0].tolist():
            self._compute(rows[start:i], data)
            row = rows[i]
            stream = self._streams.by_row[row["row"]]
            if stream is not None:
                self._special(stream, cast(np.void, row))  # numpy's stubs call a row an array
            start = i if row["kind"] == wire.DATA else i + 1
        self._compute(rows[start:], data)

    def _compute(self, rows: NDArray[np.void], data: NDArray[np.uint8]) -> None:
        if not len(rows):
            return
        streams = self._streams
        of = rows["row"]
        every = streams.clock_every[of]
        tick = (rows["index"] + rows["n"]) // every != rows["index"] // every
        tick |= rows["chunk"] == 0
        part = parts(of, tick)
        for number in range(int(part.max()) + 1):
            mine = part == number
            for i in (tick & mine).nonzero()[0].tolist():
                self._set_clock(streams.by_row[of[i]], cast(np.void, rows[i]))
            self._push_all(rows if mine.all() else rows[mine], data)

    def _set_clock(self, stream: Stream | None, row: np.void) -> None:
        if stream is None or stream.clock is None:
            return
        index, t0_ns = int(row["index"]), int(row["t0_ns"])
        if not 0 < t0_ns < LAST_NS:  # none: the stream counts on from its arrival
            index, t0_ns = index + int(row["n"]), self.arrival_ns
            if stream.clock.offset_ns is not None:
                return
        step_ns = stream.clock.update(index, t0_ns)
        if step_ns:
            self._live.clock_step(stream, index, step_ns, self.arrival_ns)

    def _push_all(self, rows: NDArray[np.void], data: NDArray[np.uint8]) -> None:
        tables = self._streams.rows["table"][rows["row"]]
        numbers = [int(tables[0])] if (tables == tables[0]).all() else np.unique(tables).tolist()
        for number in numbers:
            if number < 0:
                continue  # closed by what came with this record
            self._push(self._streams.tables[number], rows, (tables == number).nonzero()[0], data)

    def _push(self, table: Table, rows: NDArray[np.void], which: NDArray[np.int64], data: NDArray[np.uint8]) -> None:
        streams = self._streams
        of = rows["row"][which]
        x = np.empty((int(rows["n"][which].sum()), table.columns))
        offsets = np.empty(len(which) + 1, np.int64)
        integers = data.view(np.int64), data.view(np.int16), data.view(np.int32)
        floats = data.view(np.float32), data.view(np.float64)
        records.unpack(streams.rows, table.scale, table.offset, *integers, *floats, rows, which, x, offsets)
        slots = streams.rows["slot"][of]
        try:
            wave, found = table.ward.push(slots, offsets, x)
        except Exception as error:
            # a chain of Python code; kernels raise nothing. One by one the others come to the same as together
            mine = np.unique(of)
            stream = streams.by_row[mine[0]]
            if len(mine) > 1:
                for row in mine.tolist():
                    self._push(table, rows, which[of == row], data)
            elif stream is not None:
                self.isolate(stream, _failed(error), settle=False)
            return
        if table.timed:
            self._live.frames(x, offsets, slots, rows["index"][which])
        for stream, why in self._live.findings(table, found, self.arrival_ns).items():
            self.isolate(stream, _failed(why), settle=False)
        for i in streams.wave_wanted[of].nonzero()[0].tolist():
            stream = streams.by_row[of[i]]
            if stream is not None:
                row, a, b = rows[which[i]], offsets[i], offsets[i + 1]
                times = x[a:b, 0].astype(np.int64) + streams.rows["origin_ns"][of[i]] if table.timed else None
                self._live.wave(stream, int(row["chunk"]), int(row["index"]), wave[a:b], times)

    def _special(self, stream: Stream, row: np.void) -> None:
        held = self._streams.rows[stream.row]
        missing, index = int(row["missing"]), int(row["index"])
        if missing > 0:
            table = self._streams.tables[held["table"]]
            why = self._say(stream, table, lambda: table.ward.gap(int(held["slot"]), missing))
            if why is not None:
                self.isolate(stream, _failed(why), settle=False)
                return
            self._streams.backlogs.settle(stream)  # before anybody counts as lost what is only late
        if missing:
            cause = "discontinuity" if missing < 0 else "declared" if row["kind"] == wire.GAP else "undeclared"
            self._live.gap(stream, index - max(missing, 0), index, cause, self.arrival_ns)
        if row["kind"] == wire.END:
            self.finish(stream)
            self._live.gap(stream, index, None, "end", self.arrival_ns)

    def finish(self, stream: Stream) -> None:
        """Say what was still undecided of a stream, and give back its slot."""
        held = self._streams.rows[stream.row]
        if held["table"] >= 0:
            table = self._streams.tables[held["table"]]
            why = self._say(stream, table, lambda: table.ward.finish(int(held["slot"])))
            if why is not None:  # it ends all the same
                _log.warning("%s has no end: %s", log.shown(stream.key), _failed(why))
            self._streams.close_slot(stream)
            self.ended += 1

    def isolate(self, stream: Stream, why: str, settle: bool = True) -> None:
        """Close a stream for a while, and tell its gateway and its subscribers.

        settle : say what was undecided first
        """
        row = cast(np.void, self._streams.rows[stream.row])
        if settle:
            self.finish(stream)
        self._live.gap(stream, int(row["next_index"]), None, "quarantined", self.arrival_ns)
        if stream.identity:
            self._acks.send(stream.identity, self._acks.refusal(stream.row, Code.QUARANTINED))
        self._guard.note("quarantine", why, stream.user, stream.key)
        places = {place: int(row[place]) for place in PLACES}
        self._quarantine.close(stream.key, places, why)
        self._keeper.closed(stream, places, why)
        _log.warning("%s is closed for a while: %s", log.shown(stream.key), why)
        self._streams.forget(stream)

    def _say(self, stream: Stream, table: Table, find: Callable[[], NDArray[np.void]]) -> Exception | None:
        """Publish what the chain of one stream finds; return why that failed."""
        try:
            return self._live.findings(table, find(), self.arrival_ns).get(stream)
        except Exception as error:
            return error


def _failed(error: Exception) -> str:
    return f"its analysis failed ({type(error).__name__})"


def parts(of: NDArray[np.int64], tick: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number the parts in which records are computed: a tick of its clock begins a stream's next part.

    What is found in a record bears the time that the clock gave up to there, however many records come together.

    of   : stream of each record, [n]
    tick : whether its clock is set by a record, [n]
    """
    order = np.argsort(of, kind="stable")
    first = np.ones(len(of), bool)
    first[1:] = np.diff(of[order]) != 0
    ticks = np.cumsum(tick[order] & ~first)
    part = np.empty(len(of), np.int64)
    part[order] = ticks - ticks[first][np.cumsum(first) - 1]
    return part
