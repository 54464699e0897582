"""Strips of characters."""

import numpy as np

from vitalcore.cli.strip import marks, strip


def dots(picture: list[str]) -> int:
    return sum((ord(c) - 0x2800).bit_count() for line in picture for c in line)


def test_a_strip_has_the_size_asked_for() -> None:
    picture = strip(np.sin(np.arange(500.0)), 40, 5)
    assert [len(line) for line in picture] == [40] * 5


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right() -> None:
    picture = strip(np.arange(100.0), 10, 3)
    assert picture[-1][0] != "\u2800"
    assert picture[0][-1] != "\u2800"
    assert picture[0][0] == picture[-1][-1] == "\u2800"


def test_a_spike_of_one_sample_is_seen_at_any_width() -> None:
    x = np.zeros(10_000)
    x[5000] = 1.0
    assert any(c != "\u2800" for c in strip(x, 10, 4)[0])


def test_missing_samples_stay_blank() -> None:
    x = np.ones(100)
    x[50:] = np.nan
    picture = strip(x, 10, 2)
    assert dots([line[5:] for line in picture]) == 0
    assert dots(picture) > 0
    assert dots(strip(np.full(100, np.nan), 10, 2)) == 0
    assert dots(strip(np.empty(0), 10, 2)) == 0


def test_marks_stand_under_their_times() -> None:
    assert marks([0.0, 5.0, 9.99, 10.0, -1.0], 0.0, 10.0, 10) == "▲    ▲   ▲"
