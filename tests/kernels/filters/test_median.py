import numpy as np
import pytest
from scipy.ndimage import median_filter

from tests import naive
from vitalcore.kernels.filters import median


def run(x: np.ndarray, n: int) -> np.ndarray:
    out = np.empty_like(x)
    state = np.full((x.shape[1], median.N_STATE), 99)
    index = np.full((x.shape[1], 4, n), 99)
    for c in range(x.shape[1]):
        median.reset(state[c], index[c])
    assert median.step(np.array([n]), state, index, np.zeros((x.shape[1], n)), x, out) == len(x)
    return out


@pytest.mark.parametrize("n", [1, 2, 3, 4, 25, 100, 1000])
def test_agrees_with_the_slow_twin_with_samples_missing(n: int) -> None:
    x = np.random.default_rng(n).normal(size=(400, 2)).round(1)  # rounded: many are equal
    x[:7, 0] = x[100:180, 1] = x[300::5, 0] = np.nan
    x[50, 0] = np.inf
    y = run(x, n)
    for c in range(2):
        expected = naive.moving(lambda w: float(np.median(w)), x[:, c], n)
        np.testing.assert_allclose(y[:, c], expected, rtol=0, atol=1e-15)  # halves before it adds


@pytest.mark.parametrize("shape", ["rising", "falling", "constant", "walk"])
def test_agrees_with_scipy_on_long_windows(shape: str) -> None:
    ramp = np.arange(3000.0)
    walk = np.random.default_rng(0).normal(size=3000).cumsum()
    x = {"rising": ramp, "falling": -ramp, "constant": np.ones(3000), "walk": walk}[shape]
    n = 301
    assert np.array_equal(run(x[:, None], n)[n - 1 :, 0], median_filter(x, n)[n // 2 : -(n // 2)])


def test_huge_values_do_not_overflow_the_mean_of_the_middle_two() -> None:
    assert run(np.full((4, 1), 1.7e308), 4)[3, 0] == 1.7e308
