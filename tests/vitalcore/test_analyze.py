"""Tests of the analysis of one recording."""

from fractions import Fraction

import numpy as np
import pytest

from vitalcore.analyze import analyze, why_not
from vitalcore.errors import NoSignalError
from vitalcore.fixtures.recordings import FS, ear, ecg, face, heart, ppg, pulses
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import LEFT, RIGHT
from vitalcore.operators.ppg import Ppg
from vitalcore.plan import Plan, source
from vitalcore.readers.recording import Recording, Track


def test_each_track_goes_through_the_chain_of_its_signal() -> None:
    results = analyze(Recording("r", (ppg(pulses()),)))
    (result,) = results.analysed
    assert isinstance(result.operator, Ppg)
    assert abs(np.nanmedian(result.beats["interval_s"]) - 0.8) < 0.002
    assert abs(len(result.beats) - 75) <= 2
    assert abs(np.nanmedian(result.feature(codes.PULSE_RATE)["value"]) - 75) < 0.5


def test_the_heart_beats_of_an_ecg_are_found_where_they_are() -> None:
    (result,) = analyze(Recording("r", (ecg(heart(60)),))).analysed
    t = result.track.seconds(result.beats["t"])
    truth = np.arange(72) * 60 / 72 + 30 / 72
    nearest = np.abs(t[:, None] - truth).min(axis=1)
    assert len(t) >= 70
    assert nearest.max() < 0.01


def test_blinks_of_an_eye_aspect_ratio_are_found_on_both_sides() -> None:
    track, apex = ear()
    (result,) = analyze(Recording("r", (track,))).analysed
    for side in (LEFT, RIGHT):
        t = track.seconds(result.beats["t"][result.beats["channel"] == side])
        assert np.abs(t[:, None] - apex).min(axis=1).max() < 0.04
        assert len(t) == len(apex)


@pytest.mark.parametrize("schema", ["ibug68", "mp478"])
def test_a_face_is_followed_whatever_its_detector(schema: str) -> None:
    track, truth = face(20, schema)
    (result,) = analyze(Recording("r", (track,))).analysed
    found = result.beats["t"][result.beats["channel"] == LEFT]
    clear = truth.blink_ns[0][truth.blink_ns[0] > 1.5e9]
    assert np.abs(clear[:, None] - found).min(axis=1).max() < 1e8
    assert result.wave is not None
    assert result.wave_channels[:2] == ("ear_left", "ear_right")


def test_a_face_without_depth_is_followed_too() -> None:
    track, _ = face(10)
    flat = track.values.reshape(track.n_samples, 478, 3)[:, :, :2].reshape(track.n_samples, -1)
    labels = tuple(label for label in track.channels if label[0] != "z")
    (result,) = analyze(Recording("r", (Track("face", "face", None, labels, flat, "", track.times_ns),))).analysed
    assert len(result.beats)


def test_it_says_what_a_plan_says() -> None:
    x = pulses()
    (result,) = analyze(Recording("r", (ppg(x),))).analysed
    said = Plan(findings=source("ppg", FS, ("PLETH",), "NU") | Ppg()).run(ppg=x[:, None])["findings"]
    assert result.findings.tobytes() == said[said["t"] < len(x)].tobytes()


def test_nothing_is_said_of_samples_behind_the_end() -> None:
    (result,) = analyze(Recording("r", (ppg(pulses(20)),))).analysed
    assert result.findings["t"].max() < 20 * FS


def test_an_event_that_began_and_ended_is_one_event() -> None:
    x = pulses(90)
    x[int(20 * FS) : int(50 * FS)] = np.nan
    (result,) = analyze(Recording("r", (ppg(x),))).analysed
    gone = result.events[result.events["code"] == codes.NO_USABLE_SIGNAL]
    assert len(gone) == 1
    assert abs(float(gone["t"][0] / FS) - 20) < 4
    assert abs(float(gone["t_end"][0] / FS) - 50) < 6
    assert gone["t_known"][0] < gone["t_end"][0]


def test_tracks_that_are_left_out_have_their_reason() -> None:
    breath = Track("resp", "resp", FS, ("RESP",), np.zeros((100, 1)))
    other = Track("abp", "other", FS, ("ABP",), np.zeros((100, 1)), "mmHg")
    slow = Track("ppg-2", "ppg", Fraction(10), ("PLETH",), np.ones((100, 1)))
    results = analyze(Recording("r", (other, ppg(pulses(10)), slow, breath)))
    assert [result.track.stream for result in results.analysed] == ["ppg"]
    assert [track.stream for track, _ in results.left_out] == ["abp", "ppg-2", "resp"]
    assert "25 to 1000 Hz" in results.left_out[1][1]


def test_a_recording_with_nothing_to_analyse_is_refused_with_the_reasons() -> None:
    missing = ppg(np.full(1000, np.nan))
    assert why_not(missing) == "every sample is missing"
    with pytest.raises(NoSignalError, match="ppg: every sample is missing"):
        analyze(Recording("r", (missing,)))
    with pytest.raises(NoSignalError, match="no tracks"):
        analyze(Recording("r", ()))


def test_an_operator_can_be_given() -> None:
    (result,) = analyze(Recording("r", (ppg(-pulses()),)), {"ppg": Ppg(inverted=True)}).analysed
    assert abs(len(result.beats) - 75) <= 2


def test_witnesses_leave_the_alarms_of_an_ecg_that_nothing_contradicts() -> None:
    recording = Recording("r", (ecg(heart(60, 130)), ppg(pulses(60))))
    alone = analyze(Recording("r", recording.tracks[:1])).analysed[0]
    assert analyze(recording).analysed[0].findings.tobytes() == alone.findings.tobytes()


def test_pulses_of_a_pressure_hold_a_false_asystole_back() -> None:
    x = heart(60)
    x[7500:] = 0.02 * np.random.default_rng(1).normal(size=len(x) - 7500)  # the ECG is lost in faint noise
    pressure = Track("abp", "abp", FS, ("ABP",), 80 + 40 * pulses(60)[:, None], "mmHg")
    alone, witnessed = analyze(Recording("r", (ecg(x),))), analyze(Recording("r", (ecg(x), pressure)))
    of = {result.track.kind: result for result in witnessed.analysed}
    assert not len(of["abp"].feature(codes.PERFUSION_INDEX))
    assert len(of["abp"].beats) > 50
    arrests = [r.alarms["code"].tolist().count(codes.ASYSTOLE) for r in (alone.analysed[0], of["ecg"])]
    assert arrests == [1, 0]
