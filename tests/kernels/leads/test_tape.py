"""The tape gives back what was written, on any grid, and nothing else."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.kernels.leads import tape

KEEP = 200


def written(x: NDArray[np.float64], block: int = 1, chunk: int = 1_000_000) -> tuple[np.void, NDArray[np.float64]]:
    params, state = np.zeros(1, tape.PARAMS), np.zeros(1, tape.STATE)
    params["n_leads"], params["block"], params["hold"] = x.shape[1], block, 3
    params["n_keep"], params["n_ring"] = KEEP, KEEP + 20
    buffer = np.zeros(int(params["n_ring"][0]) * x.shape[1])
    tape.begin(params[0], state[0], buffer)
    for a in range(0, len(x), chunk):
        tape.take(params[0], state[0], buffer, x, a, min(len(x), a + chunk))
    return params[0], buffer


@pytest.mark.parametrize("block", [1, 4])
def test_a_smooth_wave_comes_back_on_another_grid(block: int) -> None:
    t = np.arange(700.0)
    x = np.column_stack([np.sin(t / 40), np.cos(t / 40)])
    params, buffer = written(x, block)
    out = np.empty(50)
    at = 550.3 + 2.7 * np.arange(50)
    for lead, truth in enumerate((np.sin(at / 40), np.cos(at / 40))):
        assert tape.snip(params, buffer, lead, 700, 550.3, 2.7, out)
        np.testing.assert_allclose(out, truth, atol=3e-4 * block)


def test_samples_themselves_come_back_exactly() -> None:
    x = np.random.default_rng(1).normal(size=(300, 1))
    params, buffer = written(x)
    out = np.empty(20)
    assert tape.snip(params, buffer, 0, 300, 250.0, 1.0, out)
    np.testing.assert_array_equal(out, x[250:270, 0])


def test_what_may_not_be_looked_at_or_is_no_longer_kept_is_refused() -> None:
    params, buffer = written(np.ones((600, 1)))
    out = np.empty(10)
    assert tape.snip(params, buffer, 0, 600, 587.0, 1.0, out)
    assert not tape.snip(params, buffer, 0, 600, 589.0, 1.0, out)  # one point more is needed behind
    assert not tape.snip(params, buffer, 0, 590, 587.0, 1.0, out)
    assert tape.snip(params, buffer, 0, 600, 600.0 - KEEP + 1, 1.0, out)
    assert not tape.snip(params, buffer, 0, 600, 600.0 - KEEP, 1.0, out)


def test_nothing_lies_before_the_beginning() -> None:
    params, buffer = written(np.ones((100, 1)))
    assert not tape.snip(params, buffer, 0, 100, 0.0, 1.0, np.empty(10))
    assert tape.snip(params, buffer, 0, 100, 1.0, 1.0, np.empty(10))


def test_a_short_gap_is_bridged_and_a_long_one_refused() -> None:
    x = np.ones((100, 1))
    x[50:53] = np.nan
    x[80:84] = np.inf
    params, buffer = written(x)
    out = np.empty(10)
    assert tape.snip(params, buffer, 0, 100, 46.0, 1.0, out)
    np.testing.assert_array_equal(out, 1.0)
    assert not tape.snip(params, buffer, 0, 100, 76.0, 1.0, out)


def test_chunks_do_not_matter() -> None:
    x = np.random.default_rng(2).normal(size=(500, 2))
    whole = written(x, 3)[1]
    for chunk in (1, 2, 7, 100):
        np.testing.assert_array_equal(written(x, 3, chunk)[1], whole)
