import numpy as np
import pytest
from scipy.signal import firwin, resample_poly

from tests import naive
from vitalcore.kernels.filters import resample


def run(x: np.ndarray, up: int, down: int, centre: int) -> tuple[np.ndarray, np.ndarray]:
    taps = up * firwin(2 * centre * up + 1, 0.9 / max(up, down), window=("kaiser", 5.0))
    n_taps = 2 * centre + 1
    phases = np.zeros(n_taps * up)
    phases[: len(taps)] = taps
    phases = np.ascontiguousarray(phases.reshape(n_taps, up).T[:, ::-1])
    phases /= phases.sum(axis=1, keepdims=True)
    taps = phases[:, ::-1].T.ravel()[: len(taps)]
    rings = np.full((x.shape[1], 2, 2 * n_taps), np.nan)
    out = np.empty((len(x) * up // down + 1, x.shape[1]))
    n = resample.step((np.array([up, down, centre]), phases), np.zeros(2, np.int64), rings, x, out)
    return out[:n], taps


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2), (3, 7), (25, 36), (36, 25), (1, 10)])
def test_agrees_with_the_slow_twin_in_number_and_value(up: int, down: int) -> None:
    centre = -(-10 * max(up, down) // up)
    x = np.random.default_rng(up).normal(size=(777, 2))
    y, taps = run(x, up, down, centre)
    for c in range(2):
        expected = naive.resample(x[:, c], taps, up, down)
        assert len(y) == len(expected)
        there = ~np.isnan(y[:, c])
        np.testing.assert_allclose(y[there, c], expected[there], atol=1e-12)
        assert np.flatnonzero(there)[0] == -(-centre * up // down)  # nothing is said of the time before the stream


def test_agrees_with_scipys_resample_poly_when_its_delay_is_taken_off() -> None:
    x = np.random.default_rng(0).normal(size=2000)
    y, taps = run(x[:, None], 2, 5, 25)
    expected = resample_poly(x, 2, 5, window=taps / 2)
    np.testing.assert_allclose(y[20:, 0], expected[10:-10], atol=1e-12)  # 25 samples in are 10 out; edges apart


def test_a_gap_keeps_its_length_and_the_rest_goes_on() -> None:
    x = np.sin(np.arange(1000) / 20)[:, None]
    holes = x.copy()
    holes[400:500] = np.nan
    y, _ = run(holes, 1, 2, 20)
    clean, _ = run(x, 1, 2, 20)
    missing = np.flatnonzero(np.isnan(y[:, 0]))
    assert missing.tolist() == [*range(10), *range(210, 260)]
    assert np.array_equal(y[280:], clean[280:])


def test_a_level_stays_exactly_that_level() -> None:
    for up, down in ((25, 36), (4, 5), (3, 1), (1, 3)):
        y, _ = run(np.full((500, 1), 32767.1), up, down, 20)
        assert set(y[~np.isnan(y)]) == {32767.1}


def test_a_glitch_is_forgotten_when_it_has_passed_the_taps() -> None:
    x = np.random.default_rng(1).normal(size=(500, 1))
    glitched = x.copy()
    glitched[200] = 1e308
    assert np.array_equal(run(glitched, 3, 2, 10)[0][340:], run(x, 3, 2, 10)[0][340:])
