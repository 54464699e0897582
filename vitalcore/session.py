"""One subject's memory: push samples, get what is known; snapshot, restore."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vitalcore import door, findings
from vitalcore.errors import InputError, SnapshotError
from vitalcore.kernels.core.finding import FINDING
from vitalcore.operator import Design, Operator, Signal

MAGIC = b"VCS1"
MAX_HEADER = 1 << 16


@dataclass(frozen=True, eq=False)
class Step:
    """One operator at its place in a plan: fed by a port of the step before it, or by its root source."""

    operator: Operator
    design: Design
    root: Signal
    upstream: "Step | None"
    port: int

    def signal(self, port: int) -> Signal:
        """Return what leaves at a port."""
        wave = self.design.wave
        return wave if port and wave is not None else self.design.output

    @property
    def path(self) -> str:
        """Spell the way from the source to here."""
        before = self.upstream.path if self.upstream else repr(self.root)
        return f"{before} |{self.port} {self.operator!r}"


class Session:
    """Run a plan on one subject's samples as they come.

    Any split of the input into chunks gives the same output. A session belongs to the thread that uses it.
    """

    def __init__(
        self,
        sources: dict[str, Signal],
        steps: Sequence[Step],
        outputs: dict[str, tuple[Step | None, int, Signal]],
        latency_s: float,
    ) -> None:
        self._sources = sources
        self._places = door.places(len(sources))
        self._place = dict(zip(sources, self._places, strict=True))  # each a record: a view of its row
        self._steps = steps
        self._outputs = outputs
        self._clocks = {name: _clock(end, port) for name, (end, port, _) in outputs.items()}
        self._latency_s = latency_s
        self._memory = [tuple(part.copy() for part in step.design.memory) for step in steps]
        self._arguments = [_arguments(step.design, memory) for step, memory in zip(steps, self._memory, strict=True)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def push(self, **chunks: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Take the next chunk of one or more sources and return what is known now, by output.

        Waves come as [n, n_channels], findings as rows of FINDING. A variable-rate chunk carries its times, in ns since
        the stream began, as first column.

        Errors: InputError; then nothing of any chunk has been taken.
        """
        checked = {name: door.check(self._known(name), self._place[name], chunk) for name, chunk in chunks.items()}
        for name, x in checked.items():
            door.note(self._sources[name], self._place[name], x)
        return self._run(checked)

    def gap(self, **missing: int) -> dict[str, NDArray[Any]]:
        """Tell that the next n samples of a source are lost; the sample count goes on as if they had come.

        Errors: InputError
        """
        fed = {name: door.gap(self._known(name), self._place[name], n) for name, n in missing.items()}
        out = self._run(fed)
        for name, n in missing.items():
            door.skip(self._sources[name], self._place[name], n, len(fed[name]))
        return out

    def finish(self) -> dict[str, NDArray[Any]]:
        """End every source and return what was still undecided; no finding is about a time behind the end."""
        rest = {name: door.rest(signal, self._place[name], self._latency_s) for name, signal in self._sources.items()}
        out = self._run(rest)
        for name, (end, _, _) in self._outputs.items():
            if end is not None and out[name].dtype == FINDING:
                out[name] = door.within(end.root, self._place[end.root.name], out[name])
        return out

    def run(self, **signals: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Push whole recordings and finish; waves end where their recording ends.

        Errors: InputError
        """
        first, last = self.push(**signals), self.finish()
        return {
            name: np.concatenate([first[name], last[name]]) if first[name].dtype == FINDING else first[name]
            for name in self._outputs
        }

    def snapshot(self) -> bytes:
        """Return everything this session remembers, for `restore` in this or another process."""
        parts = self._parts()
        header = json.dumps({"plan": self._fingerprint(), "bytes": [part.nbytes for part in parts]}).encode()
        return MAGIC + len(header).to_bytes(4, "little") + header + b"".join(part.tobytes() for part in parts)

    def restore(self, snapshot: bytes) -> None:
        """Go on exactly where another session of the same plan was.

        Errors: SnapshotError; then this session is as it was.
        """
        parts = self._parts()
        size = int.from_bytes(snapshot[4:8], "little")
        if snapshot[:4] != MAGIC or size > min(MAX_HEADER, len(snapshot) - 8):
            raise SnapshotError("these bytes are no snapshot of a session")
        try:
            header = json.loads(snapshot[8 : 8 + size])
            plan = header["plan"]
        except (ValueError, TypeError, KeyError):
            raise SnapshotError("the header of this snapshot is damaged") from None
        if plan != self._fingerprint():
            raise SnapshotError("this snapshot is of another plan or another version of it")
        if len(snapshot) != 8 + size + sum(part.nbytes for part in parts):
            raise SnapshotError(f"this snapshot is {len(snapshot)} bytes long; it is cut or has something behind it")
        at = 8 + size
        for part in parts:
            part[...] = np.frombuffer(snapshot, part.dtype, part.size, at).reshape(part.shape)
            at += part.nbytes

    def _parts(self) -> list[NDArray[Any]]:
        return [self._places, *(part for memory in self._memory for part in memory)]

    def _fingerprint(self) -> str:
        def spell(step: Step) -> str:
            return step.path + repr([(part.dtype.descr, part.shape) for part in step.design.memory])

        spelt = [spell(step) for step in self._steps]
        return hashlib.sha256("\n".join([repr(list(self._sources)), *spelt]).encode()).hexdigest()

    def _known(self, name: str) -> Signal:
        if name not in self._sources:
            raise InputError(f"this plan has no source called {name}; it has {', '.join(self._sources)}")
        return self._sources[name]

    def _run(self, chunks: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[Any]]:
        done: dict[Step, tuple[NDArray[Any], ...]] = {}
        for step, memory in zip(self._steps, self._arguments, strict=True):
            if step.root.name in chunks:
                x = done[step.upstream][step.port] if step.upstream else chunks[step.root.name]
                done[step] = _compute(step.design, memory, x)
        out = {}
        for name, (end, port, signal) in self._outputs.items():
            if end is None:
                out[name] = chunks[signal.name] if signal.name in chunks else np.empty((0, signal.columns))
            elif end in done:
                out[name] = done[end][port]
                if out[name].dtype == FINDING:
                    place = self._place[end.root.name]
                    origin = int(place["origin"])
                    moved = self._clocks[name]
                    if moved or origin:
                        out[name] = out[name].copy()  # another output may be the same rows
                    if moved:
                        findings.to_source(out[name], *moved)
                    if origin:
                        findings.shift(out[name], origin, int(place["since"]), int(place["before"]))
            else:
                out[name] = findings.empty() if signal.what == "findings" else np.empty((0, signal.columns))
        return out


def _clock(step: Step | None, port: int) -> tuple[Fraction, float] | None:
    """Tell how findings count time: source samples a sample, and the delay in source samples; None: as the source."""
    while step is not None and step.signal(port).what == "findings":
        port, step = step.port, step.upstream
    if step is None or step.root.fs_hz is None:
        return None
    about = step.signal(port)
    assert about.fs_hz is not None  # nothing makes a rate variable
    if about.fs_hz == step.root.fs_hz and not about.delay_s:
        return None
    return step.root.fs_hz / about.fs_hz, about.delay_s * float(step.root.fs_hz)


def _arguments(design: Design, memory: tuple[NDArray[Any], ...]) -> tuple[Any, ...]:
    """Make the first arguments of a kernel's call: views of the memory, made once.

    A chain is called as a table of one row: numba takes an array at a twentieth of the time it takes for a record.
    """
    if design.many is not None:
        states, buffer = memory
        return np.array([design.params]), np.zeros(1, np.int64), states, buffer[None], np.zeros(1, np.int64)
    return design.params, *(part[0] if part.dtype.names else part for part in memory)


def _compute(design: Design, arguments: tuple[Any, ...], x: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    n = len(x)
    rows = design.capacity(n) if design.capacity else n
    finds = design.output.what == "findings"
    main: NDArray[Any] = np.zeros(rows, FINDING) if finds else np.empty((rows, design.output.columns))
    if design.wave is None:
        count = design.kernel(*arguments, x, main)
        return (main[:count],)
    wave = np.empty((n, len(design.wave.channels)))
    if design.many is not None:
        count = design.many(*arguments, np.array([0, n]), x, wave, main)
    else:
        count = design.kernel(*arguments, x, wave, main)
    return main[:count], wave
