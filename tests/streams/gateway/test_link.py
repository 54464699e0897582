"""Records that share a message."""

import zmq

from vitalcore.streams.gateway.link import Link
from vitalcore.streams.protocol.wire import MAX_MESSAGE


def test_records_wait_until_the_message_is_full_or_flushed() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    here, there = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    there.bind("inproc://link")
    here.connect("inproc://link")
    link = Link(here, "inproc://link", 3)
    assert [link.add(b"ab"), link.add(b"cd"), link.add(b"ef")] == [False, False, True]
    assert not link.fits(MAX_MESSAGE - 5)
    assert not there.poll(0)
    link.flush()
    link.flush()
    assert there.recv() == b"abcdef"
    assert not there.poll(0)
    context.destroy(0)


def test_without_a_peer_a_message_is_not_taken() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.set(zmq.IMMEDIATE, 1)
    socket.connect("tcp://127.0.0.1:9")
    assert not Link(socket, "", 1).post(b"x")
    context.destroy(0)
