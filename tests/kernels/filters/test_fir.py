import numpy as np
import pytest
from scipy.signal import lfilter, lfilter_zi

from vitalcore.kernels.filters import fir


def run(taps: np.ndarray, x: np.ndarray, middle: tuple[int, int] = (0, 0), rest: float = np.nan) -> np.ndarray:
    rings = np.full((x.shape[1], 2, 2 * len(taps)), rest)
    out = np.empty_like(x)
    assert fir.step((np.array(middle), taps[::-1].copy()), np.zeros(1, np.int64), rings, x, out) == len(x)
    return out


@pytest.mark.parametrize("n_taps", [1, 2, 3, 4, 7, 64, 201])
def test_from_rest_it_is_scipys_lfilter(n_taps: int) -> None:
    rng = np.random.default_rng(n_taps)
    taps, x = rng.normal(size=n_taps), rng.normal(size=(500, 2))
    y = run(taps, x, rest=0.0)
    np.testing.assert_allclose(y, lfilter(taps, 1, x, axis=0), atol=1e-12)  # another order of summation


def test_begins_in_the_steady_state_of_its_first_sample() -> None:
    rng = np.random.default_rng(0)
    taps, x = rng.normal(size=31), 100 + rng.normal(size=300)
    expected, _ = lfilter(taps, 1, x, zi=lfilter_zi(taps, [1.0]) * x[0])
    np.testing.assert_allclose(run(taps, x[:, None])[:, 0], expected, atol=1e-9)


@pytest.mark.parametrize(("n_taps", "middle"), [(31, (15, 15)), (30, (14, 15)), (31, (0, 0))])
def test_a_gap_keeps_its_place_and_its_length(n_taps: int, middle: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    taps, x = rng.normal(size=n_taps), rng.normal(size=(400, 1))
    holes = x.copy()
    holes[:3] = holes[100:200] = np.nan
    y = run(taps, holes, middle)
    before = 3 + middle[1]  # nothing is said of the time before the stream
    assert np.flatnonzero(np.isnan(y)).tolist() == [*range(before), *range(100 + middle[0], 200 + middle[1])]
    assert np.array_equal(y[before + n_taps : 100], run(taps, x)[before + n_taps : 100])
    assert np.array_equal(y[200 + n_taps :], run(taps, x)[200 + n_taps :])
    filled = holes.copy()
    filled[100:200] = holes[99]
    assert np.array_equal(y[200 + middle[1] :], run(taps, filled[3:], middle)[197 + middle[1] :])


def test_a_glitch_is_forgotten_when_it_has_passed_the_taps() -> None:
    rng = np.random.default_rng(2)
    taps, x = rng.normal(size=31), rng.normal(size=(300, 1))
    glitched = x.copy()
    glitched[100] = 1e308
    y, clean = run(taps, glitched), run(taps, x)
    assert np.array_equal(y[131:], clean[131:])
