"""Codes with their names, standard codings, units and texts, from `codes.csv`."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Code:
    """One code: what kernels say as a number, by its name and in the words of others.

    kind : beat, feature, event or reason
    id   : the kernels' number; of a reason, its bit
    ucum : unit of a feature's value
    """

    kind: str
    id: int
    name: str
    mdc_ref: str
    mdc: str
    loinc: str
    ucum: str
    en: str
    de: str
    note: str


@cache
def codes() -> tuple[Code, ...]:
    """List all codes in the catalogue's order."""
    with files("vitalcore").joinpath("codes.csv").open(encoding="utf-8") as lines:
        return tuple(Code(id=int(row.pop("id")), **row) for row in csv.DictReader(lines))


@cache
def by_id() -> dict[int, Code]:
    """Map the numbers of beats, features and events to their codes."""
    return {code.id: code for code in codes() if code.kind != "reason"}


@cache
def by_name() -> dict[str, Code]:
    """Map names to codes."""
    return {code.name: code for code in codes()}


@cache
def reasons(bits: int) -> tuple[str, ...]:
    """Name the reasons in a set of bits."""
    return tuple(code.name for code in codes() if code.kind == "reason" and bits >> code.id & 1)
