"""Which reader a file needs, and which files a folder or a pattern holds."""

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from vitalcore.errors import ReadError
from vitalcore.readers.kinds import Hints
from vitalcore.readers.recording import Recording

FORMATS = "WFDB (.hea, .dat, .mat), EDF and BDF, CSV and other text tables, Parquet, landmarks (.npz, .csv, .parquet)"
_READERS = {
    ".hea": "wfdb",
    ".edf": "edf",
    ".bdf": "edf",
    ".rec": "edf",
    ".npz": "landmarks",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".log": "csv",
}
_IN_FOLDERS = frozenset(_READERS) - {".txt", ".log", ".rec"}  # those are mostly notes

_RESULTS = {
    f"{name}.parquet" for name in ("beats", "waves", "pulses", "blinks", "features", "events", "alarms", "score")
}


@dataclass(frozen=True)
class Found:
    """Name a file that may be a recording, and whether the user named it or a folder held it."""

    path: Path
    named: bool


def read(path: str | os.PathLike[str], hints: Hints = Hints()) -> Recording:  # noqa: B008 frozen
    """Read a recording; its content and extension tell the format.

    path  : a file; of a WFDB record any of its files, or its name without extension
    hints : what the file can't say

    Errors: ReadError, one line: the path, what is wrong and what to do.
    """
    path = Path(path)
    try:
        reader = _reader(path)
        recording: Recording = import_module(f"vitalcore.readers.{reader}").read(path, hints)
    except PermissionError:
        raise ReadError(f"{path}: no permission to read it") from None
    except IsADirectoryError:
        raise ReadError(f"{path}: a folder, not a file") from None
    except OSError as error:
        raise ReadError(f"{path}: {error.strerror or error}") from None
    except MemoryError:
        raise ReadError(f"{path}: too large for this machine's memory") from None
    if not any(track.n_samples for track in recording.tracks):
        raise ReadError(f"{path}: no samples")
    return recording


def find(paths: Iterable[str | os.PathLike[str]]) -> list[Found]:
    """List the recordings that files, folders (with all below them) and patterns name, each once.

    Errors: ReadError for what doesn't exist, or a folder or pattern without recordings.
    """
    found: dict[Path, Found] = {}
    for name in map(str, paths):
        path = Path(name)
        if path.is_dir():
            inside = _folder(path)
            if not inside:
                raise ReadError(f"{path}: no recordings in this folder; known are {FORMATS}")
            batch = [Found(each, named=False) for each in inside]
        elif path.exists() or _header(path):
            batch = [Found(_header(path) or path, named=True)]
        elif glob.has_magic(name):
            matches = [Path(match) for match in sorted(glob.glob(name, recursive=True))]
            files = [f for m in matches for f in (_folder(m) if m.is_dir() else [_header(m) or m])]
            files = [file for file in files if file.suffix.lower() in _READERS]
            if not files:
                raise ReadError(f"{name}: no recording matches this pattern")
            batch = [Found(file, named=False) for file in files]
        else:
            raise ReadError(f"{path}: no such file or folder")
        for each in batch:
            found.setdefault(each.path.resolve(), each)
    return list(found.values())


def _header(path: Path) -> Path | None:
    """Find the WFDB header that a file, or a name without extension, belongs to."""
    for header in (path if path.suffix == ".hea" else path.with_suffix(".hea"), path.parent / f"{path.name}.hea"):
        if path.suffix.lower() not in (_READERS.keys() - {".hea"}) and header.is_file():
            return header
    return None


def _folder(folder: Path) -> list[Path]:
    from vitalcore.readers.wfdb import segments

    def refuse(error: OSError) -> None:
        raise ReadError(f"{error.filename}: this folder can't be read ({error.strerror})")

    files: list[Path] = []
    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if set(names) >= {"features.parquet", "events.parquet"}:  # results of an earlier run
            names = [name for name in names if name not in _RESULTS]
        shown = [Path(root, name) for name in sorted(names) if name[0] != "."]
        here = [file for file in shown if file.suffix.lower() in _IN_FOLDERS]
        parts = {part for file in here if file.suffix == ".hea" for part in segments(file)}
        files += [file for file in here if not (file.suffix == ".hea" and file.stem in parts)]
    return files


def _reader(path: Path) -> str:
    if path.is_dir():
        raise ReadError(f"{path}: a folder, not a file")
    header = _header(path)
    if header is not None and path.suffix != ".hea":
        return "wfdb"
    if not path.exists():
        raise ReadError(f"{path}: no such file")
    if not path.is_file():
        raise ReadError(f"{path}: not a regular file")
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise ReadError(f"{path}: empty")
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:8] == b"\xffBIOSEMI" or (head[:8] == b"0       " and len(head) >= 256 and head[244:256].strip()):
        return "edf"
    if head[:4] == b"PK\x03\x04" and path.suffix.lower() == ".npz":
        return "landmarks"
    suffix = path.suffix.lower()
    if suffix in (".dat", ".mat"):
        raise ReadError(f"{path}: no header {path.stem}.hea beside it; WFDB data can't be read without")
    reader = _READERS.get(suffix)
    if reader is None:
        raise ReadError(f"{path}: unknown format; known are {FORMATS}")
    return reader
