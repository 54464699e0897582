"""One recording's scores, and those of many: gross (all beats in one pot) and average (each recording alike)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitalcore.scoring import beats, episodes, rates, runs
from vitalcore.scoring.beats import BeatScore
from vitalcore.scoring.episodes import EpisodeScore
from vitalcore.scoring.marks import MAPS, Marks
from vitalcore.scoring.pairing import WINDOW_S

SKIP_S = 300.0


@dataclass(frozen=True)
class Rules:
    """Say how beats are compared.

    class_map : a name in classes.MAPS
    skip_s    : learning period, not compared
    end_s     : nothing after it is compared
    """

    class_map: str = "ec57"
    skip_s: float = SKIP_S
    end_s: float = float("inf")
    window_s: float = WINDOW_S


@dataclass(frozen=True)
class Figure:
    """Hold one figure of one recording, of `gross` or of `average`.

    value : a share from 0 to 1, or a measurement in `unit`; NaN where there is nothing to tell
    part, whole : of a share, counts or seconds; whole of a measurement is how many it is made of
    """

    record: str
    section: str
    item: str
    value: float
    unit: str
    part: float
    whole: float


@dataclass(frozen=True, eq=False)
class RecordScore:
    """Hold all comparisons of one recording.

    classes : the matrix of beats where classes can be compared; None where the test tells none, or beats are paced
    runs    : as classes
    """

    name: str
    beat: BeatScore
    episodes: Mapping[str, EpisodeScore]
    rate: NDArray[np.float64]
    classes: NDArray[np.int64] | None
    runs: NDArray[np.int64] | None


def compare(
    reference: Marks,
    test: Marks,
    rules: Rules = Rules(),
    duration_s: float = np.inf,
    told: bool | None = None,
) -> RecordScore:
    """Compare what a test says about a recording with its reference.

    A reference that marks no beats at all has episodes compared alone.

    duration_s : of the recording: episodes that have no end last so long
    told       : the test tells classes of beats; None: it does where this recording has one that is not normal
    """
    classes = MAPS[rules.class_map][1]
    start_s, end_s = rules.skip_s, min(rules.end_s, duration_s)
    known = end_s if np.isfinite(end_s) else max(_last(reference), _last(test), start_s)
    found = {name: episodes.compare(reference, test, name, start_s, known) for name in episodes.COMPARED}
    if not len(reference.t_s):
        test = replace(test, t_s=np.empty(0), symbols=np.empty(0, "<U1"), t_known_s=None, rate=None)
    beat = beats.compare(reference, test, classes, start_s, end_s, rules.window_s)
    rate = rates.compare(reference, test, start_s, end_s)
    if "/" in reference.symbols or not (tells_classes(test) if told is None else told):
        return RecordScore(reference.name, beat, found, rate, None, None)
    runs_found = runs.compare(reference, test, classes, start_s, end_s, rules.window_s)
    return RecordScore(reference.name, beat, found, rate, beat.matrix, runs_found)


def _last(side: Marks) -> float:
    """Find the last time that is marked."""
    ends = (end for spans in side.episodes.values() for _, end in spans if np.isfinite(end))
    return max((*side.t_s[-1:].tolist(), *ends), default=0.0)


def tells_classes(test: Marks) -> bool:
    """Tell whether any beat has a class other than normal or unknown."""
    return bool((~np.isin(test.symbols, ["N", "Q", "?", "/"])).any())


def gross(scores: Sequence[RecordScore]) -> RecordScore:
    """Put all recordings into one pot; classes and runs come from those alone in which they can be compared."""
    matrices = [each.classes for each in scores if each.classes is not None]
    tables = [each.runs for each in scores if each.runs is not None]
    return RecordScore(
        "gross",
        _pot([each.beat for each in scores]),
        {name: sum((each.episodes[name] for each in scores), EpisodeScore()) for name in episodes.COMPARED},
        np.concatenate([each.rate for each in scores]),
        np.sum(matrices, axis=0) if matrices else None,
        np.sum(tables, axis=0) if tables else None,
    )


def figures(score: RecordScore) -> list[Figure]:
    """List the figures of a recording, or of a pot of them."""
    name, beat = score.name, score.beat
    qrs = beats.ratios(beat.matrix)
    out = [_share(name, "QRS", item, *qrs["QRS", item]) for item in ("Se", "+P")]
    se, ppv = (figure.value for figure in out)
    f1 = 2 * se * ppv / (se + ppv) if se + ppv > 0 else np.nan
    out.append(Figure(name, "QRS", "F1", f1, "1", np.nan, np.nan))
    for item, value in _spread(beat).items():
        n = len(beat.delay_s if "delay" in item else beat.error_s)
        out.append(Figure(name, "time", item, value, "s", np.nan, n))
    if score.classes is not None and score.runs is not None:
        ratios = beats.ratios(score.classes) | runs.ratios(score.runs)
        out += [_share(name, *key, *found) for key, found in ratios.items() if key[0] != "QRS"]
    for kind, episode in score.episodes.items():
        if episode.n_reference or episode.n_test:
            out += [_share(name, kind, item, *found) for item, found in episodes.ratios(episode).items()]
    return out + _errors(name, "RR", beat.rr_s, "s") + _errors(name, "rate", score.rate, "/min")


def average(figures_of_all: Iterable[Figure]) -> list[Figure]:
    """Average each figure over the recordings that have it."""
    values: dict[tuple[str, str, str], list[float]] = {}
    for each in figures_of_all:
        if np.isfinite(each.value):
            values.setdefault((each.section, each.item, each.unit), []).append(each.value)
    return [
        Figure("average", section, item, float(np.mean(many)), unit, np.nan, len(many))
        for (section, item, unit), many in values.items()
    ]


def _pot(scores: Sequence[BeatScore]) -> BeatScore:
    return BeatScore(
        np.sum([each.matrix for each in scores], axis=0),
        np.concatenate([each.error_s for each in scores]),
        np.concatenate([each.delay_s for each in scores]),
        np.concatenate([each.rr_s for each in scores]),
    )


def _share(name: str, section: str, item: str, part: float, whole: float) -> Figure:
    return Figure(name, section, item, part / whole if whole else np.nan, "1", part, whole)


def _spread(beat: BeatScore) -> dict[str, float]:
    out = {}
    if len(beat.error_s):
        off = np.abs(beat.error_s)
        out["error median"] = float(np.median(beat.error_s))
        out["|error| median"], out["|error| p95"] = (float(np.percentile(off, p)) for p in (50, 95))
    if len(beat.delay_s):
        for p in (50, 95, 99):
            out[f"delay p{p}"] = float(np.percentile(beat.delay_s, p))
        out["delay most"] = float(beat.delay_s.max())
    return out


def _errors(name: str, section: str, both: NDArray[np.float64], unit: str) -> list[Figure]:
    """Give the rms of the differences, in the unit and as a share of the reference's mean."""
    if not len(both):
        return []
    rms = float(np.sqrt(np.mean((both[:, 1] - both[:, 0]) ** 2)))
    share = rms / float(both[:, 0].mean())
    return [
        Figure(name, section, "rms error", rms, unit, np.nan, len(both)),
        Figure(name, section, "rms error of mean", share, "1", np.nan, len(both)),
    ]
