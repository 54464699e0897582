"""The guard: who gets in at all, who may do what, and what is told of it."""

import logging
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import zmq
from zmq.utils import z85

from vitalcore.errors import ParameterError
from vitalcore.streams.protocol import keys, pseudonyms, sockets
from vitalcore.streams.protocol.sockets import Connection
from vitalcore.streams.security.audit import MOST_BYTES, Audit
from vitalcore.streams.security.rights import Client, RightsFile

ZAP = "inproc://zeromq.zap.01"
MAX_HANDSHAKES = 64  # looked at before anything else has its turn
KNOCK_S = 2.0  # for an endpoint to turn a stranger away
SETTLE_S = 0.1  # for a stranger to notice that it was let in all the same

_TEMPORARY = b"300"  # libzmq then leaves it to the client to try again: its key may be allowed later
_FAILED = int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
_OUTCOME = int(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
_EVENT = struct.Struct("=hi")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Security:
    """Name the files that protect an engine.

    keys   : the engine's private key file; with it every endpoint speaks CURVE
    rights : which client may do what; goes with `keys`
    audit  : the log of what was asked and what came of it; audit_bytes: of one of its files
    """

    keys: Path | None = None
    rights: Path | None = None
    audit: Path | None = None
    audit_bytes: int = MOST_BYTES


class Guard:
    """Admit clients by their keys, check what they ask for by their rights, and write it down.

    It answers the handshakes of all sockets of its context. Without keys everybody may do everything, and is nobody.

    Errors: ParameterError where one of the files can't be used.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", security: Security | None = None) -> None:
        security = security or Security()
        if (security.keys is None) != (security.rights is None):
            raise ParameterError("keys and rights go together: the engine's key file and the file of its clients")
        self.counters = {"handshakes_denied": 0, "forbidden": 0, "rights_invalid": 0, "audit_lost": 0}
        self.keys = None if security.keys is None else keys.read(security.keys)
        self._rights = None if security.rights is None else RightsFile(security.rights)
        self._audit = None if security.audit is None else Audit(security.audit, most_bytes=security.audit_bytes)
        self._connections: dict[Connection, str] = {}
        self._leaving: list[Connection] = []
        self._changed: frozenset[str] = frozenset()
        self._stranger = ""  # that knocks in `test`; until it is turned away
        self._monitors: dict[str, zmq.Socket[bytes]] = {}
        self.socket = None
        if self.keys is not None:
            self.socket = context.socket(zmq.REP)
            self.socket.bind(ZAP)

    def watch(self, name: str, socket: "zmq.Socket[bytes]") -> None:
        """Count the handshakes that fail at a socket without a key being shown."""
        if self.keys is not None:
            self._monitors[name] = socket.get_monitor_socket(_FAILED)

    def admit(self) -> bool:
        """Answer handshakes, up to a bound; tell whether some are left."""
        assert self.socket is not None  # who has none is not asked
        self._reload()  # a key that was removed gets in no more from this moment, one that was added does
        for _ in range(MAX_HANDSHAKES):
            try:
                version, mark, domain, address, _, mechanism, *credentials = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return False
            user = z85.encode(credentials[0]) if mechanism == b"CURVE" and len(credentials) == 1 else b""
            known = user.decode() in self._clients
            if not known:
                if user.decode() == self._stranger:
                    self._stranger = ""
                self._denied("unknown key", keys.fingerprint(user.decode()), domain.decode(), address.decode())
            status = [b"200", b"", user] if known else [_TEMPORARY, b"", b""]
            self.socket.send_multipart([version, mark, *status, b""])
        return True

    def who(self, frame: zmq.Frame) -> str:
        """Return the public key of whoever sent a frame; nothing where there are no keys."""
        if self.keys is None:
            return ""
        try:
            user = str(frame.get("User-Id"))
        except zmq.ZMQError:
            return ""  # nobody, who may do nothing
        connection = sockets.connection_of(frame)
        if connection is not None:
            self._connections[connection] = user
        return user

    def allows(self, user: str, right: str, wanted: str, what: str) -> bool:
        """Tell whether a client may do something; if not, it is written down.

        right  : write, read or admin
        wanted : key with a slash at its end, or beginning of topics
        what   : it wants to do
        """
        if self._rights is None:
            return True
        client = self._clients.get(user)
        if client is not None and client.may(right, wanted):
            return True
        self.counters["forbidden"] += 1
        self.note(what, "FORBIDDEN", user, wanted, often=True)
        return False

    def note(self, what: str, result: str, user: str = "", stream: str = "", often: bool = False) -> None:
        """Write into the audit log what was asked and what came of it, if there is a log.

        often : it may come often, so that some are only counted
        """
        if self._audit is None:
            return
        client = self._clients.get(user)
        write = self._audit.note_often if often else self._audit.note
        key = keys.fingerprint(user) if user else ""
        write(what, result, client.name if client else "", key, pseudonyms.shown(stream.rstrip("/")))

    def look(self) -> frozenset[str]:
        """Follow the rights file, about once a second; return the keys whose rights have changed.

        Their connections are broken the next time, so that what they are told reaches them first; whose key is still
        known comes back with the rights it has now.
        """
        for connection in self._leaving:
            sockets.cut(connection)
        self._connections = {each: user for each, user in self._connections.items() if sockets.is_up(each)}
        self._reload()
        changed, self._changed = self._changed, frozenset()
        self._leaving = [
            connection for connection, user in self._connections.items() if user in changed or user not in self._clients
        ]
        self._hear()
        if self._audit is not None:
            self._audit.tick()
            self.counters["audit_lost"] = self._audit.lost
        return changed

    def test(self, endpoints: dict[str, str]) -> None:
        """Knock at every endpoint as a stranger, with a key of nobody and with none at all.

        Errors: ParameterError where a stranger gets in, or is not turned away in time.
        """
        if self.keys is None:
            return
        audit, self._audit = self._audit, None  # these strangers are ours
        tries = (self._knock(*end, stranger) for end in endpoints.items() for stranger in (keys.make(), None))
        found = next(filter(None, tries), "")
        self._hear()
        self._audit = audit
        self.counters["handshakes_denied"] = 0
        self.note("self-test", "failed" if found else "ok")
        if found:
            raise ParameterError(f"{found}; this engine does not start")

    def close(self) -> None:
        """End the log, and answer no more handshakes."""
        if self._audit is not None:
            self._audit.close()
            self._audit = None
        for monitor in self._monitors.values():
            monitor.close(0)
        if self.socket is not None:
            self.socket.close(0)

    @property
    def _clients(self) -> Mapping[str, Client]:
        return {} if self._rights is None else self._rights.clients

    def _reload(self) -> None:
        if self._rights is None:
            return
        before = self._rights.error
        changed = self._rights.look()
        self.counters["rights_invalid"] = int(bool(self._rights.error))
        if self._rights.error and self._rights.error != before:
            _log.error("%s; the rights from before hold", self._rights.error)
            self.note("rights", "invalid: those from before hold")
        if changed:
            _log.info("%s: rights of %d keys have changed", self._rights.path, len(changed))
            for key in sorted(changed):
                self.note("rights", "changed" if key in self._clients else "removed", key)
        self._changed |= changed

    def _denied(self, why: str, key: str, name: str, address: str = "") -> None:
        self.counters["handshakes_denied"] += 1
        if self._audit is not None:
            self._audit.note_often(f"handshake {name}", why, key=key, among=address or name)

    def _hear(self) -> None:
        for name, monitor in self._monitors.items():
            while monitor.poll(0):
                monitor.recv_multipart()
                self._denied("no key", "", name)

    def _knock(self, name: str, endpoint: str, stranger: keys.Keys | None) -> str:
        """Try to get in; say what went wrong if it did not fail."""
        whom = "an unknown key" if stranger else "a client without a key"
        assert self.keys is not None
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            kind = zmq.SUB if name == "live" else zmq.DEALER
            if stranger is None:
                socket = context.socket(kind)  # what no helper of ours does: no key, and perhaps off this machine
                socket.set(zmq.IPV6, "[" in endpoint)
                events = socket.get_monitor_socket(_OUTCOME)
                socket.connect(_near(endpoint))
            else:
                place, mine = _near(endpoint), self.keys.public
                socket = sockets.connect(context, kind, place, server_key=mine, keys=stranger, events=_OUTCOME)
                events = socket.get_monitor_socket(_OUTCOME)
            end, denied = time.monotonic() + KNOCK_S, False
            self._stranger = stranger.public if stranger else "nobody"
            while time.monotonic() < end:
                self.admit()
                if not denied and not self._stranger:  # turned away by us: libzmq tells it nothing
                    end, denied = time.monotonic() + SETTLE_S, True
                if events.poll(1):
                    number, _ = _EVENT.unpack(events.recv_multipart()[0])
                    if number != zmq.EVENT_HANDSHAKE_SUCCEEDED:
                        return ""
                    return f"{name} {endpoint} does not keep out {whom}: it got in"
            return "" if denied else f"{name} {endpoint} has not turned away {whom} in {KNOCK_S:g} s"
        finally:
            context.destroy(0)


def _near(endpoint: str) -> str:
    """Return where an endpoint that is bound can be reached from this machine."""
    return endpoint.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
