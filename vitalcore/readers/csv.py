"""Tables as text: comma, semicolon, tab or blank between columns, with or without a header, decimal comma or point."""

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from vitalcore.errors import ReadError
from vitalcore.readers import table
from vitalcore.readers.kinds import Hints
from vitalcore.readers.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

_HEAD = 65_536  # bytes that are looked at to tell how the text is laid out
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)|na|n/a|null|-|", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d\d-\d\d.*|(\d+:)?\d+:\d+([.,]\d+)?|true|false", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_MISSING = ["-", "--", "n/a", "NA", "nan", "NaN", "NAN", "null", ""]


def read(path: Path, hints: Hints = Hints()) -> Recording:  # noqa: B008 frozen
    """Read a text table.

    Errors: ReadError
    """
    frame, header = load(path)
    return table.recording(path, frame, hints, header)


def load(path: Path) -> tuple["pd.DataFrame", bool]:
    """Read the cells, and tell whether the first row was a header.

    Errors: ReadError
    """
    import pandas as pd

    encoding, lines = _head(path)
    skip = 0
    while skip < len(lines) and (not lines[skip].strip() or lines[skip].lstrip()[0] in "#%"):
        skip += 1
    if skip == len(lines):
        raise ReadError(f"{path}: no rows")
    separator, comma = _layout(lines[skip : skip + 50])
    rows = [_cells(line, separator) for line in lines[skip : skip + 3]]
    header = not all(_NUMBER.fullmatch(cell) or _TIME.fullmatch(cell) for cell in rows[0])
    units = []
    if (
        header and len(rows) > 2 and len(rows[1]) == len(rows[0]) and any(map(_NUMBER.fullmatch, rows[2]))
    ):  # as PhysioNet's rdsamp writes: a second row of units
        cells = [cell.strip("'\"[]() ") for cell in rows[1]]
        if not any(_NUMBER.fullmatch(cell) or _TIME.fullmatch(cell) for cell in cells):
            units = cells
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            frame = pd.read_csv(
                path,
                sep=separator if separator != " " else r"\s+",
                decimal="," if comma else ".",
                header=None,
                skiprows=skip + header + bool(units),
                names=None if not header else range(len(rows[0])),
                index_col=False,
                skipinitialspace=True,
                skip_blank_lines=True,
                comment=None,
                na_values=_MISSING,
                encoding=encoding,
                low_memory=False,
                float_precision="round_trip",  # exact, and safe where the usual one overruns on a damaged exponent
            )
    except pd.errors.EmptyDataError:
        raise ReadError(f"{path}: a header but no rows") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise ReadError(f"{path}: not a table of text ({reason})") from None
    if comma:  # columns with a word in them are still text
        for k in range(frame.shape[1]):
            if not pd.api.types.is_numeric_dtype(frame.dtypes.iloc[k]):
                frame.isetitem(k, [cell.replace(",", ".") for cell in frame.iloc[:, k].astype(str)])
    names = [cell.strip("'\" ") for cell in rows[0]] if header else [str(k) for k in range(1, frame.shape[1] + 1)]
    frame.columns = pd.Index([f"{n} [{u}]" if u else n for n, u in zip(names, units or [""] * len(names), strict=True)])
    return frame, header


def _head(path: Path) -> tuple[str, list[str]]:
    with path.open("rb") as file:
        raw = file.read(_HEAD)
    whole = len(raw) < _HEAD
    encoding = "utf-8-sig"
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
        raw = raw[: len(raw) // 2 * 2]
    elif b"\0" in raw:
        raise ReadError(f"{path}: binary, not a table of text; WFDB data need their .hea file beside them")
    try:
        text = raw.decode(encoding) if whole else raw[: raw.rfind(b"\n") + 1 or None].decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
        text = raw.decode(encoding)
    if not text.strip():
        raise ReadError(f"{path}: no rows")
    if sum(not (c.isprintable() or c in "\r\n\t") for c in text) > 0.01 * len(text):
        raise ReadError(f"{path}: binary, not a table of text")
    lines = text.splitlines()
    return encoding, lines if whole else lines[:-1] or lines


def _layout(lines: list[str]) -> tuple[str, bool]:
    """Tell the separator and whether numbers have a decimal comma."""
    lines = [line for line in lines if line.strip()]
    body = lines[1:] or lines
    for separator in ";\t":
        if all(separator in line for line in body):
            cells = [cell for line in body for cell in _cells(line, separator)]
            commas = any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)
            return separator, commas and not any(re.fullmatch(r"[+-]?\d+\.\d+", cell) for cell in cells)
    if any("," in line for line in body):
        single = "," not in lines[0] and not _NUMBER.fullmatch(lines[0].strip()) and len(lines) > 1
        return (";", True) if single and all(_DECIMAL_COMMA.fullmatch(line.strip()) for line in body) else (",", False)
    if all(re.search(r"\S\s+\S", line) and all(_NUMBER.fullmatch(c) for c in line.split()) for line in body):
        return " ", False
    return ",", False


def _cells(line: str, separator: str) -> list[str]:
    parts = line.split() if separator == " " else line.split(separator)
    return [part.strip().strip('"').strip() for part in parts]
