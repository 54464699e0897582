"""Tests of the pictures of an ECG: the page, average beats, intervals over time, rhythms and alarms."""

import xml.etree.ElementTree as ET
from fractions import Fraction

import numpy as np
import pytest

from vitalcore.analyze import Result, analyze
from vitalcore.fixtures.recordings import heart
from vitalcore.readers.recording import Recording, Track
from vitalcore.results import figures_ecg

TWELVE = ("i", "ii", "iii", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def result(x: np.ndarray, channels: tuple[str, ...] = ("II",), fs_hz: int = 250) -> Result:
    track = Track("ecg", "ecg", Fraction(fs_hz), channels, np.column_stack([x] * len(channels)), "mV")
    return analyze(Recording("r", (track,))).analysed[0]


@pytest.mark.parametrize("channels", [("II",), ("MLII", "V1", "V5"), TWELVE])
def test_every_picture_is_one_well_formed_svg(channels: tuple[str, ...]) -> None:
    found = result(heart(15), channels)
    for svg in (
        figures_ecg.paper(found, 2.0),
        figures_ecg.average_beats(found),
        figures_ecg.tachogram(found),
        figures_ecg.timeline(found),
    ):
        assert ET.fromstring(svg).tag.endswith("svg")
        assert "width=" not in svg[: svg.index(">")]


def test_twelve_leads_stand_as_on_every_printout() -> None:
    svg = figures_ecg.paper(result(heart(12), TWELVE), 0.0)
    order = [svg.index(f">{name}<") for name in ("I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF")]
    assert order == sorted(order)
    assert svg.count(">II<") == 2  # its 2.5 s, and the rhythm strip
    assert "25 mm/s, 10 mm/mV" in svg


def test_a_large_lead_halves_the_gain() -> None:
    assert "5 mm/mV" in figures_ecg.paper(result(2.5 * heart(12)), 0.0)


def test_average_beats_tell_their_number_and_intervals() -> None:
    svg = figures_ecg.average_beats(result(heart(40)))
    assert "beats, II" in svg
    assert "QRS" in svg
    assert "QTc" in svg


@pytest.mark.parametrize("x", [np.zeros(2500), np.r_[1.0, np.full(2500, np.nan)], np.ones(100), heart(3)])
def test_nothing_to_show_is_no_failure(x: np.ndarray) -> None:
    found = result(x)
    for svg in (
        figures_ecg.paper(found, 0.0),
        figures_ecg.average_beats(found),
        figures_ecg.tachogram(found),
        figures_ecg.timeline(found),
    ):
        assert ET.fromstring(svg).tag.endswith("svg")


def test_rhythms_and_alarms_have_their_rows() -> None:
    x = heart(60)
    x[5000:10000] = 0.004 * np.random.default_rng(1).normal(size=5000)  # 20 s without a beat
    svg = figures_ecg.timeline(result(x))
    assert ">asystole<" in svg
    assert "alarm: asystole" in svg
