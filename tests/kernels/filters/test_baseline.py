import numpy as np
import pytest

from tests import naive
from vitalcore.kernels.filters import baseline, median


def run(x: np.ndarray, first: int, second: int) -> np.ndarray:
    n = x.shape[1]
    state, index = np.zeros((n, 2 * median.N_STATE + 1), np.int64), np.zeros((n, 4, first + second), np.int64)
    index[:, median.SIDE] = median.NOWHERE
    delay = (first - 1) // 2 + (second - 1) // 2
    out = np.empty_like(x)
    buffer = np.full((n, first + second + delay + 1), np.nan)
    assert baseline.step(np.array([first, second]), state, index, buffer, x, out) == len(x)
    return out


@pytest.mark.parametrize(("first", "second"), [(1, 1), (3, 1), (1, 5), (51, 151)])
def test_agrees_with_the_slow_twin(first: int, second: int) -> None:
    x = np.random.default_rng(first).normal(size=(500, 2)).cumsum(axis=0)
    x[:9, 0] = x[200:290, 1] = np.nan
    y = run(x, first, second)
    for c in range(2):
        np.testing.assert_allclose(y[:, c], naive.baseline(x[:, c], first, second), rtol=0, atol=1e-12)


def test_takes_off_a_slow_wave_and_leaves_narrow_ones_as_they_are() -> None:
    fs, first, second = 250, 51, 151
    t = np.arange(20 * fs) / fs
    narrow = np.zeros_like(t)
    for k in range(fs, len(t) - fs, fs):
        narrow[k - 5 : k + 6] += np.hanning(11)
    wander = 2 * np.sin(2 * np.pi * 0.15 * t)
    y = run((narrow + wander)[:, None], first, second)[:, 0]
    delay = (first - 1) // 2 + (second - 1) // 2
    settled = slice(2 * delay, None)
    error = y[settled] - narrow[delay:-delay]
    assert np.abs(error).max() < 0.1  # of a wander of 2
