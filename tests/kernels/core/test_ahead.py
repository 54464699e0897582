"""Memory fetched ahead: nothing changes, and the machine code asks for it."""

import numba
import numpy as np
import pytest

from vitalcore.kernels.core import ahead
from vitalcore.kernels.leads import mains


@numba.njit
def _fetch(table, row):  # type: ignore[no-untyped-def]  # arrays of any kind
    ahead.fetch(table, row, 8)


@pytest.mark.parametrize("table", [np.ones((3, 40)), np.ones(3, mains.STATE)], ids=["numbers", "records"])
def test_fetching_changes_nothing_and_is_an_instruction(table) -> None:  # type: ignore[no-untyped-def]  # an array
    before = table.tobytes()
    _fetch(table, 1)
    for n in (0, 1, 64, 200):
        ahead.fetch_lines(table, 1, 16, n)
    assert table.tobytes() == before
    assert "prefetch" in _fetch.inspect_asm(_fetch.signatures[-1])
