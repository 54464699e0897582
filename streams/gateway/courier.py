"""What keeps the sessions of a gateway open at their engines: asks, hears answers, and asks again."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import zmq

from vitalcore.errors import ParameterError, ProtocolError
from vitalcore.streams.gateway.drift import ROUND_TRIPS, Drift
from vitalcore.streams.gateway.link import Link
from vitalcore.streams.gateway.spool import Spool
from vitalcore.streams.gateway.store import Store
from vitalcore.streams.protocol import maps, sockets, wire
from vitalcore.streams.protocol.keys import Keys
from vitalcore.streams.protocol.wire import Code

ASK_NS = 1_000_000_000  # an OPEN without an answer is repeated, a silent engine is asked again: a half sooner or later
RETRY_NS = 30_000_000_000  # a stream that was refused for a reason that somebody may remove; a half sooner or later
LOOK_NS = ASK_NS // 4
PING_NS = 2_000_000_000
FRAMES_HZ = 30  # assumed of a variable rate
LIVE_FIRST_S = 10  # a shorter backlog is caught up in order
AWAY_NS = 3_000_000_000  # an engine that was named by another and says nothing is given up
HEARD_NS = 5_000_000_000  # an engine answers a PING every two seconds
MAX_LINKS = 64
MAX_REDIRECTS = 4  # in a row
# compared once an acknowledgement
_NOT_OPEN, _SHUTTING_DOWN, _STORAGE = int(Code.NOT_OPEN), int(Code.SHUTTING_DOWN), int(Code.STORAGE)
# What a refusal of a stream means: never again, for it would be refused again; again soon, for nobody need do anything
# about it; anything else, such as a right that is missing, slowly, until somebody has.
_NEVER = {int(code) for code in (Code.STALE_SESSION, Code.BAD_PARAMETER, Code.BAD_MESSAGE)}
_SOON = {int(Code.FULL), *range(10, 32)}  # the protocol's codes of "not now", those to come too
MAX_RECEIVED = 4096  # messages worked on by one poll


class Courier:
    """Carry records to the engines, and acknowledgements back to the spools.

    A stream that is refused for want of a right, or because this engine does not analyse its kind, is asked for again
    every 15 to 45 s, by chance, and its records are held meanwhile; one that was replaced by a newer producer, or
    breaks a rule, never.

    split : makes a new live session where a long backlog waits, and leaves that to the old one
    by_key: all sessions that hold records or take samples, the oldest of each key first
    unsent: sessions whose records wait, in the order they came
    past  : counters of sessions that are over
    """

    def __init__(
        self,
        address: str,
        pack: int,
        client: str,
        keep_s: float,
        server_key: str | None,
        keys: Keys | None,
        split: Callable[[Spool], None],
    ) -> None:
        self._pack, self._client, self._keep_s, self._split = pack, client, keep_s, split
        self._server_key, self._keys = server_key, keys
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self.links: list[Link] = []
        self.store: Store | None = None
        self.by_key: dict[str, list[Spool]] = {}
        self.unsent: dict[Spool, None] = {}
        self._apart: set[str] = set()  # keys whose backlog is sent beside their live session
        self.past = {"acked": 0, "resent": 0, "lost_samples": 0}
        self.drift = Drift()
        self._ping_ns = self._look_ns = self.commit_ns = 0
        self.heard_ns = -HEARD_NS
        self.welcome: dict[str, Any] = {}
        self.sent_records = 0
        try:
            self.home = self._link(address)
        except ParameterError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connections and the file."""
        for link in self.links:
            link.socket.close()
        self.links = []
        self._context.term()
        if self.store is not None:
            self.store.close()
            self.store = None

    def use_keys(self, keys: Keys) -> None:
        """Connect anew with another key pair, which the engine knows by now; what is not acknowledged is sent again."""
        self._keys = keys
        for link in self.links:
            self._poller.unregister(link.socket)
            link.socket.close()
            link.socket = self._connect(link.endpoint)
            self._lost_touch(link, time.monotonic_ns())
        for spool in self.all():
            if spool.error:
                spool.ask_ns = 0  # the other keys may have the right

    def pump(self, spool: Spool) -> None:
        """Send what credit allows of a session."""
        link = spool.link
        assert link is not None  # every spool of a gateway has one
        while (record := spool.pull()) is not None:
            if not link.fits(len(record)):
                self.flush()
            self.sent_records += 1
            if link.add(record):
                self.flush()
        if spool.reopen:
            self.ask(spool, time.monotonic_ns())
        if not spool.waiting or not spool.handle:
            self.unsent.pop(spool, None)

    def flush(self) -> None:
        """Send the records that wait for others to share a message with."""
        self.commit()
        for link in self.links:
            link.flush()

    def poll(self, timeout_ms: int = 0) -> bool:
        """Hear what the engine says, open again what it has forgotten, send what credit allows; tell if it said any.

        timeout_ms : how long to wait for the engine to say something
        """
        self.flush()
        ready = dict(self._poller.poll(timeout_ms))
        for link in self.links:
            if link.socket not in ready:
                continue
            for _ in range(MAX_RECEIVED):
                try:
                    message = link.socket.recv(zmq.NOBLOCK)
                except zmq.Again:
                    break
                self._hear(link, message)
        now_ns = time.monotonic_ns()
        if now_ns > self._look_ns:
            self._look_ns = now_ns + _about(LOOK_NS)
            self._look_after(now_ns)
        for spool in list(self.unsent):
            self.pump(spool)
        self.flush()
        return bool(ready)

    def ask(self, spool: Spool, now_ns: int) -> None:
        """Ask the engine to open a session, if it is its turn."""
        assert spool.link is not None
        spool.link.by_handle.pop(spool.handle, None)
        spool.handle, spool.reopen = 0, False
        if not self._turn(spool):
            return
        seq, index = spool.oldest
        asked = spool.link.post(maps.write_open(replace(spool.opened, first_seq=seq, first_index=index)))
        spool.ask_ns = now_ns + _about(ASK_NS) if asked else 0

    def all(self) -> list[Spool]:
        """List all sessions."""
        return [spool for sessions in self.by_key.values() for spool in sessions]

    def commit(self) -> None:
        """Write what waits to be written, before it is sent."""
        if self.store is not None:
            self.store.commit()
            self.commit_ns = time.monotonic_ns()

    def _link(self, endpoint: str) -> Link:
        """Return the connection to an endpoint."""
        for link in self.links:
            if link.endpoint == endpoint:
                return link
        self.links.append(Link(self._connect(endpoint), endpoint, self._pack))
        return self.links[-1]

    def _connect(self, endpoint: str) -> "zmq.Socket[bytes]":
        socket = sockets.connect(self._context, zmq.DEALER, endpoint, False, self._server_key, self._keys)
        self._poller.register(socket, zmq.POLLIN)
        return socket

    def _link_to(self, endpoint: str) -> Link:
        if len(self.links) >= MAX_LINKS:
            raise ProtocolError(f"this gateway has {MAX_LINKS} connections already")
        return self._link(endpoint)

    def _turn(self, spool: Spool) -> bool:
        """Tell whether it is a session's turn to be open: the oldest that holds records, or it and the live one."""
        sessions = self.by_key[spool.opened.key]
        live = sessions[-1]
        if spool.opened.key not in self._apart or len(sessions) == 1:
            return spool is sessions[0]
        if spool is sessions[0] and live.handle:
            spool.opened = replace(spool.opened, backfill=True)
            return True
        return spool is live

    def _look_after(self, now_ns: int) -> None:
        for sessions in list(self.by_key.values()):
            for spool in list(sessions):
                self._look_after_one(spool, now_ns)
        if now_ns - self._ping_ns > PING_NS or (
            self.drift.n_trips < ROUND_TRIPS and now_ns - self._ping_ns > ASK_NS // 10
        ):
            self._ping_ns = now_ns
            if not self.welcome:
                self.home.post(maps.pack("HELLO", client=self._client, versions=[maps.WIRE_VERSION]))
            self.home.post(maps.pack("PING", t1=time.time_ns()))

    def _look_after_one(self, spool: Spool, now_ns: int) -> None:
        if spool.former and spool.empty:
            self._retire(spool)
            return
        if self._keep_s < math.inf:
            spool.expire(self.by_key[spool.opened.key][-1].end_s - self._keep_s)
        silent = spool.sent and now_ns - spool.heard_ns > ASK_NS
        if spool.refused or (spool.handle and not silent) or now_ns < spool.ask_ns:
            return
        if spool.link is not self.home and now_ns - spool.heard_ns > AWAY_NS:
            self._move(spool, self.home)  # which knows better by now, or has the stream itself
        self.ask(spool, now_ns)

    def _retire(self, spool: Spool) -> None:
        """Forget a session that is over and acknowledged."""
        sessions = self.by_key[spool.opened.key]
        sessions.remove(spool)
        if len(sessions) <= 1:
            self._apart.discard(spool.opened.key)
        if not sessions:
            del self.by_key[spool.opened.key]
        if spool.link is not None:
            spool.link.by_handle.pop(spool.handle, None)
        self.unsent.pop(spool, None)
        self.past["acked"] += spool.acked_records
        self.past["resent"] += spool.resent_records
        self.past["lost_samples"] += spool.lost_samples
        for next_ in sessions:
            next_.ask_ns = 0  # it may be its turn

    def _move(self, spool: Spool, link: Link) -> None:
        if spool.link is not None:
            spool.link.by_handle.pop(spool.handle, None)
        spool.link, spool.handle, spool.heard_ns = link, 0, time.monotonic_ns()

    def _hear(self, link: Link, message: bytes) -> None:
        self.heard_ns = now_ns = time.monotonic_ns()
        try:
            if maps.is_map(message):
                self._hear_map(link, maps.unpack(message), now_ns)
            else:
                for ack in wire.decode_acks(message):
                    self._hear_ack(link, ack, now_ns)
        except ProtocolError:
            return  # what is not understood is not answered; what matters is said again

    def _hear_ack(self, link: Link, ack: wire.Ack, now_ns: int) -> None:
        session, stream, next_seq, records, size, code = ack
        spool = link.by_handle.get(stream)
        if spool is None:
            return
        if session != spool.opened.session or code == _NOT_OPEN:
            self._lost_touch(link, now_ns)
            return
        spool.heard_ns = now_ns
        spool.credit_records, spool.credit_bytes = records, size
        if code in (0, _SHUTTING_DOWN, _STORAGE):
            spool.acknowledge(next_seq)
        elif code in (Code.SEQ_GAP, Code.NO_CREDIT):
            spool.rewind(next_seq, now_ns)
        elif code in (Code.STALE_SESSION, Code.FORBIDDEN) or code in _SOON:
            why = next((known.name for known in Code if known == code), f"code {code}")
            self._refused(spool, code, why, now_ns)
        else:
            spool.give_up(next_seq, now_ns, at_once=code != Code.BAD_FRAME)
        if spool.former and spool.empty:
            self._retire(spool)
        elif not spool.empty:
            self.unsent[spool] = None

    def _hear_map(self, link: Link, fields: dict[str, Any], now_ns: int) -> None:
        type_ = fields["type"]
        if type_ == "WELCOME":
            self.welcome = fields
        elif type_ == "PONG":
            t4 = time.time_ns()
            t1, t2, t3 = (maps.integer(fields, name, -(1 << 63), (1 << 63) - 1) for name in ("t1", "t2", "t3"))
            self.drift.add(t1, t2, t3, t4)
        spool = self._meant(link, fields)
        if spool is None:
            return
        if type_ == "ERR":
            self._refused(spool, maps.integer(fields, "code", 0, 255), maps.text(fields, "message"), now_ns)
        elif type_ == "REDIRECT":
            spool.redirects += 1
            follow = spool.redirects <= MAX_REDIRECTS
            try:
                self._move(spool, self._link_to(maps.text(fields, "endpoint")) if follow else self.home)
            except ParameterError as error:
                raise ProtocolError(str(error)) from None
            spool.ask_ns = 0 if follow else now_ns + _about(ASK_NS)
            if follow:
                self.ask(spool, now_ns)
            else:
                spool.redirects = 0
        elif type_ in ("OPEN_OK", "CREDIT"):
            credit = fields.get("credit")
            if not isinstance(credit, list) or len(credit) != 2:
                raise ProtocolError("credit must be [records, bytes]")
            pair = {"records": credit[0], "bytes": credit[1]}
            spool.credit_records = maps.integer(pair, "records", 1, 1 << 31)
            spool.credit_bytes = maps.integer(pair, "bytes", 1, 1 << 40)
            spool.heard_ns = now_ns
            if type_ == "OPEN_OK":
                self._opened(spool, link, fields, now_ns)
            if not spool.empty:
                self.unsent[spool] = None

    def _meant(self, link: Link, fields: dict[str, Any]) -> Spool | None:
        """Find the session that an answer is about: the one it names, or the one that was asked for last."""
        sessions = [s for s in self.by_key.get(str(fields.get("key")), ()) if s.link is link]
        if "session" in fields:
            sessions = [s for s in sessions if s.opened.session == fields["session"]]
        return next((s for s in reversed(sessions) if not s.handle), sessions[-1] if sessions else None)

    def _opened(self, spool: Spool, link: Link, fields: dict[str, Any], now_ns: int) -> None:
        handle = maps.integer(fields, "stream", 1, (1 << 32) - 1)
        next_seq = maps.integer(fields, "next_seq", 0, (1 << 63) - 1)
        spool.granted = maps.text(fields, "ack", "received"), maps.text(fields, "resume", "in_order")
        spool.redirects, spool.error = 0, ""
        link.by_handle.pop(spool.handle, None)
        spool.handle = handle
        link.by_handle[handle] = spool
        spool.rewind(next_seq, now_ns, again=True)
        if self._keeps_waiting(spool):
            self._go_apart(spool, now_ns)
        elif spool.former and spool.empty:
            self._retire(spool)
        elif not spool.former:
            for older in self.by_key[spool.opened.key][:1]:
                older.ask_ns = 0  # the live session is open: the backlog may be

    def _keeps_waiting(self, spool: Spool) -> bool:
        """Tell whether so much waits that what is measured now should not wait behind it."""
        live = self.by_key[spool.opened.key][-1]
        if spool.granted[1] != "live_first" or spool.opened.backfill or live.former or live.ended:
            return False
        first = max(spool.oldest[1], spool.start)  # the gap that it begins with keeps nobody waiting
        behind = live.base + live.next_index - spool.base - first
        return behind > LIVE_FIRST_S * float(spool.opened.rate or FRAMES_HZ)

    def _go_apart(self, spool: Spool, now_ns: int) -> None:
        """Open the live session of a key before its backlog."""
        sessions = self.by_key[spool.opened.key]
        self._apart.add(spool.opened.key)
        if not spool.former:
            self._split(spool)
        for older in sessions[:-1]:
            if not older.ended:
                older.end()  # so that the engine lets go of it
                self.unsent[older] = None
        self.ask(sessions[-1], now_ns)
        self.ask(spool, now_ns)

    def _refused(self, spool: Spool, code: int, why: str, now_ns: int) -> None:
        """Note that the engine does not take a session; what is left of a former one is lost if it never will."""
        if spool.former and code in _NEVER:
            spool.lost_samples += spool.next_index - spool.oldest[1]
            self._retire(spool)
            if self.store is not None:
                self.store.finish(spool.number)
            return
        if spool.link is not None:
            spool.link.by_handle.pop(spool.handle, None)
        spool.handle, spool.refused = 0, code in _NEVER
        if code in _SOON:
            spool.ask_ns = now_ns + _about(ASK_NS)
        else:
            spool.error, spool.ask_ns = why, now_ns + _about(RETRY_NS)

    def _lost_touch(self, link: Link, now_ns: int) -> None:
        """Open every stream of a connection again: handles are valid on one connection only."""
        link.by_handle = {}
        for spool in self.all():
            if spool.link is link and spool.handle:
                self.ask(spool, now_ns)


def _about(ns: int) -> int:
    """Return a time by chance between half and one and a half of another: a thousand gateways don't ask at once."""
    return random.randint(ns // 2, ns + ns // 2)
