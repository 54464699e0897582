"""The audit log: who did what, when, to which stream, with which result, in lines that hold each other.

A line is a JSON object whose last field, `hash`, is the SHA-256 of the hash before and of everything in front of it. So
`verify` finds a flipped byte, and a line that was removed, added or moved. What it can't find alone: a tail cut off
between two lines, and a log rewritten whole by somebody who can write it. Against both, keep the last hash elsewhere:
`verify` finds it in the log, or says that it is missing.

A file that has reached its size becomes FILE.1, the one before FILE.2, up to FILE.9; the oldest goes. The first line of
the next one is `continue`, with the hash `before`: the chain and the numbers go on, so `verify` tells which file is
missing.

A line is written before its consequence is answered, so it survives the end of the process; within about a second it is
synced to the disk, on a thread of its own. What comes often (refusals, handshakes, streams opened again) is written
once a minute with its number, `n_times`, so that nobody can fill the disk.
"""

import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vitalcore.errors import ParameterError

MAX_LINE = 1 << 14
MAX_GROUPS = 4096  # kinds of frequent things told apart in a minute
MINUTE_S = 60.0
MOST_BYTES = 64 << 20  # of a file
KEPT = 9  # older files
_NONE = "0" * 64
_UNMET = "the hash that was kept is not in this log: its end was cut off, or it was written anew"
_log = logging.getLogger(__name__)


class Audit:
    """Write the log; an existing one is continued.

    now_s      : seconds since the Unix epoch
    most_bytes : of a file; a larger one is left to the next

    Errors: ParameterError where the file can't be written, is in use, or does not end as an audit log does.
    """

    def __init__(self, path: Path, now_s: Callable[[], float] = time.time, most_bytes: int = MOST_BYTES) -> None:
        self._path, self._now_s, self._most_bytes = path, now_s, most_bytes
        self._groups: dict[tuple[str, ...], tuple[int, dict[str, object]]] = {}
        self._minute_s = now_s()
        self._dirty = self._stuck = False
        self._syncing: Future[None] | None = None
        self.lost = 0
        try:
            self._file = _open(path)
        except BlockingIOError:
            raise ParameterError(f"{path} is in use by another engine") from None
        except OSError as error:
            raise ParameterError(f"can't write {path}: {error.strerror}") from None
        try:
            last, dropped = _end(self._file, path)
            os.ftruncate(self._file, os.fstat(self._file).st_size - dropped)
            fresh = last is None
            if fresh and _older(path, 1).exists():  # its end came just after a file was full
                with open(_older(path, 1), "rb") as before:
                    last, _ = _end(before.fileno(), _older(path, 1))
        except ParameterError:
            os.close(self._file)
            raise
        self._count, self._hash = (0, _NONE) if last is None else (last.number + 1, last.hash)
        self._worker = ThreadPoolExecutor(1, "audit")
        if fresh and last is not None:
            self._continue()
        self.note("start", f"dropped {dropped} bytes of a line that was cut short" if dropped else "ok")

    def note(self, what: str, result: str, who: str = "", key: str = "", stream: str = "", n_times: int = 1) -> None:
        """Write a line.

        what, result : of what was asked, and what came of it
        who, key     : name of the client, fingerprint of its key
        stream       : key or prefix; never a subject that is no pseudonym
        """
        fields: dict[str, object] = {"who": who, "key": key, "what": what, "stream": stream, "result": result}
        self._write({name: value for name, value in fields.items() if value}, n_times)

    def note_often(
        self, what: str, result: str, who: str = "", key: str = "", stream: str = "", among: str = ""
    ) -> None:
        """Write a line for what may come often: the first of each minute at once, the others as a number.

        among : what makes two of them the same, if not `who`, `key` and `stream`
        """
        group = (what, result, among) if among else (what, result, who, key, stream)
        if group not in self._groups and len(self._groups) >= MAX_GROUPS:
            group, who, key, stream = (what, result, ""), "", "", ""
        n, fields = self._groups.get(
            group, (0, {"who": who, "key": key, "what": what, "stream": stream, "result": result})
        )
        self._groups[group] = n + 1, fields
        if not n:
            self.note(what, result, who, key, stream)

    def tick(self) -> None:
        """Sync what was written, and each minute number what came often; call it about once a second."""
        if self._now_s() - self._minute_s >= MINUTE_S:
            self._number()
        if self._dirty and (self._syncing is None or self._syncing.done()):
            self._dirty = False
            self._syncing = self._worker.submit(self._sync, self._file)

    def close(self) -> None:
        """Write the last line and sync."""
        self._number()
        self.note("stop", "ok")
        self._worker.shutdown()
        self._sync(self._file)
        os.close(self._file)

    def _number(self) -> None:
        self._minute_s = self._now_s()
        groups, self._groups = self._groups, {}
        for n, fields in groups.values():
            if n > 1:
                self._write({name: value for name, value in fields.items() if value}, n - 1)

    def _write(self, fields: dict[str, object], n_times: int) -> None:
        start = os.fstat(self._file).st_size
        if start >= self._most_bytes:
            self._rotate()
            start = os.fstat(self._file).st_size
        t = datetime.fromtimestamp(self._now_s(), UTC).isoformat(timespec="milliseconds")
        more = {"n_times": n_times} if n_times > 1 else {}
        body = json.dumps({"n": self._count, "t": t} | fields | more, separators=(",", ":"))[:-1].encode()
        chained = _chain(self._hash, body)
        line = body + f',"hash":"{chained}"}}\n'.encode()
        try:
            if os.write(self._file, line) != len(line):
                os.ftruncate(self._file, start)
                raise OSError(0, "the disk is full")
        except OSError as error:
            self.lost += 1
            if self.lost == 1:
                _log.error("%s: %s: lines of the audit log are lost", self._path, error.strerror)
            return
        self._count, self._hash, self._dirty = self._count + 1, chained, True

    def _rotate(self) -> None:
        """Go on in a new file; in the old one where that can't be."""
        new, full = self._path.with_name(self._path.name + ".new"), self._file
        try:
            fresh = _open(new)
            try:
                _make_way(self._path)
                new.rename(self._path)
            except OSError:
                os.close(fresh)
                new.unlink(missing_ok=True)
                raise
        except OSError as error:
            if not self._stuck:
                _log.error("%s: %s: the audit log does not go on in a new file", self._path, error.strerror)
            self._stuck = True
            return
        self._file, self._stuck = fresh, False
        self._worker.submit(self._finish, full)
        self._continue()

    def _continue(self) -> None:
        self._write({"what": "continue", "result": "ok", "before": self._hash}, 1)

    def _sync(self, file: int) -> None:
        try:
            os.fsync(file)
        except OSError as error:
            _log.error("%s: %s: the audit log is not synced", self._path, error.strerror)

    def _finish(self, full: int) -> None:
        """Sync and close a file that is full; on the thread that syncs, so that none is closed meanwhile."""
        self._sync(full)
        os.close(full)


@dataclass(frozen=True)
class Line:
    """Hold a line as it is chained.

    before : of the first line of a file that goes on with another, the hash before it
    """

    number: int
    body: bytes
    hash: str
    what: str
    before: str


@dataclass(frozen=True)
class Verdict:
    """Say what was found of a log.

    n_lines   : whole and in their place
    n_files   : that hold them
    n_gone    : lines before them, in files that are kept no more
    last_hash : to be kept elsewhere
    ended     : the last line is that of an engine that stopped in order
    problem   : where the chain breaks, or which file is missing; "" if the log is whole
    """

    n_lines: int
    last_hash: str
    ended: bool
    problem: str = ""
    n_files: int = 1
    n_gone: int = 0


def verify(path: Path, known_hash: str = "") -> Verdict:
    """Check a log from the first line of its oldest file to its last.

    known_hash : one that was kept elsewhere; it must be there

    Errors: ParameterError where a file can't be read.
    """
    if not path.name:
        raise ParameterError(f"can't read {path}: it is no file")
    numbers = [k for k in range(KEPT, -1, -1) if _older(path, k).exists()] or [0]
    before, n, gone, ended, met = _NONE, 0, 0, False, not known_hash

    def say(problem: str) -> Verdict:
        return Verdict(n - gone, before, ended and not problem, problem, len(numbers), gone)

    try:
        for place, k in enumerate(numbers):
            name = _older(path, k).name
            where = f"{name}, " if len(numbers) > 1 else ""
            with open(_older(path, k), "rb") as file:
                first = True
                while raw := file.readline(MAX_LINE):
                    read = _split(raw[:-1]) if raw.endswith(b"\n") else None
                    if read is None:
                        return say(f"{where}line {n + 1} is cut short or changed")
                    if first and read.before and (read.before != before or read.number > n):
                        missing = range(numbers[place - 1] - 1 if place else KEPT, k, -1)
                        if place or missing:
                            lost = ", ".join(_older(path, each).name for each in missing) or "what was between"
                            return say(f"{lost} is missing: {name} begins with line {read.number + 1}, not {n + 1}")
                        before, n, gone = read.before, read.number, read.number
                    first = False
                    if read.hash != _chain(before, read.body) or read.number != n:
                        said = f"it calls itself line {read.number + 1}: lines were removed, added or moved"
                        words = said if read.number != n else "it was changed, or the one before it"
                        return say(f"{where}line {n + 1} does not follow the line before: {words}")
                    before, n, ended = read.hash, n + 1, read.what == "stop"
                    met = met or before == known_hash
    except OSError as error:
        raise ParameterError(f"can't read {error.filename}: {error.strerror}") from None
    if numbers[-1]:
        return say(f"{path.name} is missing: {_older(path, numbers[-1]).name} is older")
    return say("" if met else _UNMET + (", or it lies in a file that is kept no more" if gone else ""))


def _open(path: Path) -> int:
    """Open a file of the log, for this process alone.

    Errors: BlockingIOError where another has it; OSError
    """
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


def _older(path: Path, k: int) -> Path:
    return path.with_name(f"{path.name}.{k}") if k else path


def _make_way(path: Path) -> None:
    """Give each file of a log the next number, up to the first that is free; the last one goes if none is."""
    free = next((k for k in range(KEPT + 1) if not _older(path, k).exists()), KEPT)
    for k in range(free, 0, -1):
        _older(path, k - 1).replace(_older(path, k))


def _end(file: int, path: Path) -> tuple[Line | None, int]:
    """Return the last line of a file, None where it has none, and how many bytes of a torn one are behind it.

    Errors: ParameterError where it does not end as a log does.
    """
    size = os.fstat(file).st_size
    lines = os.pread(file, 2 * MAX_LINE, max(0, size - 2 * MAX_LINE)).split(b"\n")
    torn = len(lines.pop())
    if not lines and torn > MAX_LINE:
        raise ParameterError(f"{path} is no audit log")
    last = _split(lines[-1]) if lines else None
    if lines and last is None:
        raise ParameterError(f"{path} does not end with a line of an audit log; `vitalcore audit verify` says more")
    return last, torn


def _chain(before: str, body: bytes) -> str:
    return hashlib.sha256(before.encode() + body).hexdigest()


def _split(line: bytes) -> Line | None:
    body, mark, rest = line.rpartition(b',"hash":"')
    try:
        fields = json.loads(line)
        number, what, hash_ = fields["n"], fields["what"], fields["hash"]
        before = fields["before"] if what == "continue" else ""
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    whole = mark and rest == f'{hash_}"}}'.encode() and isinstance(number, int)
    texts = all(isinstance(each, str) for each in (what, hash_, before))
    return Line(number, body, hash_, what, before) if whole and texts else None
