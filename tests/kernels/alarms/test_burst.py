import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.alarms import preset
from vitalcore.kernels.alarms import burst
from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.finding import FINDING

SINUS = (0.8, 1.0, 0.05)  # interval in s, amplitude, width in s
VENTRICULAR = (0.36, -1.6, 0.09)
Beat = tuple[float, float, float]


def changes(*runs: tuple[int, Beat], quality: float = 1.0) -> list[tuple[int, int]]:
    """Take n beats of each kind; list the beats at which something changes, and how."""
    params, state = preset().params(250.0)[0]["burst"], np.zeros(1, burst.STATE)[0]
    said, t, k = [], 0.0, 0
    for n, (interval_s, amplitude, width_s) in runs:
        for _ in range(n):
            t += 250 * (interval_s if interval_s == interval_s else 1.0)
            row: NDArray[np.void] = np.zeros(1, FINDING)
            row["what"], row["code"], row["t"], row["quality"] = finding.BEAT, codes.HEART_BEAT, t, quality
            row["body"] = np.nan
            row["body"][0, [finding.INTERVAL_S, finding.AMPLITUDE, finding.WIDTH_S]] = interval_s, amplitude, width_s
            change = int(burst.beat(params, state, row[0]))
            if change:
                said.append((k, change))
            k += 1
    return said


def test_a_run_of_five_fast_beats_of_another_shape_begins_with_the_fifth_and_ends_with_the_pause() -> None:
    said = changes((20, SINUS), (10, VENTRICULAR), (5, SINUS))
    # the first beat of the run follows at its own short interval: four such intervals have five beats
    assert said == [(24, 1), (30, -1)]


def test_fewer_beats_are_no_run() -> None:
    assert changes((20, SINUS), (4, VENTRICULAR), (20, SINUS)) == []


@pytest.mark.parametrize(
    "fast",
    [
        (0.36, 1.0, 0.05),  # the shape of the beats before: an atrial run
        (0.65, -1.6, 0.09),  # not faster than 100 /min
        (0.36, 1.2, 0.055),
    ],
)
def test_a_run_of_the_same_shape_or_a_slow_one_is_none(fast: Beat) -> None:
    assert changes((20, SINUS), (12, fast), (10, SINUS)) == []


def test_a_tachycardia_that_comes_gradually_is_none() -> None:
    runs = [(6, (0.8 * 0.93**k, 1.0 + 0.1 * k, 0.05 + 0.005 * k)) for k in range(12)]
    assert changes((20, SINUS), *runs) == []


def test_noise_has_neither_even_intervals_nor_one_shape() -> None:
    rng = np.random.default_rng(5)
    noise = [
        (1, (float(rng.uniform(0.2, 0.5)), float(rng.normal(0, 1.5)), float(rng.uniform(0.03, 0.15))))
        for _ in range(300)
    ]
    assert len(changes((20, SINUS), *noise)) <= 2


def test_beats_of_poor_quality_and_those_behind_a_gap_are_not_compared() -> None:
    assert changes((20, SINUS), (10, VENTRICULAR), quality=0.1) == []
    assert changes((20, SINUS), (1, (np.nan, 1.0, 0.05)), (10, VENTRICULAR)) == []


def test_a_gap_ends_a_run() -> None:
    assert changes((20, SINUS), (8, VENTRICULAR), (1, (np.nan, 1.0, 0.05))) == [(24, 1), (28, -1)]
