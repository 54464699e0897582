"""What only Python needs of a stream, beside its row of numbers."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitalcore.alarms import Limits
from vitalcore.clock import Clock
from vitalcore.operator import Signal
from vitalcore.streams.protocol.maps import Open

REPLAY_MESSAGES = 64  # kept of each topic
MAX_BACKLOGS = 16  # of a stream, of which more may come

Message = tuple[int, bytes, bytes]  # topic_seq, header, payload


@dataclass
class Backlog:
    """Hold what an earlier session still brings of the gap that a later one began with.

    session     : the earlier one; first, stop: from and to which of its samples
    n           : samples of the gap that it may bring
    filled      : of those that it has brought, or said to be lost
    over        : no more will come
    """

    session: int
    first: int
    stop: int
    n: int = 0
    filled: int = 0
    over: bool = False


@dataclass(eq=False)
class Stream:
    """Hold what is known of a stream beside its row.

    identity: of the connection that has it; empty: none has
    base    : sample index at which the memory of its slot began
    wave_base: number of the first chunk of its wave
    counts  : messages so far, by what they are; begins at `base`, so that an engine that forgot goes on above
    recent  : last messages, by what they are, to be sent again
    limits  : of its alarms; None where its chain has none. own_limits: somebody has asked for them, so that they stay
              when the file of limits changes
    standing: last message of each alarm that stands, by its code
    unsaved : messages that are not in the journal's results yet, by what they are
    user    : public key of the client that has it, where there are keys
    backlogs: of its own first gap, and before it those of the sessions before that are not over
    """

    key: str
    row: int
    opened: Open
    identity: bytes
    base: int = 0
    wave_base: int = 0
    signal: Signal | None = None
    wave: Signal | None = None
    clock: Clock | None = None
    limits: Limits | None = None
    own_limits: bool = False
    standing: dict[int, Message] = field(default_factory=dict)
    topics: dict[str, bytes] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    recent: dict[str, deque[Message]] = field(default_factory=dict)
    unsaved: dict[str, list[Message]] = field(default_factory=dict)
    user: str = ""
    backlogs: list[Backlog] = field(default_factory=list)

    def topic(self, what: str) -> bytes:
        """Return the topic of one sort of message."""
        if what not in self.topics:
            self.topics[what] = f"{self.key}/{what}/".encode()
            self.counts.setdefault(what, self.base)
            self.recent[what] = deque(maxlen=REPLAY_MESSAGES)
        return self.topics[what]


class Backlogs:
    """Count how much of the gaps that backlogs fill has come, and how much may still come.

    rows   : of STREAM
    by_key : the streams that are open
    """

    def __init__(self, rows: NDArray[np.void], by_key: Mapping[str, Stream]) -> None:
        self._rows, self._by_key = rows, by_key
        self._filled = np.zeros(len(rows), np.int64)  # samples of gaps that a backlog has brought ...
        self._pending = np.zeros(len(rows), np.int64)  # ... or may still bring, as `settle` has found
        self._past = 0  # brought to streams that are no more
        self._having: dict[Stream, None] = {}

    def begin(self, stream: Stream, before: Stream | None, own: Backlog) -> None:
        """Let a new session begin with a gap that a backlog fills, behind those of the session before it."""
        if before is not None:
            self.settle(before)
            stream.backlogs = before.backlogs[1 - MAX_BACKLOGS :]
            before.backlogs = before.backlogs[: 1 - MAX_BACKLOGS]
        stream.backlogs.append(own)

    def add(self, stream: Stream) -> None:
        """Count those of a stream that has its row."""
        if stream.backlogs:
            self._having[stream] = None

    def remove(self, stream: Stream) -> None:
        """Count those of a stream no more, which leaves its row."""
        live = self._by_key.get(stream.opened.key)
        if live is not None:
            self.settle(live)
        if stream in self._having:
            del self._having[stream]
            self._past += sum(each.filled for each in stream.backlogs)  # what is pending never comes
            self._filled[stream.row] = self._pending[stream.row] = 0

    def settle(self, only: Stream | None = None) -> None:
        """Look what has come, for all streams or for one."""
        for stream in self._having if only is None else (only,):
            if stream.backlogs:
                self._settle(stream)

    def missing(self, stream: Stream) -> tuple[int, int]:
        """Count samples of a stream's gaps, as `settle` has found: lost in this session, pending in all."""
        lost = int(self._rows[stream.row]["lost"])
        if stream.backlogs:
            own = stream.backlogs[-1]
            lost -= own.filled if own.over else own.n
        return lost, int(self._pending[stream.row])

    def sums(self) -> tuple[int, int]:
        """Count samples over all streams that are and were: filled, pending; from any thread."""
        return self._past + int(self._filled.sum()), int(self._pending.sum())

    def _settle(self, stream: Stream) -> None:
        own = stream.backlogs[-1]
        own.n = min(own.stop - own.first, int(self._rows[stream.row]["lost"]))
        back = self._by_key.get(f"{stream.key}/backfill")
        for each in list(stream.backlogs):
            if back is not None and back.opened.session == each.session:
                row = self._rows[back.row]
                # what is lost of the backlog itself is counted there
                each.filled = min(max(each.filled, int(row["next_index"]) - each.first), each.n)
                each.over |= bool(row["ended"])
            elif back is not None and back.opened.session > each.session:
                each.over = True  # the oldest comes first
            if each.over and each is not own:
                stream.backlogs.remove(each)
                self._past += each.filled
        self._filled[stream.row] = sum(each.filled for each in stream.backlogs)
        self._pending[stream.row] = sum(each.n - each.filled for each in stream.backlogs if not each.over)
