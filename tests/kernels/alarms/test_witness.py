from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.kernels.alarms import witness
from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.finding import FINDING

FS_HZ = 250.0


def params() -> NDArray[np.void]:
    made = np.zeros(1, witness.PARAMS)
    made["fs_hz"], made["bradycardia"], made["tachycardia"], made["ventricular"] = FS_HZ, 40, 140, 100
    return made


def heard(
    times_s: NDArray[Any], quality: float = 1.0, slot: int = 1, amplitudes: tuple[float, ...] = (1.0,)
) -> NDArray[np.void]:
    state = np.zeros(1, witness.STATE)
    for k, t_s in enumerate(times_s):
        row = np.zeros(1, FINDING)
        row["what"], row["code"], row["slot"] = finding.BEAT, codes.PULSE, slot
        row["t"], row["quality"] = t_s * FS_HZ, quality
        row["body"][0, finding.AMPLITUDE] = amplitudes[k % len(amplitudes)]
        witness.take(state[0], row[0])
    return state


def contradicts(state: NDArray[np.void], code: int, t_s: float, since_s: float = 0.0) -> bool:
    return bool(witness.contradicts(params()[0], state[0], code, since_s * FS_HZ, t_s * FS_HZ))


def test_the_rate_is_that_of_the_newest_regular_pulses() -> None:
    state = heard(np.r_[0.0, 3.0, 3.5, 10.0 + 0.8 * np.arange(6)])
    count, rate, steady = witness.regular(params()[0], state[0]["each"][0], 16, 0.5, 0.0, 14.4 * FS_HZ)
    assert count == 6
    assert rate == pytest.approx(75)
    assert steady


def test_pulses_go_on_in_their_ring() -> None:
    state = heard(0.5 * np.arange(100))
    count, rate, _ = witness.regular(params()[0], state[0]["each"][0], 100, 0.5, 0.0, 50 * FS_HZ)
    assert count == witness.N_PULSES
    assert rate == pytest.approx(120)


@pytest.mark.parametrize("code", [codes.ASYSTOLE, codes.PAUSE, codes.VENTRICULAR_FIBRILLATION])
def test_a_pulse_that_is_two_seconds_old_says_nothing_against_an_arrest(code: int) -> None:
    state = heard(0.8 * np.arange(10))
    assert contradicts(state, code, 8.0)
    assert not contradicts(state, code, 9.3)


def test_irregular_pulses_say_nothing() -> None:
    state = heard(np.cumsum([0.4, 1.1, 0.3, 1.2, 0.5, 1.4, 0.3, 1.0]))
    for code in (codes.ASYSTOLE, codes.VENTRICULAR_FIBRILLATION, codes.VENTRICULAR_TACHYCARDIA):
        assert not contradicts(state, code, 6.5)


def test_slow_or_steady_pulses_contradict_a_ventricular_tachycardia() -> None:
    slow, fast = np.cumsum([0.8, 1.1] * 8), np.cumsum([0.36, 0.5] * 10)
    code = codes.VENTRICULAR_TACHYCARDIA
    assert contradicts(heard(slow), code, 15.4)
    assert not contradicts(heard(fast), code, 8.8)
    assert contradicts(heard(0.4 * np.arange(20)), code, 8.0)
    assert not contradicts(heard(0.4 * np.arange(20)), code, 8.0, since_s=6.0)  # they are of the time before
    assert not contradicts(heard(0.4 * np.arange(20), amplitudes=(1.0, 0.5, 0.8)), code, 8.0)


def test_only_the_best_pulses_contradict_an_extreme_tachycardia() -> None:
    for quality, says in ((0.9, True), (0.7, False)):
        assert contradicts(heard(0.8 * np.arange(20), quality), codes.EXTREME_TACHYCARDIA, 15.6) is says
    assert not contradicts(heard(0.55 * np.arange(20)), codes.EXTREME_TACHYCARDIA, 10.6)


def test_other_alarms_are_not_the_business_of_pulses() -> None:
    assert not contradicts(heard(0.8 * np.arange(20)), codes.ATRIAL_FIBRILLATION, 16.0)


def test_a_third_witness_is_not_heard() -> None:
    assert not contradicts(heard(0.8 * np.arange(20), slot=3), codes.ASYSTOLE, 16.0)
