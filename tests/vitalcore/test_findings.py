"""Findings by name."""

from fractions import Fraction

import numpy as np

from vitalcore import findings
from vitalcore.kernels.core import codes, finding


def rows() -> np.ndarray:
    made = np.zeros(3, finding.FINDING)
    made["what"] = [finding.BEAT, finding.FEATURE, finding.EVENT]
    made["code"] = [codes.PULSE, codes.PULSE_RATE, codes.NO_USABLE_SIGNAL]
    made["t"] = [100, 200, 300]
    made["t_known"] = [110, 200, 310]
    made["body"][:, :8] = np.arange(24).reshape(3, 8)
    return made


def test_each_kind_is_picked_with_its_names() -> None:
    beat, feature, event = findings.beats(rows())[0], findings.features(rows())[0], findings.events(rows())[0]
    assert (beat["t"], beat["interval_s"], beat["onset"], beat["label"]) == (100, 0, 3, 7)
    assert (feature["code"], feature["value"], feature["window_s"]) == (codes.PULSE_RATE, 8, 9)
    assert (event["t"], event["t_end"], event["evidence_to"]) == (300, 16, 18)


def test_one_code_can_be_picked() -> None:
    assert len(findings.beats(rows(), codes.PULSE)) == 1
    assert len(findings.beats(rows(), codes.BLINK)) == 0


def test_shifting_moves_all_times_and_nothing_else() -> None:
    made = rows()
    findings.shift(made, 1000)
    assert made["t"].tolist() == [1100, 1200, 1300]
    assert made["t_known"].tolist() == [1110, 1200, 1310]
    beat, feature, event = findings.beats(made)[0], findings.features(made)[0], findings.events(made)[0]
    assert (beat["onset"], beat["end"], beat["interval_s"]) == (1003, 1004, 0)
    assert (feature["value"], feature["window_s"]) == (8, 9)
    assert (event["t_end"], event["evidence_from"], event["evidence_to"]) == (1016, 1017, 1018)


def test_times_come_back_to_the_source_from_another_rate_and_a_delay() -> None:
    made = rows()
    findings.to_source(made, Fraction(36, 25), 5.5)
    assert made["t"].tolist() == [138.5, 282.5, 426.5]
    assert made["t_known"].tolist() == [158, 288, 446]  # the sample whose arrival made the last one in
    beat, event = findings.beats(made)[0], findings.events(made)[0]
    assert (beat["onset"], beat["interval_s"]) == (3 * 1.44 - 5.5, 0)
    assert (event["evidence_from"], event["evidence_to"]) == (18, 21)  # 18.98 and 20.42, whole samples around them
