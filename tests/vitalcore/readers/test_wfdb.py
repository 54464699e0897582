"""Tests of WFDB records, written by the wfdb package itself."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb

from vitalcore.errors import ReadError
from vitalcore.readers import Hints, read


def write(folder: Path, name: str = "r1", **changes: Any) -> tuple[Path, np.ndarray]:
    x = np.round(np.random.default_rng(0).normal(size=(1000, 2)), 3)
    x[100:120, 0] = np.nan
    given = {"units": ["mV", "NU"], "sig_name": ["MLII", "PLETH"], "fmt": ["16", "16"], "p_signal": x, "fs": 250}
    wfdb.wrsamp(name, **(given | changes), write_dir=str(folder))
    return folder / f"{name}.hea", x


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat"])
def test_any_file_of_a_record_names_it(tmp_path: Path, suffix: str) -> None:
    _, x = write(tmp_path)
    made = read(tmp_path / f"r1{suffix}")
    assert made.name == "r1"
    assert [(t.stream, t.fs_hz, t.unit) for t in made.tracks] == [
        ("ecg", Fraction(250), "mV"),
        ("ppg", Fraction(250), "NU"),
    ]
    assert np.allclose(made.tracks[0].values[:, 0], x[:, 0], atol=1e-3, equal_nan=True)


def test_invalid_samples_are_missing(tmp_path: Path) -> None:
    header, _ = write(tmp_path)
    assert np.flatnonzero(np.isnan(read(header).tracks[0].values[:, 0])).tolist() == list(range(100, 120))


def test_microvolts_become_millivolts(tmp_path: Path) -> None:
    header, x = write(tmp_path, units=["uV", "NU"])
    track = read(header).tracks[0]
    assert track.unit == "mV"
    assert np.allclose(track.values[:, 0] * 1000, x[:, 0], atol=1e-3, equal_nan=True)


def test_signals_with_several_samples_a_frame_keep_their_rates(tmp_path: Path) -> None:
    fast, slow = np.round(np.sin(np.arange(4000) / 9), 3), np.round(np.cos(np.arange(1000) / 9), 3)
    wfdb.wrsamp(
        "multi", fs=Fraction(125, 2).__float__(), units=["mV", "NU"], sig_name=["II", "RESP"], fmt=["16", "16"],
        e_p_signal=[fast, slow], samps_per_frame=[4, 1], write_dir=str(tmp_path),
    )  # fmt: skip
    made = read(tmp_path / "multi")
    assert [(t.kind, t.fs_hz, t.n_samples) for t in made.tracks] == [
        ("ecg", 250, 4000),
        ("resp", Fraction(125, 2), 1000),
    ]
    assert np.allclose(made.tracks[0].values[:, 0], fast, atol=1e-3)


def test_a_cut_signal_file_is_refused(tmp_path: Path) -> None:
    header, _ = write(tmp_path)
    data = tmp_path / "r1.dat"
    data.write_bytes(data.read_bytes()[:1999])
    with pytest.raises(ReadError, match=r"r1\.hea: a file of it is cut or damaged"):
        read(header)


def test_a_missing_signal_file_is_named(tmp_path: Path) -> None:
    header, _ = write(tmp_path)
    (tmp_path / "r1.dat").unlink()
    with pytest.raises(ReadError, match=r"its signal file r1\.dat is missing"):
        read(header)


@pytest.mark.parametrize("text", ["r1", "r1 x y z", "r1 2 250 1000\nr1.dat", "\0\0\0", "r1 0 250 0\n"])
def test_a_damaged_header_is_one_line(tmp_path: Path, text: str) -> None:
    header, _ = write(tmp_path)
    header.write_text(text)
    with pytest.raises(ReadError) as caught:
        read(header)
    assert "\n" not in str(caught.value)
    assert "r1.hea" in str(caught.value)


def test_a_stated_rate_that_contradicts_the_header_is_refused(tmp_path: Path) -> None:
    header, _ = write(tmp_path)
    assert read(header, Hints(fs_hz=Fraction(250))).tracks[0].fs_hz == 250
    with pytest.raises(ReadError, match="--fs says 360 Hz, its header 250 Hz"):
        read(header, Hints(fs_hz=Fraction(360)))


def test_segments_of_a_record_are_not_records_of_their_own(tmp_path: Path) -> None:
    from vitalcore.readers import find

    for part in ("s_0001", "s_0002"):
        write(tmp_path, part)
    (tmp_path / "s.hea").write_text("s/2 2 250 2000\ns_0001 1000\ns_0002 1000\n")
    assert [each.path.name for each in find([tmp_path])] == ["s.hea"]
    assert read(tmp_path / "s.hea").tracks[0].n_samples == 2000


def test_real_records_read_as_what_they_are(data: Path) -> None:
    mitdb = read(data / "mitdb" / "208")
    assert [(t.stream, t.channels, t.fs_hz, t.n_samples) for t in mitdb.tracks] == [
        ("ecg", ("MLII", "V1"), Fraction(360), 650_000)
    ]
    twelve = read(data / "ludb" / "1.hea")
    assert len(twelve.tracks[0].channels) == 12
    matlab = read(data / "cinc2015" / "a103l.mat")
    assert [(t.stream, t.channels) for t in matlab.tracks] == [("ecg", ("II", "V")), ("ppg", ("PLETH",))]
