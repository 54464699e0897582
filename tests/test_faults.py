"""The short form of the fault table, really done; `python -m benchmarks faults` does it whole, `--long` does more."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from benchmarks.faults import disk, engine, flow, frames, gateway, inputs, load, security
from benchmarks.faults.rows import Row

FAULTS: dict[str, Callable[[], Row | Iterable[Row]]] = {
    "an engine killed with -9 twenty times": lambda: engine.kills(20, 3, 30, command=engine.LIGHT, rate=10),
    "a disk that is full": lambda: disk.full(3),
    "a disk that has become read-only": disk.read_only,
    "an I/O error at each of 200 calls": lambda: disk.failing_calls(200),
    "300 flipped bits": lambda: disk.flips(300),
    "a gateway killed with -9 five times": lambda: gateway.kills(5),
    "a link cut for a second": lambda: gateway.cut(1.0),
    "a long outage, simulated": lambda: gateway.outage(0.05),
    "a long outage, what is measured now first": lambda: gateway.outage(0.05, "live_first"),
    "messages lost and doubled": lambda: gateway.lossy(2000),
    "an engine killed with -9 under a gateway": lambda: gateway.engine_kills(2),
    "20,000 malformed messages": lambda: frames.malformed(20_000),
    "malformed messages, found by coverage": lambda: frames.guided(2000),
    "records doubled, cut short, flipped and lost": lambda: frames.spoiled(3000),
    "damaged recordings": lambda: inputs.recordings(1000),
    "damaged configs": lambda: inputs.configs(500),
    "command lines that mean nothing": lambda: inputs.arguments(200),
    "a subscriber that is stopped": lambda: flow.stopped(5.0),
    "a gateway that ignores its credit": lambda: flow.credit(1000),
    "clients that come and go": lambda: flow.churn(100, 5.0),
    "a clock that steps": flow.clock_steps,
    "a clock that drifts": flow.drifting_samples,
    "strangers on every endpoint": lambda: security.strangers(1),
    "a key removed from a live connection": lambda: security.revocations(1),
    "keys changed under load": lambda: security.rotations(3),
    "500 handshakes that never end": lambda: security.flood(500, 1),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_had_to_hold_holds(fault: Callable[[], Row | Iterable[Row]], tell: Callable[[object], None]) -> None:
    found = fault()
    rows = [found] if isinstance(found, Row) else list(found)
    for row in rows:
        tell(row)
    assert [str(row) for row in rows if row.bad] == []
    if not any(row.count for row in rows):
        pytest.skip(rows[0].result)


def test_a_ward_that_is_journaled_loses_nothing(tmp_path: Path, tell: Callable[[object], None]) -> None:
    patients = 40
    outcome = load.ward(patients, 5.0, tmp_path / "journal.db")
    p50, p99, _ = outcome.own_ms
    tell(f"{outcome.streams} streams, journaled: {outcome.lost} lost, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    assert outcome.lost == 0
    assert outcome.beats > patients / 5  # one in five patients is listened to, who have more than one beat each
