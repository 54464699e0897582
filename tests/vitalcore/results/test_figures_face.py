"""Tests of the pictures of a face: both eyes, their blinks, and movement."""

import xml.etree.ElementTree as ET

from vitalcore.analyze import analyze
from vitalcore.fixtures.recordings import ear, face
from vitalcore.readers.recording import Recording
from vitalcore.results import figures, figures_face
from vitalcore.results.drawing import BLUE, ORANGE


def test_pictures_of_a_face_show_both_eyes_and_its_movement() -> None:
    track, _ = face(15)
    (found,) = analyze(Recording("r", (track,))).analysed
    assert figures_face.moved(found)
    for svg in (figures_face.eyes(found, 0, 15), figures_face.motion(found), figures.quality(found)):
        assert ET.fromstring(svg).tag.endswith("svg")
    for svg in (figures_face.eyes(found, 0, 15), figures_face.motion(found)):
        assert BLUE in svg
        assert ORANGE in svg
    assert "left" in figures_face.eyes(found, 0, 15)


def test_an_eye_aspect_ratio_alone_has_its_picture() -> None:
    track, apex = ear()
    (found,) = analyze(Recording("r", (track,))).analysed
    assert not figures_face.moved(found)
    none = figures_face.eyes(found, 10.0, 10.5).count(ORANGE)
    assert figures_face.eyes(found, 0, 60).count(ORANGE) >= none + len(apex)
