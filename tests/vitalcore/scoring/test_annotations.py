"""Tests of reading WFDB annotations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitalcore.errors import ReadError
from vitalcore.scoring import annotations

INF = float("inf")


def write(folder: Path, notes: list[tuple[int, str, str, int]], fs_hz: float | None = 100) -> Path:
    import wfdb

    samples, symbols, texts, subtypes = zip(*notes, strict=True)
    made: dict[str, Any] = {"aux_note": list(texts), "subtype": np.array(subtypes), "write_dir": str(folder)}
    wfdb.wrann("r", "atr", np.array(samples), list(symbols), fs=fs_hz, **made)
    return folder / "r"


def test_beats_are_those_symbols_that_mark_a_beat(tmp_path: Path) -> None:
    notes = [(50, "+", "(N", 0), (100, "N", "", 0), (150, "~", "", 0), (200, "V", "", 0), (250, "|", "", 0)]
    found = annotations.read(write(tmp_path, notes), "atr")
    assert found.t_s.tolist() == [1.0, 2.0]
    assert found.symbols.tolist() == ["N", "V"]


def test_a_rhythm_lasts_until_the_next_and_the_last_without_end(tmp_path: Path) -> None:
    notes = [(100, "+", "(AFIB", 0), (150, '"', "a note", 0), (300, "+", "(N", 0), (400, "+", "(VT", 0)]
    found = annotations.read(write(tmp_path, notes), "atr")
    assert found.episodes == {"AF": ((1.0, 3.0),), "VT": ((4.0, INF),)}


def test_fibrillation_between_its_marks_is_an_episode_and_not_counted(tmp_path: Path) -> None:
    notes = [(100, "[", "", 0), (110, "+", "(VFL", 0), (120, "!", "", 0), (300, "]", "", 0), (310, "+", "(N", 0)]
    found = annotations.read(write(tmp_path, notes), "atr")
    assert found.uncounted == ((1.0, 3.0),)
    assert found.episodes["VF"] == ((1.0, 3.1),)


@pytest.mark.parametrize(
    ("marks", "wanted"), [("]", ((0.0, 1.0),)), ("[", ((1.0, INF),)), ("[]", ((1.0, 2.0),)), ("N", ())]
)
def test_fibrillation_may_begin_or_end_outside_the_record(tmp_path: Path, marks: str, wanted: Any) -> None:
    notes = [(100 * (k + 1), mark, "", 0) for k, mark in enumerate(marks)]
    assert annotations.read(write(tmp_path, notes), "atr").uncounted == wanted


def test_shutdown_lasts_until_a_mark_ends_it_or_stands_for_all_between_its_neighbours(tmp_path: Path) -> None:
    ended = [(100, "N", "", 0), (200, "~", "", 0x30), (400, "~", "", 0), (500, "N", "", 0)]
    assert annotations.read(write(tmp_path, ended), "atr").shutdown == ((2.0, 4.0),)
    alone = [(100, "N", "", 0), (200, "~", "", 0x30), (500, "N", "", 0)]
    assert annotations.read(write(tmp_path, alone), "atr").shutdown == ((1.15, 4.85),)
    one_lead = [(100, "N", "", 0), (200, "~", "", 0x10), (500, "N", "", 0)]
    assert annotations.read(write(tmp_path, one_lead), "atr").shutdown == ()


def test_what_cant_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"r\.atr: no such file"):
        annotations.read(tmp_path / "r", "atr")
    (tmp_path / "r.atr").write_bytes(b"no annotations at all, but text")
    with pytest.raises(ReadError, match=r"r\.atr"):
        annotations.read(tmp_path / "r", "atr")
    write(tmp_path, [(100, "N", "", 0)], fs_hz=None)
    with pytest.raises(ReadError, match="its rate is not known"):
        annotations.read(tmp_path / "r", "atr")
    assert annotations.read(tmp_path / "r", "atr", 250).t_s.tolist() == [0.4]


def test_a_real_record_has_its_flutter(data: Path) -> None:
    found = annotations.read(data / "mitdb" / "207", "atr")
    assert len(found.uncounted) == 6
    assert len(found.t_s) == 1860
    assert sum(end - begin for begin, end in found.uncounted) == pytest.approx(143.6, abs=1)
