"""Tests of reading what `vitalcore analyze` wrote."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitalcore.analyze import analyze
from vitalcore.errors import ReadError
from vitalcore.fixtures.recordings import ecg, heart
from vitalcore.readers.recording import Recording
from vitalcore.results import tables
from vitalcore.scoring import results
from vitalcore.scoring.alarms import Said

BEATS = {"stream": ["ecg", "ecg", "ppg"], "t_s": [2.0, 1.0, 0.5], "t_known_s": [2.3, 1.3, 0.6], "class": ["V", "", "N"]}
EVENTS = {
    "stream": ["ecg", "ecg", "ecg"],
    "code": ["atrial_fibrillation", "no_usable_signal", "sinus_rhythm"],
    "t_onset_s": [1.0, 5.0, 0.0],
    "t_end_s": [np.nan, 6.0, 1.0],
}


def columns(table: Mapping[str, object]) -> results.Columns:
    return results.columns(pa.table(table))


def test_what_analyze_writes_is_read(tmp_path: Path) -> None:
    tables.write(analyze(Recording("r", (ecg(heart(30)),))), tmp_path / "r")
    found = results.read(tmp_path / "r")
    assert found.name == "r"
    assert len(found.t_s) >= 34
    assert np.all(np.diff(found.t_s) > 0)
    assert found.t_known_s is not None
    assert np.all(found.t_known_s >= found.t_s)
    assert found.rate is not None
    assert np.nanmedian(found.rate[1]) == pytest.approx(72, abs=1)


def test_beats_are_those_of_the_stream_in_order_of_time() -> None:
    found = results.marks("r", columns(BEATS))
    assert found.t_s.tolist() == [1.0, 2.0]
    assert found.symbols.tolist() == ["?", "V"]


def test_events_become_episodes_and_an_unusable_signal_shutdown() -> None:
    found = results.marks("r", columns(BEATS), columns(EVENTS))
    assert found.episodes["AF"] == ((1.0, float("inf")),)
    assert found.shutdown == ((5.0, 6.0),)


def test_a_stream_that_isnt_there_is_refused_and_those_that_are_named() -> None:
    with pytest.raises(ReadError, match="no beats of a stream ecg-2; there are ecg, ppg"):
        results.marks("r", columns(BEATS), stream="ecg-2")


def test_final_classes_replace_those_said_with_the_beat_where_there_are_any() -> None:
    waves = {"stream": ["ecg", "ecg", "ppg"], "t_s": [1.0, 2.0005, 1.0], "class": ["S", "", "F"]}
    found = results.finally_classed(results.marks("r", columns(BEATS)), columns(waves))
    assert found.symbols.tolist() == ["S", "V"]
    none = results.finally_classed(found, columns({"stream": [], "t_s": [], "class": []}))
    assert none.symbols.tolist() == ["S", "V"]


def test_alarms_hold_from_condition_to_end() -> None:
    rows = {"code": ["asystole"], "t_condition_s": [4.0], "t_end_s": [np.nan], "t_decided_s": [4.5]}
    assert results.alarms(columns(rows)) == [Said("asystole", 4.0, float("inf"), 4.5)]


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"no beats\.parquet"):
        results.read(tmp_path)
    (tmp_path / "beats.parquet").write_bytes(b"PAR1")
    with pytest.raises(ReadError, match="can't be read"):
        results.read(tmp_path)
    pq.write_table(pa.table(BEATS), tmp_path / "beats.parquet")
    assert len(results.read(tmp_path).t_s) == 2
