"""What gateways are told beside their maps: how far their streams are held, and why a record was refused."""

import numpy as np
import zmq
from numpy.typing import NDArray

from vitalcore.streams.engine.keeper import Keeper
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.protocol import sockets, wire
from vitalcore.streams.protocol.wire import Ack, Code

_ACK = np.dtype(
    [
        ("magic", "S4"),
        ("kind", "u1"),
        ("code", "u1"),
        ("length", "<u2"),
        ("session", "<u8"),
        ("stream", "<u4"),
        ("credit_records", "<u4"),
        ("next_seq", "<u8"),
        ("credit_bytes", "<u4"),
        ("reserved", "<u4"),
    ]
)


class Acks:
    """Send acknowledgements and refusals."""

    def __init__(self, socket: "zmq.Socket[bytes]", streams: Streams, keeper: Keeper) -> None:
        self._socket, self._streams, self._keeper = socket, streams, keeper

    def acknowledge(self, among: NDArray[np.int64] | None = None) -> None:
        """Send the acknowledgements that are owed: all, or those of some rows once half of a credit of them is used."""
        rows = self._streams.rows
        if among is not None and not half_used(rows, among).any():
            return
        self._keeper.turn()
        which = due(rows[: self._streams.high], among)
        if not len(which):
            return
        acks = np.zeros(len(which), _ACK)
        acks["magic"], acks["kind"], acks["length"] = wire.ACK_MAGIC, 1, wire.ACK_FORMAT.size
        acks["code"] = int(Code.STORAGE) if self._keeper.degraded else 0
        owed = rows[which]
        acks["stream"] = owed["handle"]
        for name in ("session", "credit_records", "credit_bytes"):
            acks[name] = owed[name]
        acks["next_seq"] = rows["acked_seq"][which] = owed["durable_seq"]
        rows["due"][which] = 0
        rows["held_bytes"][which[owed["durable_seq"] == owed["next_seq"]]] = 0
        owners = owed["owner"]
        order = np.argsort(owners, kind="stable")
        cuts = np.flatnonzero(np.diff(owners[order])) + 1
        for mine in np.split(order, cuts):
            stream = self._streams.by_row[which[mine[0]]]
            if stream is not None:
                self.send(stream.identity, acks[mine].tobytes())

    def shut_down(self) -> None:
        """Tell every gateway that nothing more is taken."""
        for stream in self._streams.by_key.values():
            if stream.identity:  # nobody's since the engine was started
                self.send(stream.identity, self.refusal(stream.row, Code.SHUTTING_DOWN))

    def refuse(self, identity: bytes, row: int, code: int, stream: int = 0, session: int = 0) -> None:
        """Refuse a record.

        row : of its stream; -1: it has none, and `stream` and `session` are what it named itself
        """
        if self._keeper.silent:
            return
        if row >= 0:
            # it names what is expected next, below which everything is held as agreed: not before that is so
            self._keeper.after(lambda: self.send(identity, self.refusal(row, code)))
        else:
            self.send(identity, wire.encode_ack(Ack(session & (1 << 63) - 1, stream, 0, 0, 0, code)))

    def refusal(self, row: int, code: int) -> bytes:
        """Spell that a stream's records are refused, and which one is expected next."""
        held = self._streams.rows[row]
        session, handle, next_seq = int(held["session"]), int(held["handle"]), int(held["durable_seq"])
        return wire.encode_ack(
            Ack(session, handle, next_seq, int(held["credit_records"]), int(held["credit_bytes"]), code)
        )

    def send(self, identity: bytes, message: bytes) -> None:
        """Send a message to a gateway; an acknowledgement that gets lost is owed again with the next one."""
        sockets.post(self._socket, identity, message)


def due(rows: NDArray[np.void], among: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """List the rows that are owed an acknowledgement: all, or those of `among`."""
    if among is None:
        return rows["due"].nonzero()[0]
    return np.unique(among[rows["due"][among] != 0])


def half_used(rows: NDArray[np.void], among: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell of which rows half of the credit is used."""
    some = rows[among]
    waiting = some["next_seq"] - some["acked_seq"]
    used: NDArray[np.bool_] = (2 * waiting >= some["credit_records"]) | (2 * some["held_bytes"] >= some["credit_bytes"])
    return used
