"""A live message is read as it was written, and refused where its frames contradict each other."""

import msgpack
import pytest

from vitalcore.errors import ProtocolError
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.live import decode
from vitalcore.streams.protocol.wire import LiveHeader

TOPIC = b"icu/p1/monitor/ecg/beat/"


def frames(what: str = "beat", flags: int = 0) -> tuple[bytes, bytes]:
    payload = msgpack.packb({"n": 7})
    return wire.encode_live(LiveHeader(what, 1, 2, 3, 4, 0, flags), payload), payload


def test_a_message_says_what_it_is_of_whom_and_whether_it_was_said_before() -> None:
    message = decode(TOPIC, *frames(flags=wire.REPLAYED))
    assert (message.topic, message.key, message.what) == (TOPIC.decode(), "icu/p1/monitor/ecg", "beat")
    assert (message.payload, message.samples, message.replayed) == ({"n": 7}, None, True)
    assert not decode(TOPIC, *frames()).replayed


@pytest.mark.parametrize(
    ("topic", "words"), [(TOPIC.replace(b"beat", b"gap"), "does not carry a beat"), (b"icu/p\xfc/", "ASCII")]
)
def test_a_topic_that_contradicts_the_header_or_is_no_text_is_refused(topic: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        decode(topic, *frames())
