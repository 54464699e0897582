"""A ward is a table: the memories of many streams of one kind, walked by one kernel call."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore import door, findings
from vitalcore.errors import InputError, ParameterError, SnapshotError
from vitalcore.kernels.alarms import alarms
from vitalcore.kernels.core.finding import FINDING
from vitalcore.operator import Design, Signal


class Ward:
    """Hold streams of one chain, each with its own parameters, one slot a stream.

    design : of the first stream; it fixes the chain, the number of columns and the length of the buffers, thus the rate
    slots  : how many to begin with; the table doubles when it is full

    Errors: ParameterError where the operator is no chain.
    """

    def __init__(self, design: Design, slots: int = 16) -> None:
        if design.many is None or design.wave is None or design.capacity is None:
            raise ParameterError("a ward holds chains such as Ecg(); this operator has no step_many")
        self._many, self._columns = design.many, len(design.wave.channels)
        self._compiled = hasattr(design.many, "py_func")  # machine code raises nothing
        self._states = np.zeros(slots, design.memory[0].dtype)
        self._params = np.zeros(slots, design.params.dtype)  # of each kind of stream
        self._kind_of: dict[bytes, int] = {}  # row of those with these bytes
        self._users = np.zeros(slots, np.int64)  # streams of each
        self._kinds = np.zeros(slots, np.int64)  # of each slot
        self._buffers = np.zeros((slots, design.memory[1].size))
        self._places = door.places(slots)
        self._rows = np.zeros((slots, 2))  # findings a stream can give: [0] + [1] a sample
        self._open: list[tuple[Design, Signal] | None] = [None] * slots
        self._free = list(range(slots))[::-1]
        self._wave = np.empty((0, self._columns))
        self._out = np.empty(0, FINDING)

    def fits(self, design: Design) -> bool:
        """Tell whether a stream of this design can live in this table."""
        return (
            design.many is self._many
            and design.params.dtype == self._params.dtype
            and design.memory[1].size == self._buffers.shape[1]
            and design.wave is not None
            and len(design.wave.channels) == self._columns
        )

    def __len__(self) -> int:
        """Count the open slots."""
        return len(self._open) - len(self._free)

    def open(self, design: Design, signal: Signal) -> int:
        """Give a stream a slot with fresh memory.

        Errors: ParameterError where the design doesn't fit this table.
        """
        if not self.fits(design):
            raise ParameterError(f"a stream of {signal.name} with this design doesn't fit this table; open another")
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self._kinds[slot] = self._enter(design)
        self._states[slot] = design.memory[0][0]
        self._buffers[slot] = design.memory[1]
        self._places[slot : slot + 1] = door.places(1)
        self._rows[slot] = _affine(design)
        self._open[slot] = design, signal
        return slot

    def close(self, slot: int) -> None:
        """Forget a stream; its slot is free for another."""
        self._known(slot)
        self._users[self._kinds[slot]] -= 1
        self._open[slot] = None
        self._free.append(slot)

    def push(
        self, slots: Sequence[int] | NDArray[np.int64], offsets: NDArray[np.int64], x: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Take a chunk of each of k streams in one kernel call; return their waves and findings.

        slots   : whose chunk, [k]; a stream may come several times, in its order
        offsets : chunk i is x[offsets[i] : offsets[i + 1]], [k + 1]
        x       : samples, [n, n_columns]; infinities count as missing samples

        What is returned is overwritten by the next call. Where a chain of Python code raises, no stream has moved.

        Errors: InputError
        """
        where = np.asarray(slots, dtype=np.int64)
        offsets = np.ascontiguousarray(offsets, dtype=np.int64)
        n = np.diff(offsets)
        if len(n) != len(where) or offsets[0] != 0 or offsets[-1] != len(x) or (n < 0).any():
            raise InputError(f"offsets must rise from 0 to {len(x)} in {len(where)} steps")
        if np.isinf(x).any():
            x = np.where(np.isinf(x), np.nan, x)
        kept = None if self._compiled else (self._states[where], self._buffers[where])
        try:
            said = self._run(where, offsets, x)
        except Exception:
            if kept is not None:
                self._states[where], self._buffers[where] = kept
            raise
        some = n > 0
        np.add.at(self._places["n"], where, n)
        self._places["missing"][where[some]] = 0
        self._places["t_last"][where[some]] = x[offsets[1:][some] - 1, 0]
        return said

    def configure(self, slot: int, design: Design) -> None:
        """Give a stream other parameters of the same chain; they hold from its next sample on.

        Errors: ParameterError where the design doesn't fit this table.
        """
        _, signal = self._known(slot)
        if not self.fits(design):
            raise ParameterError(f"this design of {signal.name} doesn't fit this table")
        self._users[self._kinds[slot]] -= 1
        self._kinds[slot] = self._enter(design)
        self._open[slot] = design, signal

    def acknowledge(self, slot: int, code: int) -> bool:
        """Acknowledge an alarm with the end of the stream's running second; tell whether it stands.

        Errors: ParameterError where the chain has no alarms.
        """
        _, signal = self._known(slot)
        if "alarms" not in (self._states.dtype.names or ()):
            raise ParameterError(f"a stream of {signal.name} has no alarms")
        each = self._states["alarms"]["each"][slot, alarms.place(code)]
        if not each["stands"]:
            return False
        each["asked"] = 1
        return True

    def gap(self, slot: int, n: int) -> NDArray[Any]:
        """Tell that the next n samples of a stream are lost; return what that settles.

        Errors: InputError
        """
        _, signal = self._known(slot)
        x = door.gap(signal, self._places[slot], n)
        out = self._feed(slot, x)
        door.skip(signal, self._places[slot], n, len(x))
        return out

    def finish(self, slot: int) -> NDArray[Any]:
        """Return what was undecided at the end of a stream."""
        design, signal = self._known(slot)
        found = self._feed(slot, door.rest(signal, self._places[slot], design.latency_s))
        return door.within(signal, self._places[slot], found)

    def snapshot(self, slot: int) -> bytes:
        """Return everything that is remembered of a stream."""
        return b"".join(part.tobytes() for part in self._parts(slot))

    def restore(self, slot: int, snapshot: bytes) -> None:
        """Put back what was remembered of a stream of the same design.

        Errors: SnapshotError
        """
        parts = self._parts(slot)
        if len(snapshot) != sum(part.nbytes for part in parts):
            raise SnapshotError(
                f"this row is {len(snapshot)} bytes long; this table's are {sum(p.nbytes for p in parts)}"
            )
        at = 0
        for part in parts:
            part[...] = np.frombuffer(snapshot, part.dtype, part.size, at)
            at += part.nbytes

    def _enter(self, design: Design) -> int:
        """Give a stream a row of parameters: one that others have in common with it, or else one that nobody uses."""
        wanted = design.params.tobytes()
        kind = self._kind_of.get(wanted)
        if kind is None:
            kind = int(np.flatnonzero(self._users == 0)[0])
            self._kind_of.pop(self._params[kind].tobytes(), None)
            self._kind_of[wanted] = kind
            self._params[kind] = design.params
        self._users[kind] += 1
        return kind

    def _known(self, slot: int) -> tuple[Design, Signal]:
        known = self._open[slot] if 0 <= slot < len(self._open) else None
        if known is None:
            raise InputError(f"slot {slot} of this table is not open")
        return known

    def _parts(self, slot: int) -> list[NDArray[Any]]:
        self._known(slot)
        return [self._places[slot : slot + 1], self._states[slot : slot + 1], self._buffers[slot]]

    def _grow(self) -> None:
        n = len(self._open)
        for name in ("_states", "_params", "_users", "_kinds", "_buffers", "_rows", "_places"):
            table = getattr(self, name)
            setattr(self, name, np.concatenate([table, np.zeros_like(table)]))
        self._open += [None] * n
        self._free = list(range(n, 2 * n))[::-1]

    def _feed(self, slot: int, x: NDArray[np.float64]) -> NDArray[Any]:
        return self._run(np.array([slot]), np.array([0, len(x)]), x)[1].copy()

    def _run(
        self, slots: NDArray[np.int64], offsets: NDArray[np.int64], x: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        rows = int((self._rows[slots, 0] + np.ceil(self._rows[slots, 1] * np.diff(offsets))).sum())
        if len(self._wave) < len(x):
            self._wave = np.empty((2 * len(x), self._columns))
        if len(self._out) < rows:
            self._out = np.zeros(2 * rows, FINDING)
        wave = self._wave[: len(x)]
        n = self._many(self._params, self._kinds, self._states, self._buffers, slots, offsets, x, wave, self._out)
        out = self._out[:n]
        skipped = self._places["origin"][out["slot"]] != 0
        for slot in np.unique(out["slot"][skipped]) if skipped.any() else ():
            place, mine = self._places[slot], out["slot"] == slot
            shifted = out[mine]
            findings.shift(shifted, int(place["origin"]), int(place["since"]), int(place["before"]))
            out[mine] = shifted
        return wave, out


def _affine(design: Design) -> tuple[float, float]:
    if design.capacity is None:
        return 0.0, 0.0
    some, many = design.capacity(0), design.capacity(1 << 20)
    return some + 1.0, (many - some) / (1 << 20)
