"""Hostile bytes and a bad link, for real; `python -m benchmarks faults frames --long` does more of it."""

from collections.abc import Callable

import pytest

from benchmarks import faults_frames as faults
from benchmarks.faults import Row

FAULTS = {
    "20,000 malformed messages": lambda: faults.malformed(20_000),
    "records doubled, cut short, flipped and lost": lambda: faults.spoiled(3000),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nothing_crashes_and_good_records_come_to_the_same(
    fault: Callable[[], Row], capsys: pytest.CaptureFixture[str]
) -> None:
    row = fault()
    with capsys.disabled():
        print(f"\n{row}")
    assert row.bad == 0
