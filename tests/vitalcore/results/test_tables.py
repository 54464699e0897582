"""Tests of the tables of a recording."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from vitalcore.analyze import analyze
from vitalcore.errors import VitalcoreError
from vitalcore.fixtures.ecg import ec13
from vitalcore.fixtures.recordings import FS, ear, ecg, heart, ppg, pulses
from vitalcore.readers.recording import Recording, Track
from vitalcore.results import tables

PROMISED = {
    "stream": "string",
    "channel": "string",
    "sample_index": "int64",
    "t_s": "double",
    "t_known_s": "double",
    "class": "string",
    "quality": "float",
}


def test_pulses_have_the_promised_columns_and_types(tmp_path: Path) -> None:
    tables.write(analyze(Recording("r", (ppg(pulses()),))), tmp_path)
    schema = pq.read_schema(tmp_path / "pulses.parquet")
    assert {name: str(schema.field(name).type) for name in PROMISED} == PROMISED
    features = pq.read_table(tmp_path / "features.parquet")
    assert {"stream", "t_s", "code", "value", "unit", "quality", "method"} <= set(features.column_names)
    assert {"stream", "code", "t_onset_s", "t_end_s", "t_known_s", "evidence"} <= set(
        pq.read_schema(tmp_path / "events.parquet").names
    )


def test_times_are_seconds_and_indices_the_nearest_sample() -> None:
    made = tables.tables(analyze(Recording("r", (ppg(pulses()),))))["pulses"].to_pandas()
    assert (made.stream == "ppg").all()
    assert (made.channel == "PLETH").all()
    assert np.abs(made.t_s * float(FS) - made.sample_index).max() <= 0.5 + 1e-9
    assert made.t_s.is_monotonic_increasing
    assert (made.t_known_s >= made.t_s).all()
    assert (made.foot_s < made.t_s)[1:].all()
    assert np.allclose(np.diff(made.t_s), made.interval_s[1:], atol=1e-9)
    assert np.isnan(made.interval_s[0])


def test_features_say_name_unit_and_method() -> None:
    made = tables.tables(analyze(Recording("r", (ppg(pulses()),))))["features"].to_pandas()
    rate = made[made.code == "pulse_rate"]
    assert set(rate.unit) == {"/min"}
    assert np.array_equal(rate.t_s, np.arange(1, len(rate) + 1))
    assert rate.method.str.contains("Ppg").all()
    assert rate[rate.value.isna()].reasons.str.len().gt(0).all()


def test_a_flat_signal_gives_empty_tables_with_their_columns(tmp_path: Path) -> None:
    tables.write(analyze(Recording("r", (ppg(np.ones(5000)),))), tmp_path)
    made = pq.read_table(tmp_path / "pulses.parquet")
    assert made.num_rows == 0
    assert set(PROMISED) <= set(made.column_names)
    assert not (tmp_path / "blinks.parquet").exists()


def test_evidence_is_a_range_of_samples() -> None:
    x = pulses(60)
    x[2500:5000] = 1.0
    made = tables.tables(analyze(Recording("r", (ppg(x),))))["events"].to_pandas()
    assert len(made)
    first, last = made.evidence[0]
    assert 0 <= first <= last < len(x)


def test_tables_of_an_earlier_run_go_and_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "blinks.parquet").write_bytes(b"old")
    (tmp_path / "notes.txt").write_text("mine")
    written = tables.write(analyze(Recording("r", (ppg(pulses(20)),))), tmp_path)
    names = ["alarms.parquet", "events.parquet", "features.parquet", "pulses.parquet"]
    assert sorted(path.name for path in written) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "alarms.parquet",
        "events.parquet",
        "features.parquet",
        "notes.txt",
        "pulses.parquet",
    ]


def test_a_folder_that_cant_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VitalcoreError, match="can't be written"):
        tables.write(analyze(Recording("r", (ppg(pulses(20)),))), tmp_path / "file")


def test_blinks_have_a_side_and_the_promised_columns() -> None:
    track, apex = ear()
    made = tables.tables(analyze(Recording("r", (track,))))["blinks"].to_pandas()
    assert set(PROMISED) <= set(made.columns)
    assert made.groupby("channel").size().to_dict() == {"left": len(apex), "right": len(apex)}
    assert set(made["class"]) <= {"C", "P"}
    assert (made.onset_s < made.t_s).all()
    assert (made.t_s < made.end_s).all()
    assert track.times_ns is not None
    assert np.abs(track.times_ns[made.sample_index] / 1e9 - made.t_s).max() < 0.02


def test_beats_have_the_promised_columns_and_know_their_lead() -> None:
    made = tables.tables(analyze(Recording("r", (ecg(heart(30)),))))["beats"].to_pandas()
    assert set(PROMISED) <= set(made.columns)
    assert set(made.channel) == {"II"}
    assert np.allclose(made.rr_s[2:], 60 / 72, atol=0.01)


def test_classes_are_letters() -> None:
    assert tables.letters(np.array([78.0, 86.0, np.nan, 0.0])) == ["N", "V", "", ""]


def test_alarms_are_there_once_each_with_their_delays_readable() -> None:
    x = heart(60, 130)
    x[7500:10000] = 0.0
    made = tables.tables(analyze(Recording("r", (ecg(x),))))["alarms"].to_pandas()
    assert list(made.code[:2]) == ["heart_rate_high", "no_usable_signal"]
    fast, lost = made.iloc[0], made.iloc[1]
    assert (fast.priority, fast.state, fast.limit, fast.latching) == ("medium", "ended", 120, False)
    assert fast.measured == pytest.approx(130, abs=1)
    assert 2.5 <= fast.t_decided_s - fast.t_condition_s <= 3.1
    assert "suppressed" in fast.reasons
    assert "lead_off" in lost.reasons
    assert 30 <= lost.t_condition_s <= 35
    assert lost.t_decided_s <= 40
    assert lost.t_end_s == pytest.approx(40, abs=1.1)
    assert made.t_decided_s.is_monotonic_increasing


def test_waves_have_one_row_a_beat_and_lead_with_intervals_and_qtc() -> None:
    made = tables.tables(analyze(Recording("r", (ecg(heart(30)),))))
    waves, beats = made["waves"].to_pandas(), made["beats"].to_pandas()
    assert len(beats) - 2 <= len(waves) <= len(beats)
    assert set(waves.channel) == {"II"}
    sure = waves.dropna()
    assert len(sure) > 0.8 * len(waves)
    assert (sure.p_on_s < sure.p_peak_s).all()
    assert (sure.qrs_off_s < sure.t_peak_s).all()
    np.testing.assert_allclose(sure.qt_s, sure.t_off_s - sure.qrs_on_s)
    np.testing.assert_allclose(sure.qtc_bazett_s, sure.qt_s / np.sqrt(sure.rr_s))
    assert np.abs(sure.st_60).max() < 0.1


def test_pacemaker_pulses_have_a_table_of_their_own_and_are_no_beats() -> None:
    x = ec13.paced(500, 70, 20, 5.0, 0.002).x
    track = Track("ecg", "ecg", Fraction(500), ("II",), x[:, None], "mV")
    made = tables.tables(analyze(Recording("r", (track,))))
    n_pulses, n_beats = made["pacer_pulses"].num_rows, made["beats"].num_rows
    assert 20 <= n_beats <= n_pulses <= 24
    assert 2.5 <= np.median(made["pacer_pulses"]["amplitude"]) <= 5.1  # of 5 mV a sample sees its part of the pulse
