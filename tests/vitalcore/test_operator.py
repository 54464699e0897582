"""What every operator is made of."""

from fractions import Fraction

import numpy as np
import pytest

from vitalcore.errors import ParameterError
from vitalcore.operator import Signal, check_range, record, regular_hz


class Thing:
    """Stand for an operator."""


def test_a_record_holds_floats_integers_and_arrays_by_name() -> None:
    made = record(fs_hz=250.0, n=3, sos=np.eye(2))
    assert (made["fs_hz"], made["n"], made["sos"].tolist()) == (250.0, 3, [[1, 0], [0, 1]])
    assert made.dtype["n"] == np.int64


def test_a_variable_rate_signal_has_a_column_for_its_time() -> None:
    assert Signal("face", None, ("a", "b")).columns == 3
    assert Signal("ecg", Fraction(250), ("a", "b")).columns == 2


def test_a_rate_outside_the_range_is_refused() -> None:
    with pytest.raises(ParameterError, match="fs_hz is 50 Hz; Thing takes 100 to 1000 Hz"):
        regular_hz(Thing(), Signal("ecg", Fraction(50)), 100, 1000)


def test_findings_and_variable_rates_are_no_regular_wave() -> None:
    with pytest.raises(ParameterError, match="Thing takes a wave"):
        regular_hz(Thing(), Signal("ecg", Fraction(250), what="findings"))
    with pytest.raises(ParameterError, match="Thing needs a fixed rate"):
        regular_hz(Thing(), Signal("face", None))


def test_a_parameter_outside_its_range_is_named_with_unit_and_limits() -> None:
    with pytest.raises(ParameterError, match="window_s is 99 s; it must lie between 1 and 60 s"):
        check_range("window_s", 99, 1, 60, "s")
