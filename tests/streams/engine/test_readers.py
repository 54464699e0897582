"""Who reads what: told when the first comes and when the last goes."""

import time
from collections.abc import Callable

import zmq

from vitalcore.streams.engine.readers import Readers
from vitalcore.streams.protocol import sockets
from vitalcore.streams.security.guard import Guard


def turn_until(readers: Readers, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        readers.work()
        readers.sweep()
        time.sleep(0.01)
    return condition()


def test_the_first_reader_and_the_last_are_told() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    live = sockets.serve(context, zmq.XPUB, "tcp://127.0.0.1:*")
    told: list[tuple[bytes, bool]] = []
    readers = Readers(live, Guard(context), lambda prefix, wanted: told.append((prefix, wanted)))
    subscribers = [sockets.connect(context, zmq.SUB, sockets.endpoint_of(live)) for _ in range(2)]
    for each in subscribers:
        each.subscribe("icu/p1/")
    assert turn_until(readers, lambda: readers.wanted(b"icu/p1/monitor/ecg/wave/"))
    assert not readers.wanted(b"icu/p12/monitor/ecg/wave/")
    assert turn_until(readers, lambda: sum(len(mine) for mine in readers._readers.values()) == 2)
    subscribers[0].unsubscribe("icu/p1/")
    assert turn_until(readers, lambda: sum(len(mine) for mine in readers._readers.values()) == 1)
    assert told == [(b"icu/p1/", True)]
    subscribers[1].close()
    assert turn_until(readers, lambda: told == [(b"icu/p1/", True), (b"icu/p1/", False)])
    subscribers[0].close()
    live.close()
    context.term()
