"""The files of an engine that lets only known keys in."""

from pathlib import Path
from typing import Any

from vitalcore.streams.protocol import keys
from vitalcore.streams.protocol.keys import Keys
from vitalcore.streams.security import rights
from vitalcore.streams.security.guard import Security
from vitalcore.streams.security.rights import Client


class Locked:
    """Make keys, rights and a log in a folder, and change them."""

    def __init__(self, folder: Path) -> None:
        self.engine = keys.make()
        private, _ = keys.write(self.engine, folder, "engine")
        self.rights, self.audit = folder / "rights.toml", folder / "audit.jsonl"
        self.security = Security(private, self.rights, self.audit)
        self.client("owner", write=("/",), read=("/",), admin=("/",))

    def client(self, name: str, **lists: tuple[str, ...]) -> Keys:
        """Make a client with rights."""
        made = keys.make()
        rights.allow(self.rights, made.public, Client(name, **{k: rights.prefixes(v) for k, v in lists.items()}))
        return made

    def as_client(self, own: Keys | None) -> dict[str, Any]:
        """Return what a client says to connect."""
        return {} if own is None else {"server_key": self.engine.public, "keys": own}
