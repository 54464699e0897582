"""Tests of recordings."""

from fractions import Fraction

import numpy as np
import pytest

from vitalcore.readers.recording import Recording, Track


def test_a_sample_index_and_a_time_are_exact_at_a_fractional_rate() -> None:
    track = Track("ppg", "ppg", Fraction(125, 2), ("PLETH",), np.zeros((1000, 1)))
    assert track.seconds(np.array([0.0, 62.5, 625.0])).tolist() == [0.0, 1.0, 10.0]
    assert track.index(np.array([-0.4, 10.4, 10.6, 2000.0])).tolist() == [0, 10, 11, 999]
    assert track.duration_s == 16.0


def test_a_variable_rate_finds_the_nearest_frame() -> None:
    times = np.array([0, 30_000_000, 70_000_000, 100_000_000])
    track = Track("face", "face", None, ("x0",), np.zeros((4, 1)), "", times)
    assert track.index(np.array([0.0, 14e6, 16e6, 49e6, 51e6, 1e9])).tolist() == [0, 0, 1, 1, 2, 3]
    assert track.seconds(np.array([5e8])).tolist() == [0.5]
    assert track.duration_s == 0.1
    assert track.samples[:, 0].tolist() == times.tolist()


def test_one_frame_has_index_0() -> None:
    track = Track("face", "face", None, ("x0",), np.zeros((1, 1)), "", np.array([0]))
    assert track.index(np.array([0.0, 5e9])).tolist() == [0, 0]


def test_missing_values_are_counted_and_the_longest_track_gives_the_duration() -> None:
    x = np.zeros((10, 2))
    x[3:5, 0] = np.nan
    ecg = Track("ecg", "ecg", Fraction(10), ("I", "II"), x)
    resp = Track("resp", "resp", Fraction(2), ("RESP",), np.zeros((4, 1)))
    assert ecg.n_missing == 2
    assert Recording("r", (ecg, resp)).duration_s == 2.0


@pytest.mark.parametrize(
    ("kind", "channels", "fs_hz", "match"),
    [
        ("eeg", ("a",), Fraction(1), "kind is 'eeg'"),
        ("ecg", ("a", "b"), Fraction(1), r"must be \[n, 2\]"),
        ("ecg", ("a",), None, "rate or times"),
    ],
)
def test_a_track_that_contradicts_itself_is_refused(
    kind: str, channels: tuple[str, ...], fs_hz: Fraction | None, match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        Track("s", kind, fs_hz, channels, np.zeros((5, 1)))
