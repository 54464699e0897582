"""Mains hum is found at its frequency and taken out; complexes, noise and what the rate cannot carry are left alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.fixtures.ecg_signals import rhythm
from vitalcore.kernels.leads import mains
from vitalcore.operators.ecg import mains_params

Array = NDArray[np.float64]


def run(x: Array, fs_hz: int) -> tuple[Array, list[int], np.void]:
    """Run over whole seconds: what is left, what was found in each second, the state."""
    params, state = mains_params(fs_hz)[0], np.zeros(1, mains.STATE)[0]
    left, found = np.empty_like(x), []
    for a in range(0, len(x), fs_hz):
        for i in range(a, min(len(x), a + fs_hz)):
            left[i] = mains.tick(params, state, x[i])
        mains.watch(params, state, x[a : a + fs_hz])
        mains.judge(params, state)
        found.append(int(state["found"]))
    return left, found, state


def hum(n: int, fs_hz: int, hz: float, mv: float) -> Array:
    return np.asarray(mv * np.sin(2 * np.pi * hz * np.arange(n) / fs_hz + 0.7))


@pytest.mark.parametrize("fs_hz", [250, 360, 500, 1000])
@pytest.mark.parametrize(("hz", "which"), [(50.0, 1), (60.0, 2), (49.9, 1)])
@pytest.mark.parametrize("mv", [0.05, 1.0])
def test_hum_is_found_and_most_of_it_taken_out(fs_hz: int, hz: float, which: int, mv: float) -> None:
    clean = rhythm(fs_hz, 20)[1] - 30.0
    x = clean + hum(len(clean), fs_hz, hz, mv)
    left, found, state = run(x, fs_hz)
    assert set(found[1:]) == {which}
    assert state["mv"] == pytest.approx(mv, rel=0.2)
    rest = (left - clean)[8 * fs_hz :]
    assert np.sqrt(np.mean(rest**2)) < 0.3 * mv / np.sqrt(2)


@pytest.mark.parametrize("fs_hz", [100, 125, 250, 1000])
def test_an_ecg_without_hum_is_left_alone(fs_hz: int) -> None:
    x = rhythm(fs_hz, 20)[1] + np.random.default_rng(1).normal(0, 0.02, 20 * fs_hz)
    left, found, _ = run(x, fs_hz)
    assert not any(found)
    assert left.tobytes() == x.tobytes()


def test_hum_that_ends_is_forgotten_and_a_gap_disturbs_nothing() -> None:
    clean = rhythm(250, 30)[1]
    x = clean + hum(len(clean), 250, 50.0, 0.2)
    x[2500:2600] = np.nan
    x[5000:] = clean[5000:]
    left, found, _ = run(x, 250)
    assert set(found[1:19]) == {1}
    assert not any(found[22:])
    assert np.isnan(left[2500:2600]).all()
    assert np.abs(left - clean)[2850:4900].max() < 0.1
    assert left[6000:].tobytes() == clean[6000:].tobytes()


def test_a_lead_full_of_hum_is_named_and_left_as_it_is() -> None:
    x = hum(2500, 250, 50.0, 3.0)
    left, found, _ = run(x, 250)
    assert set(found[1:]) == {1}
    assert left.tobytes() == x.tobytes()
