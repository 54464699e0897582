"""Classes of beats and runs on MIT-BIH, by the rules of EC57, records with paced beats left out.

python -m benchmarks accuracy classes [--each] [--map ec57|research] [--lead first|both] [RECORD ...]
"""

from collections.abc import Sequence

from benchmarks.accuracy import reading
from benchmarks.sidebyside import table
from vitalcore.operators.ecg import Ecg
from vitalcore.scoring import annotations, records
from vitalcore.scoring.beats import ORDER
from vitalcore.scoring.marks import MAPS
from vitalcore.scoring.records import RecordScore, Rules

KINDS = ("V", "S", "couplet", "short run", "long run")
HEAD = ("", *(f"{kind} {item}" for kind in KINDS for item in ("Se", "+P")))
BAR = ("bar", "96", "96", "80", "80", *[""] * 6)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    parser = reading.options(__doc__)
    parser.add_argument("--map", choices=tuple(MAPS), default="ec57")
    parser.add_argument("--lead", choices=("first", "both"), default="both")
    given = parser.parse_args(arguments)
    scores: dict[str, list[RecordScore]] = {}
    for path in reading.progress(reading.records(given.data / "mitdb", given.records), "classes"):
        reference = annotations.read(path, "atr")
        if "/" in reference.symbols:
            continue
        x, fs_hz = reading.signal(path, 1 if given.lead == "first" else None)
        result = reading.analysed(path.name, x, fs_hz, Ecg())
        for when, final in (("said with the beat", False), ("said last", True)):
            test = reading.marks(path.name, result, final)
            scores.setdefault(when, []).append(records.compare(reference, test, Rules(given.map), told=True))
    if not scores:
        return
    print(f"class map: {MAPS[given.map][0]}")
    whole = {when: records.gross(many) for when, many in scores.items()}
    each = [row(f"{score.name}, {when}", score) for when, many in scores.items() for score in many]
    rows = [*(each if given.each else []), *(row(when, score) for when, score in whole.items()), BAR]
    n = len(scores["said last"])
    title = f"Classes, MIT-BIH, {n} records without paced beats, {given.lead} lead(s), first 5 min skipped, gross, %"
    table(title, HEAD, rows)
    letters = [f"{letter} of the reference" for letter in ORDER]
    cells = [(name, *line.tolist()) for name, line in zip(letters, whole["said last"].beat.matrix, strict=True)]
    table("Beats by class, said last (o: none there, x: none and no signal)", ("", *ORDER.lower()), cells)


def row(name: str, score: RecordScore) -> tuple[object, ...]:
    """Make a row from a score."""
    found = {(figure.section, figure.item): figure for figure in records.figures(score)}
    cells = []
    for kind in KINDS:
        for item in ("Se", "+P"):
            figure = found.get((kind, item))
            told = figure is not None and figure.whole > 0
            cells.append(f"{100 * figure.value:.1f}" if figure is not None and told else "-")
    return name, *cells
