"""Quarantine: a stream whose input keeps failing is closed for a while, alone."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitalcore.streams.protocol.maps import Open
from vitalcore.streams.protocol.wire import Code, Refusal

REFUSALS = 16  # records in a row that break the format
CLOSED_S = 60.0
MAX_CLOSED = 8192  # remembered
PLACES = ("session", "next_seq", "next_index")


@dataclass(frozen=True)
class _Closed:
    until_s: float
    why: str
    session: int
    next_seq: int
    next_index: int


class Quarantine:
    """Know which streams are closed and until when, and count what brings one there."""

    def __init__(self) -> None:
        self._closed: dict[str, _Closed] = {}
        self._in_a_row: dict[int, tuple[int, int]] = {}  # of each row: its handle and how many
        self.total = 0

    def __len__(self) -> int:
        """Count the streams that are closed just now; from any thread."""
        now_s = time.monotonic()
        return sum(closed.until_s > now_s for closed in list(self._closed.values()))

    def failing(self, rows: NDArray[np.void]) -> list[int]:
        """Return the rows of the streams whose records have broken the format too often without a good one between.

        rows : of ROW, taken and refused, in their order
        """
        mine = rows["row"] >= 0
        if not self._in_a_row and not (mine & (rows["code"] == int(Code.BAD_FRAME))).any():
            return []
        failing: dict[int, None] = {}
        for row, code, handle in rows[["row", "code", "stream"]][mine].tolist():
            if row in failing:
                continue  # whatever has come behind
            if code == Code.BAD_FRAME:
                before, n = self._in_a_row.pop(row, (handle, 0))
                n = n + 1 if before == handle else 1
                if n == REFUSALS:
                    failing[row] = None
                else:
                    self._in_a_row[row] = handle, n
            elif code == 0:
                self._in_a_row.pop(row, None)
        return list(failing)

    def close(self, name: str, places: Mapping[str, int], why: str) -> None:
        """Close a stream; its session goes on behind what was taken of it.

        places : session, next_seq and next_index
        """
        self.total += 1
        self.again(name, places, why, CLOSED_S)

    def again(self, name: str, places: Mapping[str, int], why: str, left_s: float) -> None:
        """Let a stream be closed for what is left of its time."""
        if len(self._closed) >= MAX_CLOSED:
            del self._closed[next(iter(self._closed))]
        self._closed[name] = _Closed(time.monotonic() + left_s, why, **{place: places[place] for place in PLACES})

    def let_in(self, opened: Open) -> Open:
        """Return how a stream is opened: as asked, or behind what was taken before it was closed.

        Errors: Refusal while it is closed.
        """
        closed = self._closed.get(opened.name)
        if closed is None:
            return opened
        left_s = closed.until_s - time.monotonic()
        if left_s > 0:
            raise Refusal(Code.QUARANTINED, f"{opened.key} is closed for another {left_s:.0f} s: {closed.why}")
        if opened.session != closed.session or opened.first_seq >= closed.next_seq:
            del self._closed[opened.name]
            return opened
        return replace(opened, first_seq=closed.next_seq, first_index=closed.next_index)
