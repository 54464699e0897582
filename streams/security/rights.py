"""The rights file: which client may write, read and control which streams.

A client is a block of TOML; a key that is not in the file gets in nowhere. Rights are beginnings of stream keys,
matched part by part: `icu/bed1` covers icu/bed1/monitor/ecg and never icu/bed12; `/` covers everything.

    [[client]]
    name = "bedside-7"
    key = "<its public key>"
    write = ["icu/p7/"]    # OPEN
    read = []              # subscriptions, SNAPSHOT, REPLAY, STATUS, CONFIG without changes
    admin = []             # CONFIG, ALARM_ACK, ERASE

While a client changes from one key to the next it has two blocks of one name.
"""

import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitalcore.errors import ParameterError
from vitalcore.streams.protocol import keys

RIGHTS = ("write", "read", "admin")
MAX_BYTES = 1 << 22

_PREFIX = re.compile(r"/|[A-Za-z0-9._-]{1,64}(/[A-Za-z0-9._-]{1,64}){0,3}/?", re.ASCII)
_BLOCK = re.compile(r"^(?=[ \t]*\[\[)", re.MULTILINE)
_HEAD = "# Who may write, read and control which streams: `vitalcore keys allow` and `revoke` change it.\n"


@dataclass(frozen=True)
class Client:
    """Hold a client's name and the beginnings of stream keys it may write, read and control.

    Each ends with a slash; "" is everything.
    """

    name: str
    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()

    def may(self, right: str, wanted: str) -> bool:
        """Tell whether every key or topic that begins with `wanted` lies inside a right.

        right : write, read or admin
        """
        prefixes: tuple[str, ...] = getattr(self, right)
        return wanted.startswith(prefixes)


def read(path: Path) -> bytes:
    """Return the bytes of a rights file.

    Errors: ParameterError where it can't be read, is too long, or may be changed by anyone but its owner.
    """
    raw, mode = keys.content(path, MAX_BYTES)
    if mode & 0o022:
        raise ParameterError(f"{path} can be changed by others (mode {mode:04o}): chmod go-w {path}")
    if len(raw) > MAX_BYTES:
        raise ParameterError(f"{path} is longer than {MAX_BYTES} bytes")
    return raw


def parse(raw: bytes, path: Path) -> dict[str, Client]:
    """Read a rights file: clients by public key.

    Errors: ParameterError that names the client, the field and the file.
    """
    try:
        fields = tomllib.loads(raw.decode())
    except ValueError as error:
        raise ParameterError(f"{path}: {error}") from None
    strange = ", ".join(sorted(set(fields) - {"client"}))
    if strange:
        raise ParameterError(f"{path}: a rights file holds blocks [[client]]; not {strange}")
    blocks = fields.get("client", [])
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise ParameterError(f"{path}: a client begins with [[client]], in two brackets")
    clients: dict[str, Client] = {}
    for number, block in enumerate(blocks, 1):
        try:
            client = _client(block)
            key = keys.check(block.get("key"))
        except ParameterError as error:
            raise ParameterError(f"{path}: client {number}: {error}") from None
        if key in clients:
            raise ParameterError(f"{path}: client {number} ({client.name}) has the key of {clients[key].name}")
        clients[key] = client
    return clients


def allow(path: Path, key: str, client: Client) -> None:
    """Add a client to a rights file, which is made if there is none.

    Errors: ParameterError, and the file is as before.
    """
    before = read(path).decode() if path.exists() else _HEAD
    lists = "".join(f"{right} = {_spelled(getattr(client, right))}\n" for right in RIGHTS)
    block = f'[[client]]\nname = "{client.name}"\nkey = "{key}"\n{lists}'
    _replace(path, before.rstrip("\n") + "\n\n" + block)


def revoke(path: Path, name: str, key: str | None = None) -> int:
    """Remove a client, or one of its keys, from a rights file; return how many blocks were removed.

    Errors: ParameterError where there is none, and the file is as before.
    """
    text = read(path).decode()
    parse(text.encode(), path)
    kept, removed = [], 0
    for block in _BLOCK.split(text):
        of = tomllib.loads(block).get("client", [{}])[0]
        if of.get("name") == name and key in (None, of.get("key")):
            removed += 1
        else:
            kept.append(block)
    if not removed:
        raise ParameterError(f"{path} names no client {name}" + (" with that key" if key else ""))
    _replace(path, "".join(kept))
    return removed


class RightsFile:
    """Know the clients of a rights file, and follow its changes.

    Errors: ParameterError where the file is not valid at the start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw = read(path)
        self.clients: Mapping[str, Client] = parse(self._raw, path)
        self.error = ""

    def look(self) -> frozenset[str]:
        """Read the file again; return the keys whose rights have changed.

        A file that is not valid changes nothing: `error` says what is wrong with it, and the last good one holds.
        """
        try:
            raw = read(self.path)
            if raw == self._raw:
                self.error = ""
                return frozenset()
            clients = parse(raw, self.path)
        except ParameterError as error:
            self.error = str(error)
            return frozenset()
        before, self.clients, self._raw, self.error = self.clients, clients, raw, ""
        return frozenset(key for key in before.keys() | clients.keys() if before.get(key) != clients.get(key))


def prefixes(given: Iterable[object]) -> tuple[str, ...]:
    """Return beginnings of keys as rights hold them.

    Errors: ParameterError
    """
    found = []
    for prefix in given:
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            raise ParameterError(
                "a right is the beginning of a stream key, such as icu/ or icu/p7/, or / for everything"
            )
        found.append("" if prefix == "/" else prefix.rstrip("/") + "/")
    return tuple(found)


def _client(block: Mapping[str, Any]) -> Client:
    name = block.get("name")
    if not isinstance(name, str) or not keys.NAME.fullmatch(name):
        raise ParameterError("name must be 1 to 64 letters, digits, '.', '_' or '-'")
    strange = ", ".join(sorted(set(block) - {"name", "key", *RIGHTS}))
    if strange:
        raise ParameterError(f"{name} has no field {strange}; there are name, key, {', '.join(RIGHTS)}")
    lists = {}
    for right in RIGHTS:
        given = block.get(right, [])
        if not isinstance(given, list):
            raise ParameterError(f'{right} of {name} must be a list, such as ["icu/"]')
        lists[right] = prefixes(given)
    return Client(name, **lists)


def _spelled(prefixes_: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{prefix or "/"}"' for prefix in prefixes_) + "]"


def _replace(path: Path, text: str) -> None:
    """Put a valid text in the place of a rights file, at once and whole."""
    parse(text.encode(), path)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(handle, mode)
            os.fsync(handle)
        os.replace(name, path)
    except OSError as error:
        raise ParameterError(f"can't write {path}: {error.strerror}") from None
