"""The gateway client: credit, resending, and what it says when it can't."""

import numpy as np
import pytest

from tests.streams.conftest import Running, wait_for
from vitalcore.errors import ParameterError, ProtocolError
from vitalcore.streams.gateway import Gateway

KEY = "icu/p1/monitor/ecg"


def test_everything_sent_is_acknowledged_and_never_more_is_under_way_than_the_credit(running: Running) -> None:
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        for _ in range(500):
            gateway.send(stream, np.zeros(2, np.float32))
            spool = gateway._spools[stream]
            assert len(spool.sent) <= spool.credit_records
        assert gateway.drain()
        assert gateway.counters == {"sent": 500, "acked": 500, "resent": 0, "held": 0, "lost_samples": 0}


def test_without_an_engine_samples_are_held_up_to_the_room_and_the_rest_is_counted() -> None:
    with Gateway("tcp://127.0.0.1:9", room=10_000) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        lost = sum(gateway.send(stream, np.zeros(10, np.float32)) for _ in range(200))
        counters = gateway.counters
        assert counters["held"] * 104 <= 10_000
        assert counters["lost_samples"] == lost == 2000 - 10 * counters["held"]


def test_a_spool_that_overflowed_tells_the_gap_when_there_is_room_again(running: Running) -> None:
    with Gateway(running.ingest, room=2000) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        for k in range(100):
            gateway.send(stream, np.zeros(10, np.float32), sample_index=10 * k)
        assert gateway.drain()
        lost = gateway.counters["lost_samples"]
        gateway.send(stream, np.zeros(10, np.float32), sample_index=1000)
        assert gateway.drain()
        row = running.engine._streams.rows[0]
        rows = running.engine._streams.rows
        row = rows[rows["handle"] >= 0][0]
        assert lost > 0
        assert (row["lost"], row["undeclared_gap"], row["next_index"]) == (lost, 0, 1010)


def test_a_refused_stream_is_named_and_takes_no_more(running: Running) -> None:
    with Gateway(running.ingest, session=9) as gateway, Gateway(running.ingest, session=8) as late:
        first = gateway.open(KEY, "ecg", 250)
        assert wait_for(lambda: (gateway.poll(1), gateway.is_open(first))[1])
        second = late.open(KEY, "ecg", 250)
        assert wait_for(lambda: (late.poll(1), bool(late.errors))[1])
        assert "session 8" in late.errors[KEY]
        with pytest.raises(ProtocolError, match="session 8"):
            late.send(second, np.zeros(3, np.float32))


def test_the_clock_offset_of_an_engine_on_this_machine_is_small(running: Running) -> None:
    with Gateway(running.ingest) as gateway:
        assert wait_for(lambda: (gateway.poll(1), gateway.clock_offset_ns is not None)[1])
        assert abs(gateway.clock_offset_ns or 0) < 1_000_000_000
        assert gateway.welcome["version"] == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((2, 3), np.float32), r"\[n, 1\]"),
        (np.zeros((2, 1, 1), np.float32), r"\[n, 1\]"),
        (np.zeros(2, complex), "complex128"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(running: Running, values: np.ndarray, words: str) -> None:
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        with pytest.raises(ParameterError, match=words):
            gateway.send(stream, values)


def test_integers_are_never_silently_cut(running: Running) -> None:
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 250, dtype="i16")
        with pytest.raises(ParameterError, match="int32"):
            gateway.send(stream, np.array([70000], np.int32))


def test_times_are_needed_where_the_rate_varies_and_only_there(running: Running) -> None:
    with Gateway(running.ingest) as gateway:
        face, ecg = gateway.open("icu/p1/camera/face", "face", None), gateway.open(KEY, "ecg", 250)
        with pytest.raises(ParameterError, match="a time a sample"):
            gateway.send(face, np.zeros(2, np.float32))
        with pytest.raises(ParameterError, match="no times"):
            gateway.send(ecg, np.zeros(2, np.float32), times=np.array([1, 2]))


@pytest.mark.parametrize("key", ["icu/p1/ecg", "icu/p 1/m/ecg", "icu/p1/m/" + "x" * 65, ""])
def test_a_key_that_breaks_the_rule_is_refused_before_anything_is_sent(running: Running, key: str) -> None:
    with Gateway(running.ingest) as gateway, pytest.raises(ParameterError, match="key"):
        gateway.open(key, "ecg", 250)


def test_a_key_is_opened_once_and_an_index_never_runs_back(running: Running) -> None:
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        with pytest.raises(ParameterError, match="open already"):
            gateway.open(KEY, "ecg", 250)
        gateway.send(stream, np.zeros(5, np.float32))
        with pytest.raises(ParameterError, match="at 5 already"):
            gateway.send(stream, np.zeros(5, np.float32), sample_index=3)


def test_long_chunks_are_split_into_records_that_the_engine_takes(running: Running) -> None:
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        gateway.send(stream, np.zeros(200_000, np.float32), t0_ns=10**18)
        assert gateway.drain(20)
        assert gateway.counters["acked"] > 1
