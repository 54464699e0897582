"""Intervals agree with values calculated by hand."""

import numpy as np
import pytest

from vitalcore import findings, intervals
from vitalcore.errors import ParameterError
from vitalcore.kernels.core.finding import FINDING, P_ON, QRS_OFF, QRS_ON, RR_S, T_OFF, WAVES


@pytest.mark.parametrize("formula", intervals.FORMULAS)
def test_at_60_beats_a_minute_no_formula_corrects(formula: str) -> None:
    assert intervals.qtc_s(0.4, 1.0, formula) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("formula", "qtc_s"),
    [  # QT 360 ms at RR 640 ms (93.75 beats a minute)
        ("bazett", 0.45),  # 0.36 / 0.8
        ("fridericia", 0.417743),  # 0.36 / 0.861774
        ("framingham", 0.41544),  # 0.36 + 0.154 * 0.36
        ("hodges", 0.4190625),  # 0.36 + 0.00175 * 33.75
    ],
)
def test_formulas_give_what_a_hand_calculates(formula: str, qtc_s: float) -> None:
    assert intervals.qtc_s(0.36, 0.64, formula) == pytest.approx(qtc_s, abs=1e-5)


def test_without_qt_or_a_heart_s_interval_there_is_no_qtc() -> None:
    said = intervals.qtc_s([np.nan, 0.4, 0.4, 0.4], [1.0, np.nan, 9.0, 0.01], "bazett")
    assert np.isnan(said).all()


def test_an_unknown_formula_is_refused_by_name() -> None:
    with pytest.raises(ParameterError, match="'rautaharju'; it must be one of bazett"):
        intervals.qtc_s(0.4, 1.0, "rautaharju")


def test_rows_become_intervals_and_an_absent_wave_takes_its_own_away() -> None:
    rows = np.zeros(2, FINDING)
    rows["what"] = WAVES
    rows["body"] = np.nan
    rows["body"][0, [P_ON, QRS_ON, QRS_OFF, T_OFF, RR_S]] = 1000, 1080, 1125, 1260, 0.64
    rows["body"][1, [QRS_ON, QRS_OFF, T_OFF, RR_S]] = 2000, 2050, 2200, 0.81
    made = intervals.intervals_s(findings.waves(rows), 500.0)
    np.testing.assert_allclose(made["pr_s"], [0.16, np.nan])
    np.testing.assert_allclose(made["qrs_s"], [0.09, 0.1])
    np.testing.assert_allclose(made["qt_s"], [0.36, 0.4])
    np.testing.assert_allclose(made["qtc_bazett_s"], [0.45, 0.4 / 0.9])
