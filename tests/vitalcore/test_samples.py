"""Recordings for a first look."""

import numpy as np

from vitalcore import samples


def test_the_ecg_is_five_minutes_at_360_hz_in_millivolts() -> None:
    track = samples.ecg()
    assert track.fs_hz == 360
    assert (track.duration_s, track.unit) == (300, "mV")
    assert 1 < np.ptp(track.values) < 10


def test_the_ppg_has_the_rate_of_its_own_time_column() -> None:
    track = samples.ppg()
    assert track.fs_hz is not None
    assert abs(float(track.fs_hz) - 1000 / 8.54790319355) < 1e-3
    assert abs(track.duration_s - 128.2) < 0.1
    assert abs(samples.ppg(44).duration_s - 84.2) < 0.1


def test_the_three_of_the_demo_are_an_ecg_a_ppg_and_a_face() -> None:
    tracks = samples.demo(2.0).tracks
    assert [track.kind for track in tracks] == ["ecg", "ppg", "face"]
    assert tracks[2].values.shape[1] == 3 * 478
