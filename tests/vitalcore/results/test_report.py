"""Tests of the report."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from vitalcore.analyze import analyze
from vitalcore.errors import VitalcoreError
from vitalcore.fixtures.recordings import FS, ear, ecg, face, heart, ppg, pulses
from vitalcore.readers.recording import Recording, Track
from vitalcore.results import report


def page(x: np.ndarray, name: str = "r") -> str:
    return report.render(analyze(Recording(name, (ppg(x), Track("abp", "other", FS, ("ABP",), x[:, None])))))


class Balanced(HTMLParser):
    """Check that tags that were opened are closed."""

    VOID = ("meta", "br", "path", "use", "rect", "image", "line", "circle")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_well_formed_and_fetches_nothing() -> None:
    text = page(pulses(60))
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert not re.search(r'(src|href)="(?!#|data:)', text)


def test_it_says_what_it_is_not() -> None:
    text = page(pulses(60))
    assert "not a medical device" in text
    assert "not a diagnosis" in text


def test_it_shows_rate_strips_intervals_quality_and_what_was_left_out() -> None:
    text = page(pulses(60))
    for title in ("Rate", "First usable signal", "Intervals", "Signal quality", "Left out", "ABP", "median 75 /min"):
        assert title in text


@pytest.mark.parametrize(
    "x", [np.ones(5000), np.r_[np.nan, np.ones(20)], pulses(3), np.r_[pulses(30), np.full(4000, 9)]]
)
def test_poor_and_short_signals_still_give_a_page(x: np.ndarray) -> None:
    assert "</html>" in page(x)


def test_all_signals_stand_on_one_page() -> None:
    tracks = (ecg(heart(60)), ppg(pulses(60)), face(45)[0], ear(60)[0])
    text = report.render(analyze(Recording("all", tracks)))
    for title in (
        "Electrocardiogram",
        "Pulse wave",
        "Face",
        "Eye aspect ratio",
        "symmetry",
        "blinks left",
        "Most blinks",
    ):
        assert title in text
    assert len(text) < 2_000_000


def test_names_cannot_inject_html() -> None:
    assert "<script>" not in page(pulses(20), "<script>alert(1)</script>")


def test_excerpts_lie_in_the_recording_and_overlap_little() -> None:
    x = pulses(300)
    x[20_000:21_000] += np.random.default_rng(0).normal(0, 0.05, 1000)
    (result,) = analyze(Recording("r", (ppg(x),))).analysed
    begins = sorted(begin for _, begin in report.excerpts(result))
    assert begins[0] >= 0
    assert begins[-1] <= 290
    assert (np.diff(begins) >= report.STRIP_S / 2).all()


def test_it_is_small_enough_to_mail() -> None:
    assert len(page(pulses(1800))) < 2_000_000


def test_a_place_that_cant_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VitalcoreError, match="can't be written"):
        report.write(analyze(Recording("r", (ppg(pulses(10)),))), tmp_path / "file" / "report.html")
