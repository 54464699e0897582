"""Tests of what channels are taken for."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vitalcore.errors import ReadError
from vitalcore.readers.kinds import Column, Hints, kind_of, tracks, unique

PATH = Path("x")


@pytest.mark.parametrize(
    ("label", "unit", "kind"),
    [
        ("MLII", "mV", "ecg"),
        ("V5", "mV", "ecg"),
        ("V", "mV", "ecg"),
        ("aVR", "", "ecg"),
        ("i", "mV", "ecg"),
        ("ECG I", "uV", "ecg"),
        ("EKG LL-RA", "uV", "ecg"),
        ("", "mV", "ecg"),
        ("PLETH", "NU", "ppg"),
        ("PPG_red", "", "ppg"),
        ("Pleth", "%", "other"),
        ("RESP", "", "resp"),
        ("Resp oro-nasal", "", "resp"),
        ("Respiratory rate", "/min", "other"),
        ("EAR2D6_l", "", "ear"),
        ("ABP", "mmHg", "abp"),
        ("ART 2", "mmHg", "abp"),
        ("ABP Mean", "mmHg", "other"),
        ("EEG Fpz-Cz", "uV", "other"),
        ("noise1", "mV", "other"),
        ("I", "A", "other"),
        ("hr", "", "other"),
        ("SpO2", "%", "other"),
    ],
)
def test_labels_and_units_tell_the_kind(label: str, unit: str, kind: str) -> None:
    assert kind_of(label, unit) == kind


def test_what_a_monitor_writes_once_a_second_is_no_wave() -> None:
    assert kind_of("RESP", "", Fraction(1)) == "other"
    assert kind_of("RESP", "", Fraction(25)) == "resp"


def columns() -> list[Column]:
    x = np.arange(10.0)
    return [
        Column("I", "uV", Fraction(250), x),
        Column("II", "mV", Fraction(250), x),
        Column("PLETH", "NU", Fraction(125), x[:5]),
        Column("V1", "mV", Fraction(500), np.arange(20.0)),
        Column("ABP", "mmHg", Fraction(125), x[:5]),
        Column("ABP", "mmHg", Fraction(125), x[:5]),
    ]


def test_leads_of_one_rate_make_one_track_in_millivolts() -> None:
    made = tracks(PATH, columns(), Hints())
    assert [track.stream for track in made] == ["ecg", "ppg", "ecg-2", "abp"]
    assert made[0].channels == ("I", "II")
    assert made[0].unit == "mV"
    assert np.allclose(made[0].values, np.column_stack([np.arange(10) / 1000, np.arange(10)]), rtol=1e-15)
    assert [track.fs_hz for track in made] == [250, 125, 500, 125]


def test_the_left_eye_comes_first_and_frames_have_times() -> None:
    made = tracks(
        PATH, [Column(f"EAR_{s}", "", Fraction(10), np.full(3, v)) for s, v in (("r", 1.0), ("l", 2.0))], Hints()
    )
    assert made[0].channels == ("EAR_l", "EAR_r")
    assert made[0].values[0].tolist() == [2.0, 1.0]
    assert made[0].times_ns is not None
    assert made[0].times_ns.tolist() == [0, 100_000_000, 200_000_000]


def test_a_stated_signal_takes_the_columns_that_look_like_it() -> None:
    assert [track.stream for track in tracks(PATH, columns(), Hints(signal="ppg"))] == ["ppg"]


def test_a_stated_column_is_taken_by_name_or_place() -> None:
    by_name = tracks(PATH, columns(), Hints(signal="resp", columns=("abp",)))
    assert [(track.kind, track.channels) for track in by_name] == [("resp", ("ABP",))]
    by_place = tracks(PATH, columns(), Hints(columns=("3",)))
    assert by_place[0].kind == "ppg"


def test_what_is_not_there_or_ambiguous_is_refused_by_name() -> None:
    with pytest.raises(ReadError, match="no column X; there are I, II"):
        tracks(PATH, columns(), Hints(columns=("X",)))
    with pytest.raises(ReadError, match="which column is the resp"):
        tracks(PATH, columns(), Hints(signal="resp"))


def test_the_only_unknown_column_is_what_is_stated() -> None:
    made = tracks(PATH, [Column("hr", "", Fraction(100), np.arange(5.0))], Hints(signal="ppg"))
    assert made[0].kind == "ppg"


def test_infinities_are_missing() -> None:
    made = tracks(PATH, [Column("I", "mV", Fraction(100), np.array([0, np.inf, -np.inf, 1]))], Hints())
    assert np.isnan(made[0].values[:, 0]).tolist() == [False, True, True, False]


def test_what_doesnt_print_in_a_label_is_gone() -> None:
    made = tracks(PATH, [Column(" ECG\n\x00 I ", "m\tV ", Fraction(100), np.zeros(3))], Hints(signal="ecg"))
    assert made[0].channels == ("ECG I",)


def test_equal_labels_are_numbered() -> None:
    assert unique(["ECG", "ECG", "V1"]) == ["ECG", "ECG 2", "V1"]
