"""In which parts records are computed, so that times don't hang on how many came together."""

import numpy as np
import pytest

from vitalcore.streams.engine.analysis import parts


def slow_parts(of: list[int], tick: list[bool]) -> list[int]:
    """Go through the records one by one: a tick of a stream's clock begins its next part, but for its first record."""
    at: dict[int, int] = {}
    found = []
    for stream, ticks in zip(of, tick, strict=True):
        at[stream] = at[stream] + ticks if stream in at else 0
        found.append(at[stream])
    return found


@pytest.mark.parametrize("seed", range(20))
def test_each_tick_of_a_clock_begins_the_next_part_of_its_stream(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    of, tick = rng.integers(0, 5, n), rng.random(n) < 0.3
    assert parts(of, tick).tolist() == slow_parts(of.tolist(), tick.tolist())


def test_the_records_of_a_stream_stay_in_their_order() -> None:
    of, tick = np.array([3, 1, 3, 3, 1]), np.array([True, False, True, False, True])
    assert parts(of, tick).tolist() == [0, 0, 1, 1, 1]
