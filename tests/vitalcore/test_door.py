"""The door: gaps and ends as samples."""

from fractions import Fraction

import numpy as np

from vitalcore import door
from vitalcore.kernels.core.finding import BEAT, FEATURE, FINDING
from vitalcore.operator import Signal

ECG = Signal("ecg", Fraction(250))
FACE = Signal("face", None, ("x",))


def test_only_the_first_half_minute_of_a_gap_is_fed_however_it_is_told() -> None:
    fed = []
    place = door.places(1)[0]
    for n in (5000, 0, 2000, 5000, 9000):
        x = door.gap(ECG, place, n)
        door.skip(ECG, place, n, len(x))
        fed.append(len(x))
    assert fed == [5000, 0, 2000, 500, 0]
    assert place["origin"] == 4500 + 9000


def test_samples_end_a_gap() -> None:
    place = door.places(1)[0]
    door.skip(ECG, place, 7500, len(door.gap(ECG, place, 7500)))
    door.note(ECG, place, np.zeros((1, 1)))
    assert len(door.gap(ECG, place, 10)) == 10


def test_the_end_of_a_variable_rate_stream_is_a_missing_frame_past_the_latency() -> None:
    place = door.places(1)[0]
    assert len(door.rest(FACE, place, 0.5)) == 0
    door.note(FACE, place, np.array([[7e9, 1.0]]))
    (frame,) = door.rest(FACE, place, 0.5)
    assert frame[0] > 7.5e9
    assert np.isnan(frame[1])


def test_nothing_is_said_of_what_lies_behind_the_end_nor_features_of_a_second_that_never_ended() -> None:
    place = door.places(1)[0]
    door.note(ECG, place, np.zeros((1000, 1)))
    found = np.zeros(4, FINDING)
    found["what"] = [BEAT, BEAT, FEATURE, FEATURE]
    found["t"] = [900, 1001, 700, 750]
    found["t_known"] = [1100, 1200, 999, 1249]
    assert door.within(ECG, place, found)["t"].tolist() == [900, 700]
