import numpy as np
import pytest
from scipy.signal import lfilter, lfilter_zi

from vitalcore.kernels import fir


def run(taps: np.ndarray, x: np.ndarray, heads: np.ndarray | None = None, ring: np.ndarray | None = None) -> np.ndarray:
    heads = np.full(x.shape[1], -1) if heads is None else heads
    ring = np.zeros((x.shape[1], 2 * len(taps))) if ring is None else ring
    out = np.empty_like(x)
    assert fir.step(taps[::-1].copy(), heads, ring, x, out) == len(x)
    return out


@pytest.mark.parametrize("n_taps", [1, 2, 3, 4, 7, 64, 201])
def test_from_rest_it_is_scipys_lfilter(n_taps: int) -> None:
    rng = np.random.default_rng(n_taps)
    taps, x = rng.normal(size=n_taps), rng.normal(size=(500, 2))
    y = run(taps, x, heads=np.zeros(2, np.int64))
    np.testing.assert_allclose(y, lfilter(taps, 1, x, axis=0), atol=1e-12)  # another order of summation


def test_begins_in_the_steady_state_of_its_first_sample() -> None:
    rng = np.random.default_rng(0)
    taps, x = rng.normal(size=31), 100 + rng.normal(size=300)
    expected, _ = lfilter(taps, 1, x, zi=lfilter_zi(taps, [1.0]) * x[0])
    np.testing.assert_allclose(run(taps, x[:, None])[:, 0], expected, atol=1e-9)


def test_missing_samples_are_nan_and_the_rest_is_as_if_they_had_not_been() -> None:
    rng = np.random.default_rng(1)
    taps, x = rng.normal(size=31), rng.normal(size=(300, 1))
    x[:3] = x[50:90] = np.nan
    there = ~np.isnan(x[:, 0])
    y = run(taps, x)
    assert np.isnan(y[~there]).all()
    assert np.array_equal(y[there], run(taps, x[there]))


def test_a_glitch_is_forgotten_when_it_has_passed_the_taps() -> None:
    rng = np.random.default_rng(2)
    taps, x = rng.normal(size=31), rng.normal(size=(300, 1))
    glitched = x.copy()
    glitched[100] = 1e308
    y, clean = run(taps, glitched), run(taps, x)
    assert np.array_equal(y[131:], clean[131:])
