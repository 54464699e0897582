"""Alarms of the PhysioNet/CinC challenge 2015: was the alarm that a monitor raised at 5:00 a true one?"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vitalcore.errors import ReadError

ALARM_S = 300.0  # when the monitor raised it; nothing later may be used
WINDOW_S = 16.0  # before it: the alarm counts as ours too where its condition held in this window
COST = 5  # of a true alarm that is called false

CODES = {  # what the challenge calls them: our codes
    "Asystole": "asystole",
    "Bradycardia": "extreme_bradycardia",
    "Tachycardia": "extreme_tachycardia",
    "Ventricular_Tachycardia": "ventricular_tachycardia",
    "Ventricular_Flutter_Fib": "ventricular_fibrillation",
}


@dataclass(frozen=True)
class Truth:
    """Hold one alarm of the challenge: the record, its kind (a key of CODES) and whether it is true."""

    record: str
    kind: str
    true: bool


@dataclass(frozen=True)
class Said:
    """Hold one alarm or event of ours: its condition held from begin_s to end_s, and was known at known_s."""

    code: str
    begin_s: float
    end_s: float
    known_s: float


@dataclass(frozen=True)
class AlarmScore:
    """Hold true and false alarms (positives: the true ones), as they were called."""

    tp: int = 0
    fn: int = 0
    fp: int = 0
    tn: int = 0

    def __add__(self, other: "AlarmScore") -> "AlarmScore":
        """Add up."""
        return AlarmScore(self.tp + other.tp, self.fn + other.fn, self.fp + other.fp, self.tn + other.tn)

    @property
    def n(self) -> int:
        """Count the alarms."""
        return self.tp + self.fn + self.fp + self.tn

    @property
    def score(self) -> float:
        """Return the challenge's score, 0 to 100; NaN without alarms."""
        whole = self.tp + self.tn + self.fp + COST * self.fn
        return 100 * (self.tp + self.tn) / whole if whole else float("nan")


def truths(folder: Path) -> list[Truth]:
    """Read the challenge's list of alarms; none where there is no list.

    Errors: ReadError
    """
    file = folder / "ALARMS"
    if not file.is_file():
        return []
    out = []
    for n, line in enumerate(csv.reader(file.read_text().splitlines()), 1):
        if len(line) != 3 or line[1] not in CODES or line[2] not in ("0", "1"):
            raise ReadError(f"{file}: line {n} is not `record,kind,0 or 1` with a kind among {', '.join(CODES)}")
        out.append(Truth(line[0], line[1], line[2] == "1"))
    return out


def answers(file: Path) -> dict[str, bool]:
    """Read the answers of an entry to the challenge: by record, whether the alarm is true.

    Errors: ReadError
    """
    out = {}
    for n, line in enumerate(csv.reader(file.read_text().splitlines()), 1):
        if len(line) != 2 or line[1].strip() not in ("0", "1"):
            raise ReadError(f"{file}: line {n} is not `record,0 or 1`")
        out[line[0]] = line[1].strip() == "1"
    return out


def raised(truth: Truth, said: Iterable[Said], window_s: float = WINDOW_S, alarm_s: float = ALARM_S) -> bool:
    """Tell whether we raise the alarm too, from what was known when the monitor raised it."""
    return any(
        each.code == CODES[truth.kind]
        and each.known_s <= alarm_s
        and each.begin_s <= alarm_s
        and not each.end_s < alarm_s - window_s
        for each in said
    )


def compare(truths: Iterable[Truth], calls: Mapping[str, bool]) -> dict[str, AlarmScore]:
    """Score the calls (by record: is the alarm true?) by kind of alarm; a record without a call is left out."""
    out: dict[str, AlarmScore] = {}
    for truth in truths:
        if truth.record in calls:
            called = calls[truth.record]
            one = AlarmScore(
                tp=truth.true and called,
                fn=truth.true and not called,
                fp=called and not truth.true,
                tn=not called and not truth.true,
            )
            out[truth.kind] = out.get(truth.kind, AlarmScore()) + one
    return out
