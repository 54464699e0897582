"""Tests of Parquet recordings: ours, and anybody's tables."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitalcore.errors import ReadError
from vitalcore.readers import Hints, parquet, read
from vitalcore.readers.recording import Recording, Track


def recording() -> Recording:
    rng = np.random.default_rng(0)
    ecg = rng.normal(size=(1000, 2))
    ecg[5:9] = np.nan
    ecg[20, 0] = -0.0
    face = rng.normal(size=(30, 204))
    times = np.cumsum(rng.integers(30_000_000, 40_000_000, 30))
    return Recording(
        "p1",
        (
            Track("ecg", "ecg", Fraction(360), ("MLII", "V1"), ecg, "mV"),
            Track("ppg", "ppg", Fraction(1_499_900, 12_821), ("hr",), rng.normal(size=(300, 1)), "NU"),
            Track("face", "face", None, tuple(f"{a}{k}" for k in range(68) for a in "xyz"), face, "", times - times[0]),
        ),
        datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    )


def test_a_recording_comes_back_bit_for_bit(tmp_path: Path) -> None:
    there = recording()
    parquet.write(there, tmp_path / "a.parquet")
    back = read(tmp_path / "a.parquet")
    assert (back.name, back.start) == (there.name, there.start)
    for a, b in zip(there.tracks, back.tracks, strict=True):
        assert (a.stream, a.kind, a.fs_hz, a.channels, a.unit) == (b.stream, b.kind, b.fs_hz, b.channels, b.unit)
        assert a.values.tobytes() == b.values.tobytes()
        assert a.times_ns is None or b.times_ns is None or np.array_equal(a.times_ns, b.times_ns)
        assert (a.times_ns is None) == (b.times_ns is None)


def test_anybodys_table_with_a_time_column_reads(tmp_path: Path) -> None:
    t = np.arange(500) / 250
    pd.DataFrame({"time_s": t, "ECG (uV)": 1000 * np.sin(t)}).to_parquet(tmp_path / "a.parquet")
    track = read(tmp_path / "a.parquet").tracks[0]
    assert (track.kind, track.fs_hz, track.unit) == ("ecg", Fraction(250), "mV")
    assert np.allclose(track.values[:, 0], np.sin(t))


def test_a_time_index_is_a_time_column(tmp_path: Path) -> None:
    index = pd.date_range("2026-01-01", periods=500, freq="8ms", name="time")
    pd.DataFrame({"PLETH": np.arange(500.0)}, index=index).to_parquet(tmp_path / "a.parquet")
    made = read(tmp_path / "a.parquet")
    assert (made.tracks[0].kind, made.tracks[0].fs_hz) == ("ppg", Fraction(125))
    assert made.start == datetime(2026, 1, 1)


def test_a_table_without_a_time_column_takes_the_stated_rate(tmp_path: Path) -> None:
    pd.DataFrame({"II": np.arange(500.0)}).to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", Hints(fs_hz=Fraction(250))).tracks[0].fs_hz == 250
    with pytest.raises(ReadError, match="--fs"):
        read(tmp_path / "a.parquet")


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write(recording(), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ReadError, match="not a Parquet file, or damaged") as caught:
        read(path)
    assert "\n" not in str(caught.value)
