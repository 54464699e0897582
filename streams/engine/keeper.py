"""What stands between the streams and the journal: entries go in, states follow, acknowledgements wait for both."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgpack
import numpy as np
from numpy.typing import NDArray

from vitalcore.streams.engine import states
from vitalcore.streams.engine.stream import Message, Stream
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.journal import entries
from vitalcore.streams.journal.archive import Page, Save
from vitalcore.streams.journal.erasure import Erasure
from vitalcore.streams.journal.journal import Journal

SAVE_NS = 10_000_000_000  # a changed stream is saved when its change is that old, and before it is twice as old
SAVES = 50  # a 50th of the streams that wait are saved at a time at most, so that nobody waits for all of them
PAGE_BYTES = 1 << 18  # of results of one topic
UNDER_WAY = 2  # commits at a time; what comes meanwhile goes together


@dataclass(frozen=True)
class _Mark:
    """Hold how far the streams were when a commit was handed over."""

    number: int
    handles: NDArray[np.int64]
    next_seq: NDArray[np.int64]
    next_index: NDArray[np.int64]
    held_bytes: NDArray[np.int64]


class Keeper:
    """Journal what the streams take, and move their `durable_seq` up to what is on disk.

    journal : None: nothing is kept, and what is taken is at once as durable as agreed, which is not at all

    While the disk refuses, acknowledgements are given as `received` (`degraded` names the reason).
    """

    def __init__(self, streams: Streams, journal: Journal | None) -> None:
        self._streams, self.journal = streams, journal
        self._since_ns = np.zeros(len(streams.rows), np.int64)  # of the first change since a stream was saved
        self._saved_ns = 0  # when streams were saved last
        self._handed = np.zeros(len(streams.rows), np.int64)  # bytes of records in commits under way
        self._marks: deque[_Mark] = deque()
        self._later: deque[tuple[int, Callable[[], None]]] = deque()
        self._erasing: list[tuple[Erasure, Callable[[int], None]]] = []
        self._behind = False
        self._saves_all = False
        self.silent = False  # while what was journaled is done again
        if journal is not None:
            streams.forgotten = self.forgotten

    @property
    def level(self) -> str:
        """Name what an acknowledgement survives just now."""
        return "received" if self.journal is None or self.degraded else self.journal.level

    @property
    def degraded(self) -> str:
        """Say why the disk refuses; "" while it does not, or where there is no journal."""
        return "" if self.journal is None else self.journal.failure

    def took(self, rows: NDArray[np.void], data: NDArray[np.uint8], t_ns: int) -> None:
        """Journal records that were taken.

        rows : of ROW
        """
        if self.journal is None or self.silent or not len(rows):
            return
        body = entries.spell_records(rows["begin"], rows["size"], data)
        self._changed(rows["row"], self.journal.append(entries.RECORDS, t_ns, body), t_ns)

    def opened(self, stream: Stream, t_ns: int) -> None:
        """Journal that a stream was opened or went on with another connection."""
        if self.journal is None or self.silent:
            return
        row = self._streams.rows[stream.row]
        handle, owner = int(row["handle"]), int(row["owner"])
        limits = None if stream.limits is None else stream.limits.spelled()
        body = entries.spell_open(stream.opened, stream.row, handle, owner, limits)
        self._changed(stream.row, self.journal.opened(stream.key, t_ns, body), t_ns)

    def configured(self, stream: Stream) -> None:
        """Journal the limits that a stream was given."""
        if self.journal is not None and stream.limits is not None:
            t_ns = time.time_ns()
            body = entries.spell(key=stream.key, limits=stream.limits.spelled(), own=stream.own_limits)
            self._changed(stream.row, self.journal.append(entries.CONFIGURED, t_ns, body), t_ns)

    def acknowledged(self, stream: Stream, code: int) -> None:
        """Journal that an alarm was acknowledged."""
        if self.journal is not None:
            t_ns = time.time_ns()
            body = entries.spell(key=stream.key, code=code)
            self._changed(stream.row, self.journal.append(entries.ACKNOWLEDGED, t_ns, body), t_ns)

    def closed(self, stream: Stream, places: dict[str, int], why: str) -> None:
        """Journal that a stream is closed for a while, and where its session goes on then."""
        if self.journal is not None and not self.silent:
            body = entries.spell(key=stream.key, places=places, why=why)
            self.journal.append(entries.CLOSED, time.time_ns(), body)

    def forgotten(self, stream: Stream) -> None:
        """Journal that a stream is forgotten, with its last results."""
        if self.journal is None or self.silent:
            return
        number = self.journal.append(entries.FORGOTTEN, time.time_ns(), entries.spell(key=stream.key))
        self.journal.save(Save(stream.key, number, None), _pages(stream))

    def erase(self, prefix: str, act: Callable[[int], None]) -> None:
        """Forget streams and remove everything that the journal holds of them; then do something.

        prefix : of their keys, with a slash at its end
        act    : is told how many rows were removed or written again
        """
        for key in [key for key in self._streams.by_key if key.startswith(prefix)]:
            self._streams.forget(self._streams.by_key[key])
        if self.journal is None:
            act(0)
            return
        self._settle()
        self._hand_over(close=False)
        self._erasing.append((self.journal.erase(prefix), act))

    def after(self, act: Callable[[], None]) -> None:
        """Do something once all that was taken so far is as durable as agreed: at once where it is already."""
        if self.journal is None or self.degraded or not self._behind_now():
            self.turn()
            act()
        else:
            self._later.append((self._next_number(), act))

    def turn(self, close: bool = False) -> None:
        """Hand over what was gathered, and note what has come to be on disk.

        close : save every stream that has changed
        """
        if self.journal is not None:
            self._settle()
            if (self._behind or close) and (len(self._marks) < UNDER_WAY or close):
                self._hand_over(close)
        if self.journal is None or self.degraded:
            rows = self._streams.rows[: self._streams.high]
            rows["due"][rows["durable_seq"] < rows["next_seq"]] = 1
            rows["durable_seq"], rows["durable_index"] = rows["next_seq"], rows["next_index"]
        while self._later and self.journal is not None and (self.degraded or self._later[0][0] <= self.journal.done):
            self._later.popleft()[1]()
        for job, act in [each for each in self._erasing if each[0].done.is_set()]:
            self._erasing.remove((job, act))
            act(job.gone)

    def recovered(self, after: int) -> None:
        """Save every stream with the next commit: what came after an entry was done again.

        after : entry that the saved states stand behind
        """
        rows = [stream.row for stream in self._streams.by_key.values()]
        self._streams.dirty[rows] = after + 1
        numbers = self._streams.rows
        numbers["durable_seq"], numbers["durable_index"] = numbers["next_seq"], numbers["next_index"]
        numbers["held_bytes"] = numbers["due"] = 0
        self._saves_all = self._behind = bool(rows)
        self.silent = False

    def _behind_now(self) -> bool:
        assert self.journal is not None
        return self._behind or bool(self._marks)

    def _next_number(self) -> int:
        assert self.journal is not None
        return (self._marks[-1].number if self._marks else self.journal.done) + self._behind

    def _changed(self, rows: NDArray[np.int64] | int, number: int, t_ns: int) -> None:
        self._behind = True
        dirty = self._streams.dirty
        fresh = np.atleast_1d(rows)
        fresh = fresh[dirty[fresh] == 0]
        dirty[fresh] = number
        self._since_ns[fresh] = t_ns
        assert self.journal is not None
        self._saves_all |= self.journal.losing

    def _settle(self) -> None:
        journal, rows = self.journal, self._streams.rows
        assert journal is not None
        while self._marks and self._marks[0].number <= journal.done:
            mark = self._marks.popleft()
            n = len(mark.handles)
            mine = rows[:n]
            same = mine["handle"] == mark.handles
            ahead = same & (mark.next_seq > mine["durable_seq"])
            mine["durable_seq"][ahead] = mark.next_seq[ahead]
            mine["durable_index"][ahead] = mark.next_index[ahead]
            mine["due"][ahead] = 1
            mine["held_bytes"][same] = np.maximum(mine["held_bytes"][same] - mark.held_bytes[same], 0)
            self._handed[:n] = np.maximum(self._handed[:n] - mark.held_bytes, 0)
            # a stream that has changed hands meanwhile is caught up by the next commit
            self._behind |= bool((~same & (mine["durable_seq"] < mine["next_seq"])).any())

    def _hand_over(self, close: bool) -> None:
        journal, streams = self.journal, self._streams
        assert journal is not None
        if close or not journal.failure:
            self._save(close or self._saves_all)
        changed = streams.dirty[: streams.high]
        waiting = changed[changed > 0]
        low = int(waiting.min()) - 1 if len(waiting) else journal.last_id
        rows = streams.rows[: streams.high]
        held = rows["held_bytes"] - self._handed[: streams.high]
        self._handed[: streams.high] += held
        marked = rows["handle"].copy(), rows["next_seq"].copy(), rows["next_index"].copy(), held
        self._marks.append(_Mark(journal.commit(low), *marked))
        self._behind = False

    def _save(self, every: bool) -> None:
        journal, streams = self.journal, self._streams
        assert journal is not None
        every = every and not journal.losing
        rows = streams.dirty[: streams.high].nonzero()[0]
        if not len(rows):
            return
        if every:
            self._saves_all = False
        else:
            # streams that began together don't come due together for ever: a round of all takes as long as they wait
            now_ns = time.time_ns()
            share_ns = min(now_ns - self._saved_ns, SAVE_NS // SAVES)
            self._saved_ns = now_ns
            rows = rows[np.argsort(self._since_ns[rows], kind="stable")][: 1 + len(rows) * share_ns // max(SAVE_NS, 1)]
            rows = rows[now_ns - self._since_ns[rows] > SAVE_NS]
        for row in rows.tolist():
            stream = streams.by_row[row]
            if stream is not None:
                journal.save(Save(stream.key, journal.last_id, states.spell(streams, stream)), _pages(stream))
            streams.dirty[row] = 0


def _pages(stream: Stream) -> list[Page]:
    """Take the results of a stream that are not in the journal yet."""
    pages: list[Page] = []
    for what, messages in stream.unsaved.items():
        part: list[Message] = []
        size = 0
        for message in messages:
            part.append(message)
            size += len(message[1]) + len(message[2])
            if size >= PAGE_BYTES or message is messages[-1]:
                topic = stream.topic(what).decode()
                pages.append(Page(topic, part[0][0], part[-1][0], time.time_ns(), msgpack.packb(part)))
                part, size = [], 0
    stream.unsaved = {}
    return pages
