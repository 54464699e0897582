from collections.abc import Callable

import numpy as np
import pytest

from tests import naive
from vitalcore import Plan, source
from vitalcore.errors import ParameterError
from vitalcore.operator import Operator
from vitalcore.operators.moving import MovingMax, MovingMean, MovingMedian, MovingMin


@pytest.mark.parametrize(
    ("operator", "statistic"),
    [
        (MovingMean(0.3), np.mean),
        (MovingMin(0.3), np.min),
        (MovingMax(0.3), np.max),
        (MovingMedian(0.3), np.median),
    ],
)
def test_each_is_the_statistic_of_the_last_window(operator: Operator, statistic: Callable[[np.ndarray], float]) -> None:
    x = np.random.default_rng(0).normal(size=500)
    x[100:140] = np.nan
    y = Plan(y=source("ppg", 100) | operator).run(ppg=x)["y"][:, 0]
    np.testing.assert_allclose(y, naive.moving(statistic, x, 30), rtol=1e-12, atol=1e-15)


def test_the_delay_is_to_the_middle_of_the_window() -> None:
    for operator in (MovingMean, MovingMin, MovingMax, MovingMedian):
        node = source("ppg", 100) | operator(0.31)
        assert node.signal.delay_s == node.latency_s == 0.15


def test_a_window_below_one_sample_is_one_sample() -> None:
    x = np.random.default_rng(0).normal(size=50)
    for operator in (MovingMean, MovingMin, MovingMax, MovingMedian):
        assert np.array_equal(Plan(y=source("ppg", 100) | operator(1e-6)).run(ppg=x)["y"][:, 0], x)


@pytest.mark.parametrize("window_s", [0, -1, float("nan"), float("inf"), 1e9])
def test_an_impossible_window_is_refused(window_s: float) -> None:
    for operator in (MovingMean, MovingMin, MovingMax, MovingMedian):
        with pytest.raises(ParameterError, match="window_s is"):
            _ = source("ppg", 100) | operator(window_s)
