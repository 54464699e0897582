"""Episodes of a rhythm, by count and by duration."""

from dataclasses import dataclass

import numpy as np

from vitalcore.scoring.marks import Marks
from vitalcore.scoring.spans import Span, clip, merge, shared

# name: kinds of episodes that count as it, and kinds whose time in the reference is left out of the test's episodes
COMPARED = {
    "AF": (("AF",), ("AFL",)),
    "VT": (("VT",), ()),
    "VF": (("VF",), ()),
    "VT or VF": (("VT", "VF"), ()),
}


@dataclass(frozen=True)
class EpisodeScore:
    """Hold counts and seconds: of the reference and how much of it was found, of the test and how much was right."""

    n_reference: int = 0
    n_found: int = 0
    reference_s: float = 0.0
    found_s: float = 0.0
    n_test: int = 0
    n_right: int = 0
    test_s: float = 0.0
    right_s: float = 0.0

    def __add__(self, other: "EpisodeScore") -> "EpisodeScore":
        """Add up two recordings."""
        return EpisodeScore(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


def compare(reference: Marks, test: Marks, name: str, start_s: float, end_s: float) -> EpisodeScore:
    """Compare the episodes of one rhythm from start_s to end_s; any overlap makes one found, or right.

    Source: ANSI/AAMI EC57, episode-by-episode comparison; reference flutter is left out of AF's predictivity.
    """
    kinds, left_out = COMPARED[name]
    theirs, ours = (_of(side, kinds, start_s, end_s) for side in (reference, test))
    without = _of(reference, left_out, start_s, end_s)
    ours = tuple(span for span in ours if span[1] - span[0] > shared(span, without))
    return EpisodeScore(
        len(theirs),
        sum(shared(span, ours) > 0 for span in theirs),
        _length(theirs),
        sum(shared(span, ours) for span in theirs),
        len(ours),
        sum(shared(span, theirs) > 0 for span in ours),
        _length(ours) - sum(shared(span, without) for span in ours),
        sum(shared(span, theirs) for span in ours),
    )


def ratios(score: EpisodeScore) -> dict[str, tuple[float, float]]:
    """Give sensitivity and positive predictivity by count and by duration: how much of how much."""
    return {
        "Se": (score.n_found, score.n_reference),
        "+P": (score.n_right, score.n_test),
        "duration Se": (score.found_s, score.reference_s),
        "duration +P": (score.right_s, score.test_s),
    }


def _of(side: Marks, kinds: tuple[str, ...], start_s: float, end_s: float) -> tuple[Span, ...]:
    return clip(merge(span for kind in kinds for span in side.episodes.get(kind, ())), start_s, end_s)


def _length(spans: tuple[Span, ...]) -> float:
    return float(np.sum([b - a for a, b in spans]))
