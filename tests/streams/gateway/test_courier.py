"""How a gateway asks; what it hears is tested with the gateway."""

import time

import numpy as np
import pytest
import zmq

from tests.streams.conftest import wait_for
from vitalcore.errors import ProtocolError
from vitalcore.streams.gateway.courier import ASK_NS, RETRY_NS, _about
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.wire import Ack, Code

KEY = "icu/p1/monitor/ecg"


def test_a_thousand_gateways_do_not_ask_at_once() -> None:
    times = np.array([_about(ASK_NS) for _ in range(1000)])
    assert times.min() >= ASK_NS // 2
    assert times.max() <= ASK_NS * 3 // 2
    assert np.histogram(times, 10, (ASK_NS // 2, ASK_NS * 3 // 2))[0].max() < 200


@pytest.mark.parametrize(
    ("told_by", "code", "wait_ns"),
    [
        ("NACK", Code.STALE_SESSION, 0),
        ("ERR", Code.STALE_SESSION, 0),
        ("ERR", Code.BAD_PARAMETER, 0),
        ("ERR", Code.BAD_MESSAGE, 0),
        ("ERR", Code.FULL, ASK_NS),
        ("ERR", Code.SHUTTING_DOWN, ASK_NS),
        ("NACK", Code.QUARANTINED, ASK_NS),
        ("ERR", 31, ASK_NS),  # not known yet
        ("NACK", 31, ASK_NS),
        ("NACK", Code.FORBIDDEN, RETRY_NS),
        ("ERR", Code.FORBIDDEN, RETRY_NS),
        ("ERR", Code.UNSUPPORTED, RETRY_NS),
        ("ERR", 99, RETRY_NS),
    ],
)
def test_a_refusal_is_final_or_asked_about_soon_or_slowly(told_by: str, code: int, wait_ns: int) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as engine:
        engine.set(zmq.LINGER, 0)
        port = engine.bind_to_random_port("tcp://127.0.0.1")
        with Gateway(f"tcp://127.0.0.1:{port}", session=7) as gateway:
            stream = gateway.open(KEY, "ecg", 250)
            spool = gateway._spools[stream]
            identity = message = b""
            while b"OPEN" not in message:
                assert wait_for(lambda: (gateway.poll(1), engine.poll(0) != 0)[1])
                identity, message = engine.recv_multipart()
            if told_by == "NACK":
                more = {"credit": [9, 9999], "next_seq": 0, "next_index": 0, "ack": "received", "resume": "in_order"}
                engine.send_multipart([identity, maps.pack("OPEN_OK", key=KEY, session=7, stream=65536, **more)])
                assert wait_for(lambda: (gateway.poll(1), gateway.is_open(stream))[1])
                engine.send_multipart([identity, wire.encode_ack(Ack(7, 65536, 0, 9, 9999, code))])
            else:
                engine.send_multipart([identity, maps.pack("ERR", code=code, message="no", key=KEY, session=7)])
            before_ns, asked_ns = time.monotonic_ns(), spool.ask_ns
            assert wait_for(lambda: (gateway.poll(1), spool.refused or spool.ask_ns != asked_ns)[1])
            assert not gateway.is_open(stream)
            assert list(gateway.errors) == [KEY] * (wait_ns != ASK_NS)
            assert list(gateway.refused) == [KEY] * (wait_ns == 0)
            if wait_ns:
                assert before_ns + wait_ns // 2 <= spool.ask_ns <= time.monotonic_ns() + wait_ns * 3 // 2
                gateway.send(stream, np.zeros(10, np.float32))
                assert (gateway.counters["held"], gateway.counters["lost_samples"]) == (1, 0)
            else:
                with pytest.raises(ProtocolError, match="is refused"):
                    gateway.send(stream, np.zeros(10, np.float32))
