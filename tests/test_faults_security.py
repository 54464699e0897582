"""Strangers, removed keys and floods, for real; `python -m benchmarks faults security --long` does more of it."""

from collections.abc import Callable

import pytest

from benchmarks import faults_security as faults
from benchmarks.faults import Row

FAULTS: dict[str, Callable[[], list[Row]]] = {
    "strangers on every endpoint": lambda: faults.strangers(1),
    "a key removed from a live connection": lambda: [faults.revocations(1)],
    "keys changed under load": lambda: [faults.rotations(3)],
    "500 handshakes that never end": lambda: [faults.flood(500, 1)],
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nothing_gets_in_or_out_and_nobody_else_notices(
    fault: Callable[[], list[Row]], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = fault()
    with capsys.disabled():
        for row in rows:
            print(f"\n{row}", end="")
    assert [row for row in rows if row.bad] == []
