"""What is said on the live endpoint, as a client reads it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ProtocolError
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.wire import LiveHeader


@dataclass(frozen=True, eq=False)
class Message:
    """Hold one live message.

    key     : site/subject/device/signal
    what    : beat, delineation, event, feature, alarm, wave or gap
    payload : its map; of a wave the map in front of the samples
    samples : of a wave, [n, n_channels]
    """

    topic: str
    key: str
    what: str
    header: LiveHeader
    payload: dict[str, Any]
    samples: NDArray[np.float32] | None = None

    @property
    def replayed(self) -> bool:
        """Tell whether this was sent once more on request."""
        return bool(self.header.flags & wire.REPLAYED)


def decode(topic: bytes, header: bytes, payload: bytes) -> Message:
    """Read the frames of a live message.

    Errors: ProtocolError
    """
    fields = wire.decode_live(header, payload)
    try:
        name = topic.decode("ascii")
    except UnicodeDecodeError:
        raise ProtocolError("a topic is ASCII") from None
    key, _, what = name.rstrip("/").rpartition("/")
    if what != fields.what:
        raise ProtocolError(f"the topic {name} does not carry a {fields.what}")
    if fields.what == "wave":
        map_, samples = maps.unpack_wave(payload)
        return Message(name, key, what, fields, map_, samples)
    return Message(name, key, what, fields, maps.unpack_payload(payload))
