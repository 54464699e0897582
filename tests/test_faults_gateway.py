"""Gateways are killed, cut off and disturbed for real; `python -m benchmarks faults gateway --long` does more of it."""

from collections.abc import Callable

import pytest

from benchmarks import faults_gateway as faults
from benchmarks.faults import Row

FAULTS = {
    "a gateway killed with -9 five times": lambda: faults.kills(5),
    "a link cut for a second": lambda: faults.cut(1.0),
    "a long outage, simulated": lambda: faults.outage(0.05),
    "a long outage, what is measured now first": lambda: faults.outage(0.05, "live_first"),
    "messages lost and doubled": lambda: faults.lossy(2000),
    "an engine killed with -9": lambda: faults.engine_kills(2),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nothing_is_lost_without_a_gap_and_nothing_comes_twice(
    fault: Callable[[], Row], capsys: pytest.CaptureFixture[str]
) -> None:
    row = fault()
    with capsys.disabled():
        print(f"\n{row}")
    assert row.bad == 0
