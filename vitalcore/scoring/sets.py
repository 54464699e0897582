"""A folder of results against a folder of references: which belong together, and what comes of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitalcore.errors import ReadError
from vitalcore.scoring import alarms, annotations, records, report, results, waves
from vitalcore.scoring.marks import MAPS, Marks
from vitalcore.scoring.records import Rules
from vitalcore.scoring.report import Report
from vitalcore.scoring.waves import Delineation, PointScore
from vitalcore.version import version

LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")  # extensions of LUDB's files
_CLASSES = {False: "as said with the beat", True: "as said last, once a beat's waves were known"}
_ANSWERS = "answers.txt"  # of an entry to the challenge: record,0 or 1

Advance = Callable[[str, int, int], None]  # name of the record that is next, how many are done, how many there are


@dataclass(frozen=True)
class Sources:
    """Say where results and references are, and how they are read.

    reference_ext : of the reference annotations
    results_ext   : of the annotations of a detector; None: the results are those of `vitalcore analyze`
    stream        : which ECG of a recording
    final         : classes as said last, once a beat's waves were known; else as said with the beat
    window_s      : before the challenge's alarm
    """

    results: Path
    reference: Path
    reference_ext: str = "atr"
    results_ext: str | None = None
    stream: str = "ecg"
    final: bool = False
    rules: Rules = field(default_factory=Rules)
    alarm_window_s: float = alarms.WINDOW_S


def score(sources: Sources, advance: Advance = lambda name, done, total: None) -> Report:
    """Compare all that belongs together: beats, or LUDB's delineations, or the alarms of CinC 2015.

    Errors: ReadError where a folder holds nothing to compare, or no names are the same in both.
    """
    for folder in (sources.results, sources.reference):
        if not folder.is_dir():
            raise ReadError(f"{folder}: no such folder")
    if (sources.reference / "ALARMS").is_file():
        return _alarms(sources, advance)
    asked = (sources.reference_ext,) if sources.reference_ext in LEADS else LEADS
    marked = {} if len(asked) == 1 else _by_name(sources.reference, sources.reference_ext)
    if marked:
        return _beats(sources, marked, advance)
    leads = {lead: _by_name(sources.reference, lead) for lead in asked}
    if any(leads.values()):
        return _waves(sources, leads, advance)
    there = sorted({path.suffix[1:] for path in sources.reference.rglob("*.*") if path.is_file()})
    raise ReadError(
        f"{sources.reference}: no annotations .{sources.reference_ext}, no delineations as LUDB has them, no ALARMS; "
        f"files there end in {', '.join(there[:12]) or 'nothing'}; --ext names the extension of annotations"
    )


def _beats(sources: Sources, marked: dict[str, Path], advance: Advance) -> Report:
    tests, read = _tests(sources)
    both, left_out = _match(sources, marked, tests)
    pairs: list[tuple[Marks, Marks, float]] = []
    for k, name in enumerate(both):
        advance(name, k, len(both))
        path = marked[name]
        try:
            duration_s = _header(path)[1]
            reference = _marked(annotations.read(path, sources.reference_ext), duration_s, sources.rules)
            pairs.append((reference, read(tests[name], path), duration_s))
        except ReadError as error:
            left_out.append(str(error))
    if not pairs:
        raise ReadError(f"nothing could be compared: {'; '.join(left_out)}")
    told = any(records.tells_classes(test) for _, test, _ in pairs)
    scores = [records.compare(theirs, ours, sources.rules, duration_s, told) for theirs, ours, duration_s in pairs]
    sections, figures = report.of_beats(scores)
    rules = sources.rules
    return Report(
        "Beat by beat",
        (
            *_common(sources, [each.name for each in scores]),
            ("pairing", f"within {1e3 * rules.window_s:g} ms, as ANSI/AAMI EC57 with the amendment of 2002"),
            (
                "period",
                f"from {rules.skip_s:g} s to {'the end' if rules.end_s == float('inf') else f'{rules.end_s:g} s'}",
            ),
            ("left out", "ventricular fibrillation between the marks [ and ]"),
            *(() if sources.results_ext else (("classes", _CLASSES[sources.final]),)),
            ("class map", f"{rules.class_map}: {MAPS[rules.class_map][0]}"),
        ),
        tuple(sections),
        tuple(figures),
        tuple(left_out),
    )


def _marked(reference: Marks, duration_s: float, rules: Rules) -> Marks:
    """Refuse a reference that marks nothing after the learning period."""
    ends = [end for spans in reference.episodes.values() for _, end in spans]
    if min(max((*reference.t_s[-1:].tolist(), *ends), default=0.0), duration_s) <= rules.skip_s:
        what = (
            f"nothing is marked after the first {rules.skip_s:g} s; --skip 0 compares all" if rules.skip_s else "empty"
        )
        raise ReadError(f"{reference.name}: {what}")
    return reference


def _waves(sources: Sources, leads: dict[str, dict[str, Path]], advance: Advance) -> Report:
    marked = {name: path for lead in leads.values() for name, path in lead.items()}
    tests, _ = _tests(sources, "waves")
    both, left_out = _match(sources, marked, tests)
    scores: dict[tuple[str, str], Mapping[str, PointScore]] = {}
    for k, name in enumerate(both):
        advance(name, k, len(both))
        fs_hz, lacking = _header(marked[name])[0], []
        try:
            for lead, here in leads.items():
                if name not in here:
                    continue
                test = _delineated(sources, tests[name], lead, fs_hz)
                if test is None:
                    lacking.append(lead)
                    continue
                reference = waves.read(here[name], lead, fs_hz)
                scores[name, lead] = waves.compare(reference, test, sources.rules.window_s)
        except ReadError as error:
            left_out.append(str(error))
        if lacking:
            left_out.append(f"{name}: no results of lead {', '.join(lacking)}")
    if not scores:
        raise ReadError(f"nothing could be compared: {'; '.join(left_out)}")
    sections, figures = report.of_waves(scores)
    return Report(
        "Delineation",
        (
            *_common(sources, list(dict.fromkeys(name for name, _ in scores))),
            ("pairing", f"each kind of point within {1e3 * sources.rules.window_s:g} ms, as beats by ANSI/AAMI EC57"),
            ("period", "what people marked: from the first mark of a lead to its last"),
        ),
        tuple(sections),
        tuple(figures),
        tuple(left_out),
    )


def _delineated(sources: Sources, test: Path, lead: str, fs_hz: float | None) -> Delineation | None:
    if sources.results_ext is None:
        return results.waves(test, lead, sources.stream)
    extension = lead if sources.results_ext == "LEAD" else sources.results_ext
    return waves.read(test, extension, fs_hz) if test.with_name(f"{test.name}.{extension}").is_file() else None


def _alarms(sources: Sources, advance: Advance) -> Report:
    truths = {truth.record: truth for truth in alarms.truths(sources.reference)}
    answers = sources.results / _ANSWERS
    if answers.is_file():
        calls = alarms.answers(answers)
        both, left_out = _match(sources, truths, calls)
    else:
        tests, _ = _tests(sources, "alarms")
        both, left_out = _match(sources, truths, tests)
        calls = {}
        for k, name in enumerate(both):
            advance(name, k, len(both))
            table = results.table(tests[name], "alarms")
            if table is None:
                left_out.append(f"{tests[name]}: no alarms.parquet")
                continue
            calls[name] = alarms.raised(truths[name], results.alarms(table), sources.alarm_window_s)
    if not calls:
        raise ReadError(f"nothing could be compared: {'; '.join(left_out)}")
    sections, figures = report.of_alarms(alarms.compare(truths.values(), calls))
    window = f"known by {alarms.ALARM_S:g} s, and held within {sources.alarm_window_s:g} s before"
    return Report(
        "Alarms of the PhysioNet/CinC challenge 2015",
        (
            *_common(sources, [name for name in both if name in calls]),
            ("called true", "as answers.txt says" if answers.is_file() else window),
        ),
        tuple(sections),
        tuple(figures),
        tuple(left_out),
    )


def _tests(sources: Sources, table: str = "beats") -> tuple[dict[str, Path], Callable[[Path, Path], Marks]]:
    """Find the results by the names of their recordings, and how they are read."""
    extension, folder = sources.results_ext, sources.results
    if extension is not None:
        named = LEADS if extension == "LEAD" else (extension,)
        found = {name: path for each in named for name, path in _by_name(folder, each).items()}
        if not found:
            raise ReadError(f"{folder}: no annotations .{extension}")
        return found, lambda test, reference: annotations.read(test, str(extension), _header(reference)[0])
    tables = sorted(path.parent for path in folder.rglob(f"{table}.parquet"))
    if not tables:
        raise ReadError(
            f"{folder}: no results of `vitalcore analyze` with {table}.parquet; for annotations of another detector "
            "name their extension with --results-ext"
        )
    return _once(tables), lambda test, reference: results.read(test, sources.stream, sources.final)


def _match(sources: Sources, references: Iterable[str], tests: Iterable[str]) -> tuple[list[str], list[str]]:
    """List the names that are in both, and the others with what they lack.

    Errors: ReadError where there are none.
    """
    theirs, ours = set(references), set(tests)
    both = sorted(theirs & ours, key=_order)
    if not both:
        raise ReadError(
            f"no recording has the same name in both: {sources.results} has {_few(ours)}; "
            f"{sources.reference} has {_few(theirs)}"
        )
    left_out = []
    for what, lacking in (("reference", ours - theirs), ("results", theirs - ours)):
        if lacking:
            left_out.append(f"no {what} of this name: {', '.join(sorted(lacking, key=_order))}")
    return both, left_out


def _by_name(folder: Path, extension: str) -> dict[str, Path]:
    return _once(path.with_suffix("") for path in sorted(folder.rglob(f"*.{extension}")))


def _once(paths: Iterable[Path]) -> dict[str, Path]:
    """Put paths under their names.

    Errors: ReadError where two have one name
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.name in found:
            raise ReadError(f"{found[path.name]} and {path}: two of one name; compare their folders one by one")
        found[path.name] = path
    return found


def _order(name: str) -> tuple[Any, ...]:
    return (0, int(name), "") if name.isdigit() else (1, 0, name)


def _few(names: set[str]) -> str:
    shown = sorted(names, key=_order)[:6]
    return ", ".join(shown) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _header(path: Path) -> tuple[float | None, float]:
    """Tell the rate and the duration in s by the header beside an annotation file; None and endless without one."""
    import wfdb

    if not path.with_name(f"{path.name}.hea").is_file():
        return None, float("inf")
    try:
        header = wfdb.rdheader(str(path))
    except Exception as error:  # whatever wfdb meets in a damaged file
        raise ReadError(f"{path}.hea: damaged ({type(error).__name__})") from None
    return float(header.fs), header.sig_len / header.fs if header.sig_len else float("inf")


def _common(sources: Sources, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    made_by = f"annotations .{sources.results_ext}" if sources.results_ext else "vitalcore analyze"
    return (
        ("results", f"{sources.results} ({made_by})"),
        ("reference", str(sources.reference)),
        ("recordings", f"{len(names)}: {', '.join(names)}"),
        ("compared by", f"vitalcore {version()}"),
    )
