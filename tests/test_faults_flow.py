"""Peers that stop, flood, come and go or are wrong about the time; `python -m benchmarks faults flow` does more."""

from collections.abc import Callable

import pytest

from benchmarks import faults_flow as faults
from benchmarks.faults import Row

FAULTS = {
    "a subscriber that is stopped": lambda: faults.stopped(5.0),
    "a gateway that ignores its credit": lambda: faults.credit(1000),
    "clients that come and go": lambda: faults.churn(100, 5.0),
    "a clock that steps": faults.clock_steps,
    "a clock that drifts": faults.drifting_samples,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_one_peer_does_no_harm_to_the_others(fault: Callable[[], Row], capsys: pytest.CaptureFixture[str]) -> None:
    row = fault()
    with capsys.disabled():
        print(f"\n{row}")
    assert row.bad == 0
