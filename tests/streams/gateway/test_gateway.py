"""The gateway client: credit, resending, and what it says when it can't."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.faults.cut import Cut
from tests.streams.conftest import Door, Running, wait_for
from vitalcore.errors import ParameterError, ProtocolError
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.gateway.spool import Spool
from vitalcore.streams.protocol import wire
from vitalcore.streams.subscriber import Subscriber

KEY = "icu/p1/monitor/ecg"


def test_everything_sent_is_acknowledged_and_never_more_is_under_way_than_the_credit(running: Running) -> None:
    with Gateway(running.ingest) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        for _ in range(500):
            gateway.send(stream, np.zeros(2, np.float32))
            spool = gateway._spools[stream]
            assert len(spool.sent) <= spool.credit_records
        assert gateway.drain()
        assert gateway.counters == {"sent": 500, "acked": 500, "resent": 0, "held": 0, "lost_samples": 0, "degraded": 0}


def test_without_an_engine_samples_are_held_up_to_the_room_and_the_rest_is_counted() -> None:
    with Gateway("tcp://127.0.0.1:9", room=10_000) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        lost = sum(gateway.send(stream, np.zeros(10, np.float32)) for _ in range(200))
        counters = gateway.counters
        assert counters["held"] * 104 <= 10_000
        assert counters["lost_samples"] == lost == 2000 - 10 * (counters["held"] - 1)  # one is the GAP


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


T0_NS = 1_700_000_000_000_000_000
STEP_NS = 4_000_000  # of a sample


def ramp(a: int, b: int) -> np.ndarray:
    return np.arange(a, b, dtype=np.float32)[:, None]


def feed(gateway: Gateway, stream: int, a: int, b: int) -> None:
    """Send the samples a to b of a device whose clock never stops."""
    for k in range(a, b, 10):
        gateway.send(stream, ramp(k, k + 10), t0_ns=T0_NS + k * STEP_NS)


class Heard:
    """Collect what an engine makes of a ramp: its samples and gaps."""

    def __init__(self, running: Running) -> None:
        self._subscriber = Subscriber(running.live, running.control, "icu/")
        self._subscriber.status()
        self.values: list[int] = []
        self.gaps: list[tuple[int, int | None, str]] = []

    def until(self, value: int) -> "Heard":
        while not self.values or self.values[-1] < value:
            message = self._subscriber.receive(5000)
            assert message is not None, f"only {len(self.values)} samples came"
            if message.what == "wave" and message.samples is not None:
                self.values += message.samples[:, 0].astype(int).tolist()
            elif message.what == "gap":
                self.gaps.append((message.payload["from"], message.payload["to"], message.payload["cause"]))
        return self

    def close(self) -> None:
        self._subscriber.close()


@pytest.fixture
def heard(running: Running) -> Iterator[Heard]:
    made = Heard(running)
    yield made
    made.close()


def test_what_a_former_run_left_comes_first_then_a_gap_then_what_is_new(
    running: Running, heard: Heard, tmp_path: Path
) -> None:
    path = tmp_path / "spool.db"
    with Gateway("tcp://127.0.0.1:9", spool=path) as gateway:
        feed(gateway, gateway.open(KEY, "ecg", 250), 0, 1000)
        gateway.poll()
    with Gateway(running.ingest, spool=path) as gateway:
        feed(gateway, gateway.open(KEY, "ecg", 250), 1100, 1500)
        assert gateway.drain()
        assert gateway.counters["lost_samples"] == 100
    heard.until(1499)
    assert heard.values == [*range(1000), *range(1100, 1500)]
    assert heard.gaps == [(0, 100, "declared")]


def test_what_a_former_run_left_is_sent_even_if_nobody_opens_the_stream_again(
    running: Running, heard: Heard, tmp_path: Path
) -> None:
    path = tmp_path / "spool.db"
    for k in range(3):
        with Gateway("tcp://127.0.0.1:9", spool=path) as gateway:
            feed(gateway, gateway.open(KEY, "ecg", 250), 100 * k, 100 * k + 90)
    with Gateway(running.ingest, spool=path) as gateway:
        assert gateway.counters["held"] == 29  # with two gaps
        assert gateway.drain()
    heard.until(289)
    assert heard.values == [*range(90), *range(100, 190), *range(200, 290)]
    assert heard.gaps == [(0, 10, "declared"), (0, 10, "declared")]
    with Gateway(running.ingest, spool=path) as gateway:
        assert gateway.counters["held"] == 0


def test_a_pause_with_everything_acknowledged_is_a_gap_too_and_after_an_end_there_is_none(
    running: Running, heard: Heard, tmp_path: Path
) -> None:
    for k, end in enumerate((False, True, False)):
        with Gateway(running.ingest, spool=tmp_path / "spool.db") as gateway:
            stream = gateway.open(KEY, "ecg", 250)
            feed(gateway, stream, 1000 * k, 1000 * k + 100)
            if end:
                gateway.end(stream)
            assert gateway.drain()
    heard.until(2099)
    assert heard.gaps == [(0, 900, "declared"), (1000, None, "end")]


def test_samples_may_jump_again_after_a_restart_and_indices_count_from_the_new_start(
    running: Running, heard: Heard, tmp_path: Path
) -> None:
    with Gateway(running.ingest, spool=tmp_path / "spool.db") as gateway:
        feed(gateway, gateway.open(KEY, "ecg", 250), 0, 100)
        assert gateway.drain()
    with Gateway(running.ingest, spool=tmp_path / "spool.db") as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        feed(gateway, stream, 150, 200)
        gateway.send(stream, ramp(230, 240), sample_index=80)
        with pytest.raises(ParameterError, match="at 90 already"):
            gateway.send(stream, ramp(0, 1), sample_index=85)
        assert gateway.drain()
    heard.until(239)
    assert heard.gaps == [(0, 50, "declared"), (100, 130, "declared")]


def test_a_clock_that_ran_back_between_two_runs_leaves_a_gap_of_one_sample(
    running: Running, heard: Heard, tmp_path: Path
) -> None:
    for a, t0_ns in ((0, T0_NS), (10, T0_NS // 2)):
        with Gateway(running.ingest, spool=tmp_path / "spool.db") as gateway:
            gateway.send(gateway.open(KEY, "ecg", 250), ramp(a, a + 10), t0_ns=t0_ns)
            assert gateway.drain()
    heard.until(19)
    assert heard.values == list(range(20))
    assert heard.gaps == [(0, 1, "declared")]


@pytest.mark.parametrize("killed", [False, True])
def test_live_first_sends_what_is_measured_now_at_once_and_the_backlog_beside_it(
    running: Running, tmp_path: Path, killed: bool
) -> None:
    with Cut(running.ingest) as link, Subscriber(running.live, running.control, "icu/") as subscriber:
        subscriber.status()
        heard: dict[str, list[int]] = {}
        gaps: dict[str, list[tuple[int, int | None, str]]] = {}
        flags: dict[str, set[int]] = {}
        order: list[str] = []

        def hear() -> bool:
            while (message := subscriber.receive(0)) is not None:
                if message.what in ("wave", "beat", "feature", "gap"):
                    flags.setdefault(message.key, set()).add(message.header.flags & wire.BACKFILL_LIVE)
                if message.what == "wave" and message.samples is not None:
                    heard.setdefault(message.key, []).extend(message.samples[:, 0].astype(int).tolist())
                    order.append(message.key)
                elif message.what == "gap":
                    p = message.payload
                    gaps.setdefault(message.key, []).append((p["from"], p["to"], p["cause"]))
            return True

        def make() -> Gateway:
            return Gateway(link.endpoint, spool=tmp_path / "spool.db", resume="live_first")

        gateway = make()
        stream = gateway.open(KEY, "ecg", 250)
        feed(gateway, stream, 0, 1000)
        assert gateway.drain()
        link.cut()
        feed(gateway, stream, 1000, 21_000)
        gateway.poll()
        at, lost = 21_000, 0
        if killed:
            gateway.close()
            gateway = make()
            stream = gateway.open(KEY, "ecg", 250)
            at, lost = 21_500, 500
        link.heal()
        begun = at
        while gateway.counters["held"] or at < begun + 1000:
            feed(gateway, stream, at, at + 10)
            at += 10
            assert at < begun + 20_000
            end = time.monotonic() + 0.02
            while time.monotonic() < end:
                gateway.poll(1)
                hear()
        assert gateway.drain()
        backlog = f"{KEY}/backfill"
        assert wait_for(lambda: (hear(), sum(map(len, heard.values())) >= at - lost)[1])
        assert heard[KEY][:1000] == list(range(1000))
        (resumed,) = {b for a, b in zip(heard[KEY], heard[KEY][1:], strict=False) if b != a + 1}
        assert heard[backlog] == [*range(1000, min(resumed, 21_000)), *range(21_000 + lost, resumed)]
        assert heard[KEY][1000:] == list(range(resumed, at))
        assert gaps[KEY][0] == (0, (resumed - 1000 if not killed else 500), "declared")
        assert gaps[backlog][-1][2] == "end"
        assert wait_for(lambda: not running.engine._streams.sums()["pending"])
        assert running.engine._streams.sums()["lost"] == lost
        assert (flags[KEY], flags[backlog]) == ({0}, {wire.BACKFILL_LIVE})
        assert order.index(backlog) < max(k for k, key in enumerate(order) if key == KEY)
        assert subscriber.missed == 0
        gateway.close()


def test_a_session_that_begins_with_a_gap_over_a_backlog_is_not_split_again(running: Running) -> None:
    with Cut(running.ingest) as link, Gateway(link.endpoint, resume="live_first") as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        split, sessions = gateway._courier._split, [gateway.session]

        def split_and_measure(spool: Spool) -> None:
            split(spool)
            sessions.append(gateway._spools[stream].opened.session)
            gateway.send(stream, np.zeros(10, np.float32))  # before the engine has answered to OPEN of the new session

        gateway._courier._split = split_and_measure
        link.cut()
        feed(gateway, stream, 0, 5000)
        link.heal()
        assert gateway.drain(20)
        assert len(sessions) == 2
        assert gateway._spools[stream].opened.session == sessions[-1]


def test_streams_that_came_back_in_other_sessions_are_still_sent_in_one_call(running: Running) -> None:
    with Cut(running.ingest) as link, Gateway(link.endpoint, pack=8, resume="live_first") as gateway:
        keys = [f"icu/p{k}/m/ecg" for k in range(3)]
        streams = [gateway.open(key, "ecg", 250) for key in keys]
        link.cut()
        for stream in streams[:2]:  # the third has no backlog
            feed(gateway, stream, 0, 5000)
        link.heal()
        assert gateway.drain(20)
        n = gateway.counters["acked"]
        for _ in range(10):
            gateway.send_many(streams, np.zeros((3, 10, 1), np.float32), T0_NS)
            gateway.poll(5)
        assert gateway.drain()
        assert gateway.counters["acked"] == n + 30 + 2  # with a gap in front of each that came back
        rows = running.engine._streams
        assert [int(rows.rows[rows.by_key[key].row]["samples"]) for key in keys] == [100, 100, 100]
        assert len({int(rows.rows[rows.by_key[key].row]["session"]) for key in keys[:2]}) == 1


def test_many_streams_in_one_call_are_kept_too(running: Running, tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    with Gateway(running.ingest, spool=path, pack=64) as gateway:
        streams = [gateway.open(f"icu/p{k}/m/ecg", "ecg", 250) for k in range(64)]
        assert wait_for(lambda: (gateway.poll(1), all(map(gateway.is_open, streams)))[1])
        gateway.send_many(streams, np.zeros((64, 10, 1), np.float32), T0_NS)
        gateway._store._db.close()  # type: ignore[union-attr]  # as kill -9 does
        gateway._courier.store = None
    with Gateway("tcp://127.0.0.1:9", spool=path) as gateway:
        assert gateway.counters["held"] == 64


def test_a_gateway_told_to_go_elsewhere_goes_there_and_comes_back_when_nobody_is_there(running: Running) -> None:
    with Door("tcp://127.0.0.1:9", running.ingest) as door, Gateway(door.endpoint) as gateway:  # the first is dead
        stream = gateway.open(KEY, "ecg", 250)
        feed(gateway, stream, 0, 1000)
        assert wait_for(lambda: (gateway.poll(1), gateway.counters["acked"] == 100)[1], 15)
        streams = [stream, gateway.open("icu/p2/m/ecg", "ecg", 250)]
        assert wait_for(lambda: (gateway.poll(1), all(map(gateway.is_open, streams)))[1])
        gateway.send_many(streams, np.zeros((2, 10, 1), np.float32), T0_NS)
        assert gateway.drain()


def test_a_gateway_goes_home_when_the_engine_it_was_sent_to_is_gone_while_there_was_nothing_to_say() -> None:
    old = Running()
    with Door(old.ingest) as door, Gateway(door.endpoint) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        feed(gateway, stream, 0, 1000)
        assert gateway.drain()
        old.stop()
        new = Running()
        door.to = [new.ingest]
        feed(gateway, stream, 1000, 2000)
        assert gateway.drain(30)
        samples = new.engine.counters()["samples"]
    new.stop()
    assert samples == 1000


def test_engines_that_send_each_other_a_gateway_do_not_make_it_run_in_circles() -> None:
    with Door() as one, Door(one.endpoint) as other:
        one.to = [other.endpoint]
        with Gateway(one.endpoint) as gateway:
            gateway.open(KEY, "ecg", 250)
            end = time.monotonic() + 3
            while time.monotonic() < end:
                gateway.poll(1)
    assert 2 <= len(one.opened) + len(other.opened) <= 40


@pytest.mark.parametrize("step_s", [-3600, -1, 1, 3600])
def test_a_step_of_the_gateways_clock_is_told_and_never_bends_the_count_of_samples(
    running: Running, step_s: int
) -> None:
    with Subscriber(running.live, running.control, "icu/") as subscriber, Gateway(running.ingest) as gateway:
        subscriber.status()
        stream = gateway.open(KEY, "ecg", 250)
        for k in range(0, 2000, 10):
            gateway.send(stream, ramp(k, k + 10), t0_ns=T0_NS + k * STEP_NS + (k >= 1000) * step_s * 10**9)
        assert gateway.drain()
        steps: list[int] = []
        indices: list[int] = []
        while not indices or indices[-1] < 1990:
            message = subscriber.receive(5000)
            assert message is not None
            if message.what == "wave":
                indices.append(message.header.sample_index)
            elif message.payload.get("code") == "clock_step":
                steps.append(message.payload["step_ns"])
        assert indices == list(range(0, 2000, 10))
        assert steps == [pytest.approx(step_s * 10**9, abs=10**7)]
