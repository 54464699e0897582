"""The log of a process: one line of text or JSON for each thing that happened, without keys and without subjects.

Lines are written by a thread of their own, so that nobody waits for whoever reads them.
"""

import hashlib
import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue
from typing import Any, TextIO

_ROOT = logging.getLogger("vitalcore")
_log = logging.getLogger("vitalcore.engine")
# a stream key, a topic or the beginning of one; neither a path from the root nor an endpoint
_KEY = re.compile(r"(?<![\w./:-])([A-Za-z0-9_-][A-Za-z0-9._-]*)/[A-Za-z0-9._-]+[A-Za-z0-9._/-]*", re.ASCII)


def tell(what: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log what happened, with its numbers and words."""
    _log.log(level, what, extra={"fields": fields})


def shown(text: str) -> str:
    """Return a text whose stream keys are their site and a short hash: enough to see that two lines are about one."""
    return _KEY.sub(lambda found: f"{found[1]}/#{hashlib.sha256(found[0].encode()).hexdigest()[:8]}", text)


@contextmanager
def writing(form: str, level: str, to: TextIO | None = None) -> Iterator[None]:
    """Write what vitalcore logs while this lasts.

    form : text or json
    to   : where; None: standard error
    """
    queue: SimpleQueue[Any] = SimpleQueue()
    handler, writer = QueueHandler(queue), logging.StreamHandler(to or sys.stderr)
    writer.setFormatter(_Line(form == "json"))
    listener = QueueListener(queue, writer)
    before = _ROOT.level, _ROOT.propagate
    _ROOT.addHandler(handler)
    _ROOT.propagate = False
    set_level(level)
    listener.start()
    try:
        yield
    finally:
        listener.stop()
        _ROOT.removeHandler(handler)
        _ROOT.level, _ROOT.propagate = before


def set_level(level: str) -> None:
    """Tell what is of a level (debug, info, warning, error) or above."""
    _ROOT.setLevel(level.upper())


class _Line(logging.Formatter):
    """Spell a record as one line; of an exception its type and place, never its words."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Spell a record."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        level, what = record.levelname.lower(), shown(record.getMessage())
        fields = {name: shown(v) if isinstance(v, str) else v for name, v in getattr(record, "fields", {}).items()}
        if self._as_json:
            return json.dumps({"t": at, "level": level, "what": what} | fields, ensure_ascii=False)
        return " ".join([at, level, what.replace("\n", " "), *(f"{n}={_word(v)}" for n, v in fields.items())])


def _word(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text if re.fullmatch(r"[^\s\"=]+", text) else json.dumps(text, ensure_ascii=False)
