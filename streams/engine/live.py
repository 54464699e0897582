"""The live socket: what is found goes out once, numbered, and is kept a while to be sent again."""

import time
from collections.abc import Iterator

import numpy as np
import zmq
from numpy.typing import NDArray

from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import ALARM, ASSERTED, BEAT, ENDED, FEATURE, RAISED, STATE, WAVES
from vitalcore.streams.engine.readers import Readers
from vitalcore.streams.engine.stream import Stream
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.engine.table import Table
from vitalcore.streams.protocol import maps, messages, wire
from vitalcore.streams.protocol.maps import Open
from vitalcore.streams.security.guard import Guard

LATENCIES = 4096  # last ones kept
ASSERT_NS = 10_000_000_000  # an alarm that stands is said again
_KIND = {what: number + 1 for number, what in enumerate(wire.WHATS)}
_SNDMORE = int(zmq.SNDMORE)
_LIMIT = (1 << 63) - 1
_T, _T_KNOWN = 4, 5  # places in a row


class Live:
    """Publish, number and remember messages; know who wants waves."""

    def __init__(self, socket: "zmq.Socket[bytes]", streams: Streams, instance: str, guard: Guard) -> None:
        self._socket, self._streams, self._instance = socket, streams, instance
        self.readers = Readers(socket, guard, self._heed)
        self._changed: dict[tuple[Stream, str], int] = {}
        self._beats = 0
        self._frames: dict[int, list[tuple[NDArray[np.float64], int]]] = {}
        self.own: dict[str, Stream] = {}  # what the engine says of itself, to each site
        self._asserted_ns: dict[str, int] = {}
        self.keeps = False  # messages wait in `unsaved` for the journal
        self.silent = False  # while what was journaled is done again: it was said before, or is asked for
        self.published = 0
        self.latencies_ns = np.zeros(LATENCIES, np.int64)

    def opened(self, stream: Stream) -> None:
        """Note a stream that was opened."""
        self._streams.wave_wanted[stream.row] = self._wanted(stream)

    def frames(
        self, x: NDArray[np.float64], offsets: NDArray[np.int64], slots: NDArray[np.int64], indices: NDArray[np.int64]
    ) -> None:
        """Note the times of the frames that were just computed, so that findings find their sample."""
        self._frames = {}
        for i, slot in enumerate(slots.tolist()):
            self._frames.setdefault(slot, []).append((x[offsets[i] : offsets[i + 1], 0], int(indices[i])))

    def findings(self, table: Table, found: NDArray[np.void], arrival_ns: int) -> dict[Stream, Exception]:
        """Publish findings of a table in their order; features of one second, leads of one beat go as one message.

        Return the streams of which a finding can't be said, with why; nothing more of those is said.
        """
        failed: dict[Stream, Exception] = {}
        rows: list[messages.Row] = found.tolist()
        stop = 0
        while stop < len(rows):
            start, stop = stop, _together(rows, stop)
            stream = self._streams.by_row[table.rows[rows[start][0]]]
            if stream is None or stream in failed:
                continue
            try:
                self._find(stream, table.timed, rows[start:stop], arrival_ns)
            except Exception as error:  # a chain has found what can't be: its neighbours have not
                failed[stream] = error
        return failed

    def _find(self, stream: Stream, timed: bool, rows: list[messages.Row], arrival_ns: int) -> None:
        """Publish findings of a stream that make one message."""
        row = rows[0]
        slot, kind, code, _, t, t_known = row[:6]
        base = 0 if timed else stream.base
        if kind == FEATURE:
            what, payload = "feature", messages.features(rows, base, arrival_ns)
        elif kind == WAVES:
            fs_hz = float(stream.opened.rate or np.nan)
            what, payload = "delineation", messages.delineation(rows, base, fs_hz, arrival_ns)
        elif kind == BEAT:
            what, payload = "beat", messages.beat(row, base, arrival_ns)
        elif kind == ALARM:
            what, payload = "alarm", messages.alarm(row, base, arrival_ns)
        else:
            what, payload = "event", messages.event(row, base, arrival_ns)
        index, t_event_ns, t_known_ns = self._place(stream, timed, slot, t, t_known)
        self._say(stream, what, index, t_event_ns, t_known_ns, payload, arrival_ns)
        if kind == ALARM:
            if row[8][STATE] == ENDED:
                stream.standing.pop(code, None)
            else:
                stream.standing[code] = stream.recent["alarm"][-1]

    def wave(
        self, stream: Stream, chunk: int, index: int, wave: NDArray[np.float64], t_ns: NDArray[np.int64] | None
    ) -> None:
        """Publish a chunk of a stream's wave; its number counts the records with samples, wanted or not."""
        if stream.wave is None:
            return
        n = len(wave)
        if t_ns is not None:
            first_ns, last_ns = int(t_ns[0]), int(t_ns[-1])
        elif stream.clock is not None:
            first_ns, last_ns = stream.clock.t_ns(index), stream.clock.t_ns(index + n - 1)
        else:
            return
        payload = maps.pack_wave(stream.wave, wave, t_ns)
        stream.topic("wave")
        stream.counts["wave"] = stream.wave_base + chunk
        self._say(stream, "wave", index, first_ns, last_ns, payload, 0)

    def gap(self, stream: Stream, start: int, resume: int | None, cause: str, arrival_ns: int) -> None:
        """Publish that samples are missing, or that the stream has ended."""
        index = start if resume is None else resume
        t_ns, t_known_ns = self._time(stream, start), self._time(stream, index)
        self._say(stream, "gap", index, t_ns, t_known_ns, messages.gap(start, resume, cause, arrival_ns), arrival_ns)

    def clock_step(self, stream: Stream, index: int, step_ns: int, arrival_ns: int) -> None:
        """Publish that a stream's clock has stepped."""
        t_ns = self._time(stream, index)
        payload = messages.clock_step(index, step_ns, arrival_ns)
        self._say(stream, "event", index, t_ns, t_ns, payload, arrival_ns)

    def storage(self, refused: str) -> None:
        """Tell every site that the disk refuses what came in, again every 10 s, and once that it is well again.

        refused : why; "" while it does not
        """
        now_ns = time.time_ns()
        for site in {key.split("/", 1)[0] for key in self._streams.by_key}:
            key = f"{site}/-/-/engine"
            own = self.own.setdefault(key, Stream(key, -1, Open(key, 0, "numeric", None, (), 1), b""))
            standing = own.standing.get(codes.STORAGE_FAILED)
            if not refused and standing is None:
                continue
            if refused and standing is not None and now_ns < self._asserted_ns.get(key, 0) + ASSERT_NS:
                continue
            self._asserted_ns[key] = now_ns
            state = ENDED if not refused else RAISED if standing is None else ASSERTED
            self._say(own, "alarm", 0, now_ns, now_ns, messages.storage(state, refused, now_ns), 0)
            if refused:
                own.standing[codes.STORAGE_FAILED] = own.recent["alarm"][-1]
            else:
                own.standing.clear()

    def heartbeat(self) -> Iterator[None]:
        """Tell each site the highest number of every topic that changed since the last time, a message at each step."""
        changed, self._changed = self._changed, {}
        sites: dict[str, list[tuple[str, int]]] = {key.split("/", 1)[0]: [] for key in self._streams.by_key}
        for (stream, what), seq in changed.items():
            site, rest = stream.key.split("/", 1)
            page = sites.setdefault(site, [])
            page.append((f"{rest}/{what}/", seq))
            if len(page) >= maps.MAX_TOPICS:
                self._beat(site, page)
                sites[site] = []
                yield
        for site, page in sites.items():
            self._beat(site, page)
            yield

    def _beat(self, site: str, topics: list[tuple[str, int]]) -> None:
        now_ns = time.time_ns()
        payload = messages.plain({"instance": self._instance, "topics": dict(topics)})
        header = wire.spell_live(_KIND["heartbeat"], 0, self._beats, 0, now_ns, now_ns, now_ns, payload)
        self._beats += 1
        self._send(f"{site}/-/-/-/heartbeat/".encode(), header, payload)

    def latency_ns(self) -> list[int]:
        """Return the 50th, 99th and 99.9th percentile of the engine's own delay, from arrival to publishing."""
        kept = self.latencies_ns[: min(self.published, LATENCIES)]
        return np.percentile(kept, [50, 99, 99.9]).astype(int).tolist() if len(kept) else [0, 0, 0]

    def _place(self, stream: Stream, timed: bool, slot: int, t: float, t_known: float) -> tuple[int, int, int]:
        """Return the index of the sample that settled a finding, and both its times in ns."""
        if not timed and stream.clock is not None:
            clock, base = stream.clock, stream.base
            return base + int(t_known), clock.t_ns(t + base), clock.t_ns(t_known + base)
        row = self._streams.rows[stream.row]
        origin = int(row["origin_ns"])
        index = int(row["next_index"]) - 1
        for times, first in self._frames.get(slot, ()):
            if len(times) and times[0] <= t_known <= times[-1]:
                index = first + int(np.searchsorted(times, t_known, "right")) - 1
        return index, origin + round(t), origin + round(t_known)

    def _time(self, stream: Stream, index: int) -> int:
        if stream.clock is not None:
            return stream.clock.t_ns(index)
        return int(self._streams.rows[stream.row]["last_ns"])

    def _say(
        self, stream: Stream, what: str, index: int, t_event_ns: int, t_known_ns: int, payload: bytes, arrival_ns: int
    ) -> None:
        topic = stream.topic(what)
        seq = stream.counts[what]
        now_ns = time.time_ns()
        t_event_ns = min(max(t_event_ns, -_LIMIT), _LIMIT)
        t_known_ns = min(max(t_known_ns, -_LIMIT), _LIMIT)
        flags = wire.BACKFILL_LIVE if stream.opened.backfill else 0
        header = wire.spell_live(_KIND[what], flags, seq, max(index, 0), t_event_ns, t_known_ns, now_ns, payload)
        stream.counts[what] = seq + 1
        stream.recent[what].append((seq, header, payload))
        if self.keeps and stream.row >= 0 and what != "wave":
            stream.unsaved.setdefault(what, []).append((seq, header, payload))
        self._changed[stream, what] = seq
        if self.silent:
            return
        self._send(topic, header, payload)
        if arrival_ns:
            self.latencies_ns[self.published % LATENCIES] = now_ns - arrival_ns
            self.published += 1

    def _send(self, topic: bytes, header: bytes, payload: bytes) -> None:
        send = self._socket.send
        send(topic, _SNDMORE)
        send(header, _SNDMORE)
        send(payload)

    def _heed(self, prefix: bytes, wanted: bool) -> None:
        """Note that a prefix has found its first reader or lost its last one."""
        for stream in self._streams.by_key.values():
            if stream.topic("wave").startswith(prefix):
                self._streams.wave_wanted[stream.row] = wanted or self._wanted(stream)

    def _wanted(self, stream: Stream) -> bool:
        return self.readers.wanted(stream.topic("wave"))


def _together(rows: list[messages.Row], start: int) -> int:
    """Return where the findings end that go into one message."""
    slot, kind = rows[start][:2]
    stop = start + 1
    if kind in (FEATURE, WAVES):
        same = _T_KNOWN if kind == FEATURE else _T
        while stop < len(rows) and rows[stop][:2] == (slot, kind) and rows[stop][same] == rows[start][same]:
            stop += 1
    return stop
