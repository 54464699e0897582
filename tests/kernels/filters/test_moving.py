from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from tests import naive
from vitalcore.kernels.filters import moving


def mean(x: np.ndarray, n: int) -> np.ndarray:
    out = np.empty_like(x)
    memory = np.zeros(x.shape[1], np.int64), np.zeros((x.shape[1], 2 * (1 + n)))
    assert moving.step_mean(np.array([n]), *memory, x, out) == len(x)
    return out


def extreme(sign: int) -> Callable[[np.ndarray, int], np.ndarray]:
    def run(x: np.ndarray, n: int) -> np.ndarray:
        out = np.empty_like(x)
        memory = np.zeros(x.shape[1], np.int64), np.full((x.shape[1], 1 + n), -np.inf)
        assert moving.step_max(np.array([n, sign]), *memory, x, out) == len(x)
        return out

    return run


STATISTICS = [(mean, np.mean), (extreme(1), np.max), (extreme(-1), np.min)]


@pytest.mark.parametrize("n", [1, 2, 3, 10, 37, 1000])
@pytest.mark.parametrize(("kernel", "statistic"), STATISTICS)
def test_agrees_with_the_slow_twin_with_samples_missing(
    kernel: Callable[[np.ndarray, int], np.ndarray], statistic: Callable[[np.ndarray], float], n: int
) -> None:
    x = np.random.default_rng(n).normal(size=(400, 2))
    x[:7, 0] = x[100:180, 1] = x[300::5, 0] = np.nan
    x[50, 0] = np.inf
    y = kernel(x, n)
    for c in range(2):
        np.testing.assert_allclose(y[:, c], naive.moving(statistic, x[:, c], n), rtol=1e-12, atol=1e-14)


def test_extremes_agree_with_scipy() -> None:
    x = np.random.default_rng(0).normal(size=5000).cumsum()
    n = 61
    ours = extreme(1)(x[:, None], n)[n - 1 :, 0]
    assert np.array_equal(ours, maximum_filter1d(x, n)[n // 2 : -(n // 2)])
    ours = extreme(-1)(x[:, None], n)[n - 1 :, 0]
    assert np.array_equal(ours, minimum_filter1d(x, n)[n // 2 : -(n // 2)])


def test_the_mean_does_not_drift() -> None:
    x = np.random.default_rng(1).normal(size=(200_000, 1))
    x[:100_000] *= 1e12  # a subtracting sum would keep the rounding errors of this half
    assert np.array_equal(mean(x, 100)[100_200:], mean(x[100_000:], 100)[200:])


@pytest.mark.parametrize("glitch", [1e300, 1.7e308, np.inf, np.nan])
@pytest.mark.parametrize("kernel", [mean, extreme(1), extreme(-1)])
def test_a_glitch_is_forgotten_when_it_has_left_the_window(
    kernel: Callable[[np.ndarray, int], np.ndarray], glitch: float
) -> None:
    x = np.random.default_rng(2).normal(size=(1000, 1))
    glitched = x.copy()
    glitched[500:503] = glitch
    assert np.array_equal(kernel(glitched, 40)[542 + 1 :], kernel(x, 40)[542 + 1 :])


def test_a_window_without_samples_gives_nan() -> None:
    x = np.full((50, 1), np.nan)
    for kernel, _ in STATISTICS:
        assert np.isnan(kernel(x, 5)).all()
