"""What a comparison has to tell: rules, tables for people, figures for machines."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vitalcore.scoring import episodes, runs, waves
from vitalcore.scoring.alarms import CODES, AlarmScore
from vitalcore.scoring.beats import ORDER, O
from vitalcore.scoring.records import Figure, RecordScore, average, figures, gross
from vitalcore.scoring.waves import POINTS, PointScore


@dataclass(frozen=True)
class Section:
    """Hold one table.

    detail : too long for a terminal; the page shows it
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    detail: bool = False


@dataclass(frozen=True)
class Report:
    """Hold a whole comparison.

    rules    : what was compared and how, name and value
    left_out : recordings that could not be compared, and why
    """

    title: str
    rules: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    figures: tuple[Figure, ...]
    left_out: tuple[str, ...] = ()


def of_beats(scores: Sequence[RecordScore]) -> tuple[list[Section], list[Figure]]:
    """Make tables and figures of beats, classes, runs, episodes and rates."""
    whole = gross(scores)
    every = [figures(score) for score in scores]
    pot, mean = figures(whole), average(figure for one in every for figure in one)
    lines = [*zip((score.name for score in scores), every, strict=True), ("gross", pot), ("average", mean)]
    sections = []
    if whole.beat.matrix.any():
        sections.append(_qrs(lines, {score.name: score for score in (*scores, whole)}))
    if whole.classes is not None:
        sections += [_classes(lines), *_matrices(scores)]
    else:
        sections.append(Section("Classes", (), (), "not compared: the results tell no classes, or all beats are paced"))
    sections.append(_episodes(whole))
    sections.append(_episodes_each(scores))
    cells = [figure for score in (*scores, whole) for figure in _cells(score)]
    return [section for section in sections if section.rows or section.note], [*_flat(every), *pot, *mean, *cells]


def of_waves(scores: Mapping[tuple[str, str], Mapping[str, PointScore]]) -> tuple[list[Section], list[Figure]]:
    """Make tables and figures of delineations; scores by record and lead."""
    whole = waves.gross(scores.values())
    found = _points("gross", whole)
    for (record, lead), score in scores.items():
        found += _points(f"{record} {lead}", score)
    rows = tuple((point, *_point(whole[point])) for point in POINTS)
    sections = [Section("All leads and records in one pot", ("", *_POINT), rows)]
    for lead in dict.fromkeys(lead for _, lead in scores):
        of_lead = waves.gross(score for (_, its), score in scores.items() if its == lead)
        rows = tuple((point, *_point(of_lead[point])) for point in POINTS)
        sections.append(Section(f"Lead {lead}", ("", *_POINT), rows, detail=True))
    rows = tuple(
        (
            record,
            lead,
            *(
                _number(1e3 * float(score[point].error_s.mean()), "+.1f") if len(score[point].error_s) else ""
                for point in POINTS
            ),
        )
        for (record, lead), score in scores.items()
    )
    sections.append(Section("Mean error by record and lead, ms", ("", "lead", *POINTS), rows, detail=True))
    return sections, found


_POINT = ("marked", "mean ms", "SD ms", "Se %", "+P %")


def _point(score: PointScore) -> tuple[str, ...]:
    n, errors = len(score.error_s), 1e3 * score.error_s
    return (
        str(score.n_reference),
        f"{errors.mean():+.1f}" if n else "",
        f"{errors.std(ddof=1):.1f}" if n > 1 else "",
        _percent(n / score.n_reference if score.n_reference else np.nan),
        _percent(n / score.n_test if score.n_test else np.nan),
    )


def _points(name: str, score: Mapping[str, PointScore]) -> list[Figure]:
    out = []
    for point, one in score.items():
        n = len(one.error_s)
        out.append(Figure(name, point, "mean", float(one.error_s.mean()) if n else np.nan, "s", np.nan, n))
        out.append(Figure(name, point, "SD", float(one.error_s.std(ddof=1)) if n > 1 else np.nan, "s", np.nan, n))
        for item, of in (("Se", one.n_reference), ("+P", one.n_test)):
            out.append(Figure(name, point, item, n / of if of else np.nan, "1", n, of))
    return out


def of_alarms(scores: Mapping[str, AlarmScore]) -> tuple[list[Section], list[Figure]]:
    """Make the table and figures of the challenge's alarms."""
    rows, found = [], []
    for kind in (*CODES, "all"):
        score = sum(scores.values(), AlarmScore()) if kind == "all" else scores.get(kind)
        if score is None:
            continue
        counts = (score.tp, score.fn, score.fp, score.tn)
        rows.append((kind.replace("_", " "), *map(str, counts), _number(score.score, ".2f")))
        found.append(Figure("gross", kind, "score", score.score, "1", np.nan, score.n))
        for item, n in zip(("TP", "FN", "FP", "TN"), counts, strict=True):
            found.append(Figure("gross", kind, item, n, "1", n, score.n))
    head = ("", "true, called true", "true, called false", "false, called true", "false, called false", "score")
    note = "score: 100 (TP + TN) / (TP + TN + FP + 5 FN)"
    return [Section("Alarms", head, tuple(rows), note)], found


def _qrs(lines: Iterable[tuple[str, list[Figure]]], scores: Mapping[str, RecordScore]) -> Section:
    rows = []
    for name, mine in lines:
        found = defaultdict(lambda: np.nan, {(each.section, each.item): each.value for each in mine})
        counts: tuple[str, ...] = ("", "", "")
        if name in scores:
            matrix = scores[name].beat.matrix
            counts = tuple(str(int(part.sum())) for part in (matrix[:5], matrix[:5, 5:], matrix[5:, :5]))
        rows.append(
            (
                name,
                *counts,
                *(_percent(found["QRS", item], 2) for item in ("Se", "+P", "F1")),
                *(_number(1e3 * found["time", item], ".1f") for item in ("error median", "|error| p95")),
                *(_number(found["time", item], ".2f") for item in ("delay p95", "delay most")),
                _number(1e3 * found["RR", "rms error"], ".1f"),
                _number(found["rate", "rms error"], ".2f"),
            )
        )
    head = ("", "beats", "missed", "invented", "Se %", "+P %", "F1 %", "error ms", "p95 ms", "said p95 s", "most s")
    note = (
        "error: test - reference, median, and the 95th percentile without sign; said: from the beat to when it was "
        "told; RR, rate: rms of the differences of intervals and of heart rates"
    )
    return Section("Beats", (*head, "RR ms", "rate /min"), tuple(rows), note)


def _classes(lines: Iterable[tuple[str, list[Figure]]]) -> Section:
    kinds = ("V", "S", *runs.LENGTHS)
    rows = []
    for name, mine in lines:
        found = {(each.section, each.item): each.value for each in mine}
        cells = [_percent(found.get((kind, item), np.nan)) for kind in kinds for item in ("Se", "+P")]
        if any(cells):
            rows.append((name, *cells))
    head = ("", *(f"{kind.replace(' run', '')} {item}" for kind in kinds for item in ("Se", "+P")))
    note = "runs of ventricular beats: couplet 2, short 3 to 5, long 6 and more; records with paced beats are left out"
    return Section("Ventricular and supraventricular beats, runs, %", head, tuple(rows), note)


def _matrices(scores: Sequence[RecordScore]) -> list[Section]:
    head = ("reference", *ORDER.lower())
    note = "rows: the reference's classes, columns: the test's; o: no beat there; x: none, and no signal could be read"
    out = []
    for score in (gross(scores), *scores):
        if score.classes is not None:
            rows = tuple((letter, *map(str, row)) for letter, row in zip(ORDER, score.classes.tolist(), strict=True))
            title = "Classes, gross" if score.name == "gross" else f"Classes, record {score.name}"
            out.append(Section(title, head, rows, note, detail=score.name != "gross"))
    return out


_EPISODES = ("episodes", "found", "Se %", "said", "right", "+P %", "duration Se %", "duration +P %", "minutes", "said")


def _episodes(whole: RecordScore) -> Section:
    rows = tuple(_episode(kind, score) for kind, score in whole.episodes.items() if score.n_reference or score.n_test)
    return Section(
        "Episodes, gross", ("", *_EPISODES), rows, "any overlap finds an episode, or makes it right" if rows else ""
    )


def _episodes_each(scores: Sequence[RecordScore]) -> Section:
    rows = tuple(
        (score.name, *_episode(kind, one))
        for score in scores
        for kind, one in score.episodes.items()
        if one.n_reference or one.n_test
    )
    return Section("Episodes by record", ("", "", *_EPISODES), rows, detail=True)


def _episode(kind: str, score: episodes.EpisodeScore) -> tuple[str, ...]:
    shares = {item: _percent(part / whole) if whole else "" for item, (part, whole) in episodes.ratios(score).items()}
    return (
        kind,
        str(score.n_reference),
        str(score.n_found),
        shares["Se"],
        str(score.n_test),
        str(score.n_right),
        shares["+P"],
        shares["duration Se"],
        shares["duration +P"],
        f"{score.reference_s / 60:.1f}",
        f"{score.test_s / 60:.1f}",
    )


def _cells(score: RecordScore) -> Iterable[Figure]:
    """List what the matrix of classes holds; Vn is a V of the reference that the test calls N."""
    for (i, j), n in np.ndenumerate(score.beat.matrix):
        if i < O or j < O:
            yield Figure(score.name, "matrix", ORDER[i] + ORDER[j].lower(), float(n), "1", float(n), np.nan)


def _flat(every: Iterable[list[Figure]]) -> Iterable[Figure]:
    return (figure for one in every for figure in one)


def _percent(value: float, digits: int = 1) -> str:
    return _number(100 * value, f".{digits}f")


def _number(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else ""
