import numpy as np
import pytest
from scipy.signal import butter, iirnotch, sosfilt, sosfilt_zi

from vitalcore.kernels.filters import sos


def cascade(n_sections: int) -> np.ndarray:
    return {
        1: butter(2, 40, fs=250, output="sos"),
        2: butter(2, [0.5, 40], "bandpass", fs=250, output="sos"),
        3: butter(3, [0.5, 40], "bandpass", fs=250, output="sos"),
        5: butter(5, [1, 30], "bandpass", fs=250, output="sos"),
    }[n_sections]


def run(sections: np.ndarray, zi: np.ndarray, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    assert sos.step(sections, zi, x, out) == len(x)
    return out


@pytest.mark.parametrize("n_sections", [1, 2, 3, 5])
def test_from_rest_it_is_scipys_sosfilt_and_leaves_the_same_memory(n_sections: int) -> None:
    sections = cascade(n_sections)
    x = np.random.default_rng(1).normal(size=(2000, 3))
    zi = np.zeros((3, n_sections, 2))
    y = run(sections, zi, x)
    expected, theirs = sosfilt(sections, x, axis=0, zi=np.zeros((n_sections, 2, 3)))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)  # same order of operations: only FMA could differ
    np.testing.assert_allclose(zi, np.moveaxis(theirs, 2, 0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_sections", [1, 2, 3, 5])
def test_begins_in_the_steady_state_of_its_first_sample(n_sections: int) -> None:
    sections = cascade(n_sections)
    x = 1000 + np.random.default_rng(2).normal(size=(1000, 1))
    y = run(sections, np.full((1, n_sections, 2), np.nan), x)
    expected, _ = sosfilt(sections, x[:, 0], zi=sosfilt_zi(sections) * x[0, 0])
    np.testing.assert_allclose(y[:, 0], expected, rtol=0, atol=1e-8)


def test_a_constant_makes_no_transient() -> None:
    y = run(cascade(2), np.full((1, 2, 2), np.nan), np.full((500, 1), 5000.0))
    assert np.abs(y).max() < 1e-8


@pytest.mark.parametrize("level", [0.1, 5.0, 32767.0, -1e6])
@pytest.mark.parametrize("n_sections", [1, 2, 3, 5])
def test_what_comes_from_a_dead_sensor_is_dead(level: float, n_sections: int) -> None:
    x = np.full((20_000, 1), level)
    x[:500] += np.random.default_rng(0).normal(size=(500, 1))
    assert np.ptp(run(cascade(n_sections), np.full((1, n_sections, 2), np.nan), x[500:])) == 0
    lived = run(cascade(n_sections), np.full((1, n_sections, 2), np.nan), x)
    assert lived[1:500].all()
    assert np.ptp(lived[-1000:]) == 0


def test_missing_samples_are_nan_and_the_rest_is_as_if_they_had_not_been() -> None:
    x = np.random.default_rng(3).normal(size=(600, 2))
    holes = x.copy()
    holes[:5, 0] = np.nan
    holes[100:150, 1] = np.nan
    y = run(cascade(3), np.full((2, 3, 2), np.nan), holes)
    for c in range(2):
        there = ~np.isnan(holes[:, c])
        assert np.isnan(y[~there, c]).all()
        alone = run(cascade(3), np.full((1, 3, 2), np.nan), np.ascontiguousarray(holes[there, c : c + 1]))
        assert np.array_equal(y[there, c], alone[:, 0])


@pytest.mark.parametrize("glitch", [1e300, -1e308, np.inf, -np.inf])
@pytest.mark.parametrize("n_sections", [1, 2, 3])
def test_a_glitch_is_forgotten_at_once(glitch: float, n_sections: int) -> None:
    x = np.random.default_rng(4).normal(size=(500, 1))
    x[200] = glitch
    y = run(cascade(n_sections), np.full((1, n_sections, 2), np.nan), x)
    assert np.isfinite(y[202:]).all()
    assert np.abs(y[202:]).max() < 100


def test_a_notch_takes_out_the_mains_and_nothing_else() -> None:
    b, a = iirnotch(50, 30, fs=500)
    t = np.arange(5000) / 500
    x = np.sin(2 * np.pi * 50 * t)[:, None]
    y = run(np.concatenate([b, a])[None, :], np.full((1, 1, 2), np.nan), x)
    assert np.abs(y[2500:]).max() < 1e-3
    slow = np.sin(2 * np.pi * 10 * t)[:, None]
    y = run(np.concatenate([b, a])[None, :], np.full((1, 1, 2), np.nan), slow)
    assert np.abs(y[2500:]).max() == pytest.approx(1, abs=0.01)


def test_a_table_gives_what_single_streams_give() -> None:
    rng = np.random.default_rng(5)
    soses = np.stack([cascade(2), butter(2, [1, 20], "bandpass", fs=250, output="sos")])
    zis = np.full((2, 1, 2, 2), np.nan)
    offsets = np.array([0, 10, 10, 25, 60])
    x = rng.normal(size=(60, 1))
    out = np.empty_like(x)
    assert sos.step_many(soses, zis, np.array([1, 0, 0, 1]), offsets, x, out) == 60
    first = run(soses[0], np.full((1, 2, 2), np.nan), x[10:25])
    second = run(soses[1], np.full((1, 2, 2), np.nan), np.concatenate([x[:10], x[25:]]))
    assert np.array_equal(out, np.concatenate([second[:10], first, second[10:]]))
