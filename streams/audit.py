"""The audit log: who did what, when, to which stream, with which result, in lines that hold each other.

A line is a JSON object whose last field, `hash`, is the SHA-256 of the hash before and of everything in front of it. So
`verify` finds a flipped byte, and a line that was removed, added or moved. What it can't find alone: a tail cut off
between two lines, and a log rewritten whole by somebody who can write it. Against both, keep the last hash elsewhere:
`verify` finds it in the log, or says that it is missing.

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
_NONE = "0" * 64
_log = logging.getLogger(__name__)


class Audit:
    """Write the log; an existing one is continued.

    now_s : seconds since the Unix epoch

    Errors: ParameterError where the file can't be written, is in use, or does not end as an audit log does.
    """

    def __init__(self, path: Path, now_s: Callable[[], float] = time.time) -> None:
        self._path, self._now_s = path, now_s
        self._groups: dict[tuple[str, ...], tuple[int, dict[str, object]]] = {}
        self._minute_s = now_s()
        self._dirty = False
        self._syncing: Future[None] | None = None
        self.lost = 0
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise ParameterError(f"{path} is in use by another engine") from None
        except OSError as error:
            raise ParameterError(f"can't write {path}: {error.strerror}") from None
        try:
            self._count, self._hash, dropped = self._tail()
        except ParameterError:
            os.close(self._file)
            raise
        self._worker = ThreadPoolExecutor(1, "audit")
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
            self._syncing = self._worker.submit(self._sync)

    def close(self) -> None:
        """Write the last line and sync."""
        self._number()
        self.note("stop", "ok")
        self._worker.shutdown()
        self._sync()
        os.close(self._file)

    def _number(self) -> None:
        self._minute_s = self._now_s()
        groups, self._groups = self._groups, {}
        for n, fields in groups.values():
            if n > 1:
                self._write({name: value for name, value in fields.items() if value}, n - 1)

    def _write(self, fields: dict[str, object], n_times: int) -> None:
        t = datetime.fromtimestamp(self._now_s(), UTC).isoformat(timespec="milliseconds")
        more = {"n_times": n_times} if n_times > 1 else {}
        body = json.dumps({"n": self._count, "t": t} | fields | more, separators=(",", ":"))[:-1].encode()
        chained = _chain(self._hash, body)
        line = body + f',"hash":"{chained}"}}\n'.encode()
        start = os.fstat(self._file).st_size
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

    def _sync(self) -> None:
        try:
            os.fsync(self._file)
        except OSError as error:
            _log.error("%s: %s: the audit log is not synced", self._path, error.strerror)

    def _tail(self) -> tuple[int, str, int]:
        """Find where the log goes on: number of the next line, hash before it, bytes of a torn line cut off."""
        size = os.fstat(self._file).st_size
        raw = os.pread(self._file, 2 * MAX_LINE, max(0, size - 2 * MAX_LINE))
        lines = raw.split(b"\n")
        torn = len(lines.pop())
        if not lines:
            if torn > MAX_LINE:
                raise ParameterError(f"{self._path} is no audit log")
            os.ftruncate(self._file, 0)
            return 0, _NONE, torn
        read = _split(lines[-1])
        if read is None:
            raise ParameterError(
                f"{self._path} does not end with a line of an audit log; `vitalcore audit verify` says more"
            )
        os.ftruncate(self._file, size - torn)
        return read.number + 1, read.hash, torn


@dataclass(frozen=True)
class Line:
    """Hold a line as it is chained."""

    number: int
    body: bytes
    hash: str
    what: str


@dataclass(frozen=True)
class Verdict:
    """Say what was found of a log.

    n_lines   : whole and in their place
    last_hash : to be kept elsewhere
    ended     : the last line is that of an engine that stopped in order
    problem   : where the chain breaks; "" if it does not
    """

    n_lines: int
    last_hash: str
    ended: bool
    problem: str = ""


def verify(path: Path, known_hash: str = "") -> Verdict:
    """Check a log from its first line to its last.

    known_hash : one that was kept elsewhere; it must be there

    Errors: ParameterError where the file can't be read.
    """
    before, n, ended, met = _NONE, 0, False, not known_hash
    try:
        with open(path, "rb") as file:
            while raw := file.readline(MAX_LINE):
                read = _split(raw[:-1]) if raw.endswith(b"\n") else None
                if read is None:
                    return Verdict(n, before, False, f"line {n + 1} is cut short or changed")
                if read.hash != _chain(before, read.body) or read.number != n:
                    said = f"it calls itself line {read.number + 1}: lines were removed, added or moved"
                    words = said if read.number != n else "it was changed, or the one before it"
                    return Verdict(n, before, False, f"line {n + 1} does not follow the line before: {words}")
                before, n, ended = read.hash, n + 1, read.what == "stop"
                met = met or before == known_hash
    except OSError as error:
        raise ParameterError(f"can't read {path}: {error.strerror}") from None
    problem = "" if met else "the hash that was kept is not in this log: its end was cut off, or it was written anew"
    return Verdict(n, before, ended, problem)


def _chain(before: str, body: bytes) -> str:
    return hashlib.sha256(before.encode() + body).hexdigest()


def _split(line: bytes) -> Line | None:
    body, mark, rest = line.rpartition(b',"hash":"')
    try:
        fields = json.loads(line)
        number, what, hash_ = fields["n"], fields["what"], fields["hash"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    whole = mark and rest == f'{hash_}"}}'.encode() and isinstance(number, int) and isinstance(what, str)
    return Line(number, body, hash_, what) if whole and isinstance(hash_, str) else None
