"""Recordings for a first look."""

import numpy as np

from vitalcore import samples
from vitalcore.analyze import analyze
from vitalcore.kernels.core import codes
from vitalcore.readers.recording import Recording


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


def test_an_amplifier_that_recovers_in_the_real_ecg_is_no_asystole() -> None:
    (result,) = analyze(Recording("sample", (samples.ecg(),))).analysed
    said = set(result.alarms["code"].tolist()) | set(result.events["code"].tolist())
    assert not said & {codes.ASYSTOLE, codes.PAUSE, codes.EXTREME_BRADYCARDIA}
    lost = result.events[result.events["code"] == codes.NO_USABLE_SIGNAL]
    assert [round(float(row["t_end"]) / 360) for row in lost] == [213]
    assert (lost["reasons"] & codes.RECOVERING).all()
