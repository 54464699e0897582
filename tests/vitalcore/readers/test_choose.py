"""Tests of which files are recordings, and who reads them."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vitalcore.errors import ReadError
from vitalcore.readers import find, parquet, read
from vitalcore.readers.recording import Recording, Track


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/x.csv", "b/x.csv", "b/c/y.csv", ".hidden/z.csv", "b/.w.csv", "b/notes.txt", "b/r.hea", "b/r.atr"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("time,II\n0,1\n0.004,2\n0.008,3\n")
    return tmp_path


def names(folder: Path, *paths: Path | str) -> list[str]:
    return [str(each.path.relative_to(folder)) for each in find(paths)]


def test_a_folder_is_searched_with_all_below_it(folder: Path) -> None:
    assert names(folder, folder) == ["a/x.csv", "b/r.hea", "b/x.csv", "b/c/y.csv"]


def test_each_file_is_found_once(folder: Path) -> None:
    assert names(folder, folder / "a/x.csv", folder / "a", str(folder / "a/*.csv")) == ["a/x.csv"]


def test_a_file_of_a_record_stands_for_it(folder: Path) -> None:
    assert names(folder, folder / "b/r.atr", folder / "b/r", folder / "b/r.hea") == ["b/r.hea"]


def test_patterns_reach_into_folders(folder: Path) -> None:
    assert names(folder, str(folder / "**/*.csv")) == ["a/x.csv", "b/c/y.csv", "b/x.csv"]


@pytest.mark.parametrize("name", ["nothing", "nothing.csv", "*.edf", "empty"])
def test_what_names_nothing_is_refused(folder: Path, name: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(ReadError, match=r"no such|no recording"):
        find([folder / name])


def test_content_beats_the_extension(tmp_path: Path) -> None:
    made = Recording("r", (Track("ecg", "ecg", Fraction(100), ("II",), np.zeros((9, 1)), "mV"),))
    parquet.write(made, tmp_path / "r.csv")
    assert read(tmp_path / "r.csv").tracks[0].n_samples == 9


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("x.dat", b"\1\2", "no header x.hea"),
        ("x.mat", b"MATLAB 5.0", "no header x.hea"),
        ("x.pdf", b"%PDF", "unknown format"),
        ("x.npz", b"PK", "not an NPZ"),
        ("x.parquet", b"PAR1xxx", "not a Parquet"),
        ("x.edf", b"", "empty"),
    ],
)
def test_wrong_files_are_one_line_with_what_to_do(tmp_path: Path, name: str, content: bytes, match: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ReadError, match=match) as caught:
        read(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


def test_folders_and_devices_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="a folder"):
        read(tmp_path)
    with pytest.raises(ReadError, match="not a regular file"):
        read("/dev/null")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_says_so(folder: Path) -> None:
    (folder / "a/x.csv").chmod(0)
    with pytest.raises(ReadError, match="no permission"):
        read(folder / "a/x.csv")
    (folder / "a").chmod(0)
    with pytest.raises(ReadError, match="can't be read"):
        find([folder])
    (folder / "a").chmod(0o700)
