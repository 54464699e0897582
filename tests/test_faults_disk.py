"""What a disk can do to a journal, really done; `python -m benchmarks faults disk --long` does more of it."""

from collections.abc import Callable

import pytest

from benchmarks import faults_disk as faults
from benchmarks.faults import Row

FAULTS: dict[str, Callable[[], list[Row]]] = {
    "a disk that is full": lambda: [faults.full(3)],
    "a disk that has become read-only": lambda: [faults.read_only()],
    "an I/O error at each of 200 calls": lambda: faults.failing_calls(200),
    "300 flipped bits": lambda: faults.flips(300),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nothing_acknowledged_is_lost_or_it_is_said_which(
    fault: Callable[[], list[Row]], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = fault()
    with capsys.disabled():
        for row in rows:
            print(f"\n{row}", end="")
    assert [row for row in rows if row.bad] == []
    if not any(row.count for row in rows):
        pytest.skip(rows[0].result)
