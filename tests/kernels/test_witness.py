from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.kernels import codes, finding, witness
from vitalcore.kernels.finding import FINDING

FS_HZ = 250.0


def params() -> NDArray[np.void]:
    made = np.zeros(1, witness.PARAMS)
    made["fs_hz"], made["bradycardia"], made["tachycardia"], made["ventricular"] = FS_HZ, 40, 140, 100
    return made


def heard(times_s: NDArray[Any], quality: float = 1.0, slot: int = 1) -> NDArray[np.void]:
    state = np.zeros(1, witness.STATE)
    for t_s in times_s:
        row = np.zeros(1, FINDING)
        row["what"], row["code"], row["slot"], row["t"], row["quality"] = (
            finding.BEAT,
            codes.PULSE,
            slot,
            t_s * FS_HZ,
            quality,
        )
        witness.take(state[0], row[0])
    return state


def contradicts(state: NDArray[np.void], code: int, t_s: float) -> bool:
    return bool(witness.contradicts(params()[0], state[0], code, t_s * FS_HZ))


def test_the_rate_is_that_of_the_newest_regular_pulses() -> None:
    state = heard(np.r_[0.0, 3.0, 3.5, 10.0 + 0.8 * np.arange(6)])
    count, rate = witness.regular(params()[0], state[0]["each"][0], 16, 14.4 * FS_HZ)
    assert count == 6
    assert rate == pytest.approx(75)


def test_pulses_go_on_in_their_ring() -> None:
    state = heard(0.5 * np.arange(100))
    count, rate = witness.regular(params()[0], state[0]["each"][0], 100, 50 * FS_HZ)
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


def test_slow_pulses_contradict_a_ventricular_tachycardia_and_fast_ones_do_not() -> None:
    assert contradicts(heard(0.9 * np.arange(20)), codes.VENTRICULAR_TACHYCARDIA, 18.0)
    assert not contradicts(heard(0.4 * np.arange(20)), codes.VENTRICULAR_TACHYCARDIA, 8.0)


def test_other_alarms_are_not_the_business_of_pulses() -> None:
    assert not contradicts(heard(0.8 * np.arange(20)), codes.ATRIAL_FIBRILLATION, 16.0)


def test_a_third_witness_is_not_heard() -> None:
    assert not contradicts(heard(0.8 * np.arange(20), slot=3), codes.ASYSTOLE, 16.0)
