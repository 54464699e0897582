"""Tests of what pictures share."""

import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from vitalcore.results.drawing import at_least, picture, runs, svg_of, thin, time_unit


def test_a_picture_is_a_bare_svg_that_fits_its_page() -> None:
    with picture(2) as figure:
        figure.add_subplot().plot([1, 2])
        svg = svg_of(figure)
    assert ET.fromstring(svg).tag.endswith("svg")
    assert "viewBox" in svg[: svg.index(">")]
    assert "width=" not in svg[: svg.index(">")]
    assert "<metadata>" not in svg


def test_our_style_leaves_that_of_others_alone() -> None:
    before = dict(mpl.rcParams)
    with picture(2):
        assert mpl.rcParams["svg.hashsalt"] == "vitalcore"
    assert dict(mpl.rcParams) == before


def test_a_long_line_keeps_its_extremes_and_its_holes() -> None:
    y = np.zeros(100_000)
    y[31_415], y[27_182] = 5, -7
    y[50_000:60_000] = np.nan
    t, kept = thin(np.arange(100_000.0), y)
    assert len(kept) <= 2002
    assert [np.nanmax(kept), np.nanmin(kept)] == [5.0, -7.0]
    assert np.isnan(kept[(t > 51_000) & (t < 59_000)]).all()


def test_a_short_line_stays_as_it_is() -> None:
    y = np.arange(10.0)
    assert thin(y, y)[1] is y


def test_small_changes_are_not_made_much_of() -> None:
    with picture(2) as figure:
        axes = figure.add_subplot()
        axes.plot([70, 71])
        at_least(axes, 20)
        low, high = axes.get_ylim()
    assert high - low == pytest.approx(20)
    assert (low + high) / 2 == pytest.approx(70.5)


@pytest.mark.parametrize(("duration_s", "unit"), [(60, "s"), (1800, "min"), (86_400, "h")])
def test_the_time_axis_suits_the_duration(duration_s: float, unit: str) -> None:
    scale, label = time_unit(duration_s)
    assert label.split()[0] == unit
    assert scale * {"s": 1, "min": 60, "h": 3600}[unit] == 1


def test_stretches_begin_a_second_before_the_feature_that_speaks_of_them() -> None:
    t = np.arange(1.0, 8.0)
    assert list(runs(t, np.array([1, 1, 0, 0, 1, 0, 1], bool))) == [(0, 2), (4, 5), (6, 7)]
    assert list(runs(t, np.zeros(7, bool))) == []
