"""Tests of the pictures: they hold what they should, and never fail on odd input."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from vitalcore.analyze import Result, analyze
from vitalcore.fixtures.recordings import FS, ppg, pulses
from vitalcore.readers.recording import Recording
from vitalcore.results import figures
from vitalcore.results.drawing import BLUE


def result(x: np.ndarray) -> Result:
    return analyze(Recording("r", (ppg(x),))).analysed[0]


@pytest.mark.parametrize("x", [pulses(30), np.ones(3000), np.r_[pulses(20), np.full(500, np.nan)], pulses(2)])
def test_every_picture_is_one_well_formed_svg(x: np.ndarray) -> None:
    found = result(x)
    for svg in (
        figures.strip(found, 0, 10),
        figures.leads(found, 0, 10),
        figures.rate_trend(found),
        figures.intervals(found),
        figures.quality(found),
    ):
        assert ET.fromstring(svg).tag.endswith("svg")
        assert "width=" not in svg[: svg.index(">")]


def test_a_picture_is_the_same_each_time() -> None:
    found = result(pulses(30))
    assert figures.strip(found, 0, 10) == figures.strip(found, 0, 10)


def test_a_strip_marks_each_pulse_in_it() -> None:
    found = result(pulses(30))
    times = found.track.seconds(found.beats["t"])
    both = figures.strip(found, 10, 20).count(BLUE)
    none = figures.strip(found, 0.0, 0.2).count(BLUE)
    assert both - none >= ((times >= 10) & (times <= 20)).sum()


def test_what_was_unusable_is_a_stretch_within_the_recording() -> None:
    x = pulses(90)
    x[int(20 * FS) : int(50 * FS)] = np.nan
    ((start, stop),) = figures.unusable(result(x))
    assert 15 < start < 25
    assert 45 < stop < 57
    x[int(50 * FS) :] = np.nan
    ((start, stop),) = figures.unusable(result(x))
    assert stop == 90


def test_quality_is_once_a_second() -> None:
    t, score, bits = figures.quality_of(result(pulses(30)))
    assert np.array_equal(t, np.arange(1, len(t) + 1))
    assert len(t) == len(score) == len(bits) >= 29
