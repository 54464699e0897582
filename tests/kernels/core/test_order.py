"""Short windows in their order, against numpy."""

import numpy as np

from vitalcore.kernels.core import order


def test_the_value_of_a_rank_is_that_of_sorting() -> None:
    rng = np.random.default_rng(2)
    for n in range(1, 9):
        v = rng.integers(0, 4, 8).astype(float)
        assert [order.pick(v, n, k) for k in range(n)] == np.sort(v[:n]).tolist()


def test_the_lower_median_is_that_of_sorting() -> None:
    rng = np.random.default_rng(1)
    for n in range(1, 9):
        v = rng.integers(0, 4, 8).astype(float)
        assert order.median(v, n) == np.sort(v[:n])[(n - 1) // 2]
    assert np.isnan(order.median(np.zeros(3), 0))


def test_only_the_first_values_are_sorted() -> None:
    rng = np.random.default_rng(4)
    for n in range(9):
        v = rng.integers(0, 4, 8).astype(float)
        rest = v[n:].copy()
        expected = np.sort(v[:n])
        order.sort(v, n)
        np.testing.assert_array_equal(v, [*expected, *rest])
