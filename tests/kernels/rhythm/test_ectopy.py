"""Runs, couplets, regular returns and paced beats, as the rhythm says them."""

from tests.kernels.rhythm.test_rhythm import follow, near, spans
from vitalcore.kernels.core import codes


def test_couplets_and_runs_are_said_with_onset_and_end() -> None:
    events = follow([0.8] * 19, "NNNNNN" + "VV" + "NNNN" + "VVV" + "NNNNN")
    assert spans(events, codes.COUPLET) == near(1 + 6 * 0.8, 1 + 7 * 0.8)
    assert spans(events, codes.VENTRICULAR_RUN) == near(1 + 12 * 0.8, 1 + 14 * 0.8)
    assert not spans(events, codes.VENTRICULAR_TACHYCARDIA)


def test_bigeminy_and_trigeminy_reach_from_their_first_to_their_last_cycle() -> None:
    events = follow([0.7] * 31, "N" * 10 + "VN" * 6 + "N" * 10)
    assert spans(events, codes.BIGEMINY) == near(1 + 10 * 0.7, 1 + 21 * 0.7)
    events = follow([0.7] * 37, "N" * 10 + "VNN" * 6 + "N" * 10)
    assert spans(events, codes.TRIGEMINY) == near(1 + 10 * 0.7, 1 + 27 * 0.7)
    assert not spans(events, codes.BIGEMINY)


def test_paced_beats_are_a_paced_rhythm() -> None:
    events = follow([0.85] * 29, "N" * 10 + "/" * 10 + "N" * 10)
    assert spans(events, codes.PACED_RHYTHM) == near(1 + 10 * 0.85, 1 + 19 * 0.85)


def test_one_doubtful_beat_does_not_end_a_tachycardia() -> None:
    events = follow([0.4] * 29, "N" * 8 + "V" * 7 + "F" + "V" * 8 + "N" * 6)
    assert spans(events, codes.VENTRICULAR_TACHYCARDIA) == near(1 + 8 * 0.4, 1 + 23 * 0.4)
