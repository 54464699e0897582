import numpy as np

from vitalcore.kernels.filters import derivative


def run(fs_hz: float, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    assert derivative.step(np.array([fs_hz]), np.full((x.shape[1], 2), np.nan), x, out) == len(x)
    return out


def test_is_numpys_gradient_one_sample_later() -> None:
    x = np.random.default_rng(0).normal(size=(300, 2))
    y = run(250.0, x)
    assert np.isnan(y[:2]).all()
    np.testing.assert_allclose(y[2:], np.gradient(x, 1 / 250, axis=0)[1:-1], rtol=1e-9, atol=1e-9)


def test_is_nan_only_where_one_of_its_two_samples_is_missing() -> None:
    x = np.arange(20.0)[:, None]
    x[8] = np.nan
    assert np.flatnonzero(np.isnan(run(1.0, x)[:, 0])).tolist() == [0, 1, 8, 10]


def test_an_infinite_slope_is_nan() -> None:
    assert np.isnan(run(100.0, np.array([[-1e308], [0.0], [1e308]]))).all()
