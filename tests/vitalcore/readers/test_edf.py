"""Tests of EDF and BDF files, written by edfio."""

import datetime
from fractions import Fraction
from pathlib import Path

import edfio
import numpy as np
import pytest

from vitalcore.errors import ReadError
from vitalcore.readers import Hints, read

ECG = np.asarray(np.round(2000 * np.sin(np.arange(2560) / 7)), dtype=np.float64)
RESP = np.cos(np.arange(100) / 3)


def write(path: Path) -> Path:
    signals = [
        edfio.EdfSignal(ECG, 256, label="ECG I", physical_dimension="uV", physical_range=(-3000, 3000)),
        edfio.EdfSignal(RESP, 10, label="Resp", physical_dimension="", physical_range=(-1, 1)),
    ]
    edfio.Edf(signals, starttime=datetime.time(13, 5)).write(path)
    return path


def test_rates_labels_and_units_are_the_files_own(tmp_path: Path) -> None:
    made = read(write(tmp_path / "a.edf"))
    assert [(t.stream, t.fs_hz, t.channels, t.unit) for t in made.tracks] == [
        ("ecg", Fraction(256), ("ECG I",), "mV"),
        ("resp", Fraction(10), ("Resp",), ""),
    ]
    assert np.allclose(made.tracks[0].values[:, 0], ECG / 1000, atol=1e-4)
    assert np.allclose(made.tracks[1].values[:, 0], RESP, atol=1e-4)


def test_bdf_reads_alike(tmp_path: Path) -> None:
    signal = edfio.BdfSignal(ECG, 256, label="EKG", physical_dimension="uV", physical_range=(-3000, 3000))
    edfio.Bdf([signal]).write(tmp_path / "b.bdf")
    track = read(tmp_path / "b.bdf").tracks[0]
    assert track.kind == "ecg"
    assert np.allclose(track.values[:, 0], ECG / 1000, atol=1e-6)


def test_pauses_of_a_discontinuous_file_are_missing_samples(tmp_path: Path) -> None:
    path = tmp_path / "d.edf"
    signal = edfio.EdfSignal(ECG, 256, label="ECG", physical_dimension="uV", physical_range=(-3000, 3000))
    edf = edfio.Edf([signal], annotations=[edfio.EdfAnnotation(0, None, "begin")])
    edf.write(path)
    raw = bytearray(path.read_bytes())
    raw[192:197] = b"EDF+D"
    stamps = []
    at = 0
    for onset in range(10):  # from the fifth record on, two seconds late
        at = raw.index(b"+%d\x14\x14" % onset, at)
        stamps.append(at)
        at += 4
        if onset >= 4:
            assert raw[stamps[-1] + 4 : stamps[-1] + 6] == b"\0\0"
            text = b"+%d\x14\x14" % (onset + 2)
            raw[stamps[-1] : stamps[-1] + len(text)] = text
    path.write_bytes(raw)
    track = read(path).tracks[0]
    assert track.n_samples == 12 * 256
    assert np.flatnonzero(np.isnan(track.values[:, 0])).tolist() == list(range(4 * 256, 6 * 256))
    assert np.allclose(track.values[6 * 256 :, 0], ECG[4 * 256 :] / 1000, atol=1e-4)


@pytest.mark.parametrize("keep", [100, 256, 700, -1, -600])
def test_a_cut_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path / "c.edf")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ReadError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_another_file_with_this_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.edf"
    path.write_bytes(b"time,ecg\n" * 100)
    with pytest.raises(ReadError, match="not an EDF or BDF file"):
        read(path)


def test_a_stated_rate_that_contradicts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="--fs says 100 Hz, its header 256 Hz"):
        read(write(tmp_path / "a.edf"), Hints(fs_hz=Fraction(100)))
