"""Config files: TOML whose errors name the file, the line, the key, its limit and its value."""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vitalcore.errors import ParameterError, ReadError


def text_of(path: str | Path) -> str:
    """Read the text of a config.

    Errors: ReadError
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{path}: can't be read ({getattr(error, 'strerror', None) or error})") from None


def parse(text: str, path: Path) -> "Table":
    """Read the text of a config; return what stands before its first table, and the tables in it.

    Errors: ReadError
    """
    try:
        return Table(tomllib.loads(text), "", 0, text, path)
    except tomllib.TOMLDecodeError as error:
        raise ReadError(f"{path}: this is no TOML ({error})") from None


class Table:
    """Read values of one table of a config, and say where it was if one is wrong.

    name, nth : of the table; nth counts those of one name
    """

    def __init__(self, content: Mapping[str, Any], name: str, nth: int, text: str, path: Path) -> None:
        self.content, self.path = content, path
        self._name, self._nth, self._text = name, nth, text

    def wrong(self, key: str, why: str) -> ParameterError:
        """Make the error about a key of this table."""
        section = f"[{self._name}] " if self._name else ""
        return ParameterError(f"{self.path}, line {self._line(key)}: {section}{why}")

    def only(self, *known: str) -> None:
        """Refuse keys that are not known."""
        for key in self.content:
            if key not in known:
                near = get_close_matches(key, known, 1, 0.5)
                meant = f" (is {near[0]} meant?)" if near else ""
                raise self.wrong(key, f"there is no {key}{meant}; there are {', '.join(known)}")

    def table(self, name: str) -> "Table":
        """Return a table in this one; empty where it is missing."""
        value = self.content.get(name, {})
        if not isinstance(value, dict):
            raise self.wrong(name, f"{name} is {value!r}; it must be a table: [{name}]")
        return Table(value, name, 0, self._text, self.path)

    def tables(self, name: str) -> list["Table"]:
        """Return the tables of an array."""
        value = self.content.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.wrong(name, f"{name} must be an array of tables: [[{name}]]")
        return [Table(each, name, k, self._text, self.path) for k, each in enumerate(value)]

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string."""
        value = self.content.get(key, default)
        if value is None:
            raise self.wrong("", f"{key} is missing")
        if not isinstance(value, str) or not value:
            raise self.wrong(key, f"{key} is {value!r}; it must be a text")
        return value

    def choice(self, key: str, known: tuple[str, ...], default: str | None = None) -> str:
        """Return a string that is one of the known."""
        value = self.text(key, default)
        if value not in known:
            raise self.wrong(key, f"{key} is {value!r}; it must be one of {', '.join(known)}")
        return value

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """Return a number between low and high; the default may lie outside."""
        value = self.content.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.wrong(key, f"{key} is {value!r}; it must be a number from {low:g} to {high:g}")
        return float(value)

    def whole(self, key: str, low: int, high: int, default: int) -> int:
        """Return a whole number between low and high."""
        value = self.content.get(key, default)
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(key, f"{key} is {value!r}; it must be a whole number from {low} to {high}")
        return value

    def switch(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.content.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, f"{key} is {value!r}; it must be true or false")
        return value

    def file(self, key: str) -> Path | None:
        """Return a path, relative to the config's folder; None where it is missing."""
        return self.path.parent / self.text(key) if key in self.content else None

    def _line(self, key: str) -> int:
        """Find the line that a key is on, or the table's own."""
        lines = self._text.splitlines()
        start = 0
        if self._name:
            head = re.compile(rf"\s*\[\[?\s*{re.escape(self._name)}\s*\]\]?")
            found = [k for k, line in enumerate(lines) if head.match(line)]
            start = found[self._nth] if self._nth < len(found) else 0
        for k in range(start, len(lines)):
            if k > start and self._name and lines[k].lstrip().startswith("["):
                break
            if key and re.match(rf"\s*(\[\[?\s*)?[\"']?{re.escape(key)}[\"']?\s*[=.\]]", lines[k]):
                return k + 1
        return start + 1
