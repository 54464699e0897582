"""Tests of landmark frames."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitalcore.errors import ReadError
from vitalcore.readers import Hints, read

RNG = np.random.default_rng(0)
T = np.cumsum(RNG.uniform(0.02, 0.05, 40))


@pytest.mark.parametrize("n_points", [68, 468, 478])
@pytest.mark.parametrize(
    "times",
    [
        {"t": T},
        {"t_s": T},
        {"t": T * 1e3},
        {"t_ms": T * 1e3},
        {"t_ns": np.rint(T * 1e9).astype(np.int64)},
        {"timestamp": np.rint(T * 1e9).astype(np.int64)},
    ],
)
def test_frames_and_their_times_read_from_npz(tmp_path: Path, n_points: int, times: dict[str, np.ndarray]) -> None:
    points = RNG.normal(size=(40, n_points, 3)).astype(np.float32)
    np.savez(tmp_path / "f.npz", landmarks=points, **times)  # type: ignore[arg-type]  # names of arrays, no options
    track = read(tmp_path / "f.npz").tracks[0]
    assert (track.kind, track.fs_hz, len(track.channels)) == ("face", None, 3 * n_points)
    assert track.channels[:4] == ("x0", "y0", "z0", "x1")
    assert np.array_equal(track.values.reshape(40, n_points, 3), points.astype(np.float64))
    assert track.times_ns is not None
    assert np.abs(track.times_ns - np.rint((T - T[0]) * 1e9)).max() <= 1000


def test_frames_without_a_face_are_missing(tmp_path: Path) -> None:
    valid = np.ones(40, bool)
    valid[7] = False
    np.savez(tmp_path / "f.npz", landmarks=np.ones((40, 68, 2)), t=T, valid=valid)
    track = read(tmp_path / "f.npz").tracks[0]
    assert np.flatnonzero(np.isnan(track.values).all(axis=1)).tolist() == [7]
    assert track.channels[:3] == ("x0", "y0", "x1")


def test_a_rate_stands_in_for_times(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", landmarks=np.ones((4, 68, 3)))
    with pytest.raises(ReadError, match="state the frame rate with --fs"):
        read(tmp_path / "f.npz")
    times = read(tmp_path / "f.npz", Hints(fs_hz=Fraction(30))).tracks[0].times_ns
    assert times is not None
    assert times.tolist() == [0, 33_333_333, 66_666_667, 100_000_000]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("style", ["{a}{k}", "{a}_{k}", "lm{k}_{a}"])
def test_wide_tables_read_alike(tmp_path: Path, suffix: str, style: str) -> None:
    points = RNG.normal(size=(40, 68, 3))
    columns = {style.format(a=a, k=k): points[:, k, i] for k in range(68) for i, a in enumerate("xyz")}
    frame = pd.DataFrame({"t_s": T, **columns})
    path = tmp_path / f"f.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    track = read(path).tracks[0]
    assert np.allclose(track.values.reshape(40, 68, 3), points, atol=1e-12)


def test_points_with_depth_are_preferred_to_pixels(tmp_path: Path) -> None:
    columns = {f"{a}_{k}": np.full(5, k + 1000 * a.isupper()) for a in ("x", "y", "X", "Y", "Z") for k in range(68)}
    pd.DataFrame({"timestamp": np.arange(5) / 30, "success": [1, 1, 0, 1, 1], **columns}).to_csv(
        tmp_path / "f.csv", index=False
    )
    track = read(tmp_path / "f.csv").tracks[0]
    assert track.values[0, :3].tolist() == [1000, 1000, 1000]
    assert np.isnan(track.values[2]).all()


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"landmarks": np.ones((4, 70, 3))}, "no landmarks of shape"),
        ({"landmarks": np.ones((4, 68, 3)), "t": np.array([0, 1, 1, 2]) / 30}, "must increase"),
        ({"landmarks": np.ones((4, 68, 3)), "t": np.arange(3) / 30}, "4 frames but 3 times"),
        ({"landmarks": np.ones((0, 68, 3)), "t": np.zeros(0)}, "no frames"),
        ({"landmarks": np.ones((4, 68, 3)), "t": np.arange(4) * 1e12}, "name it t_s"),
        ({"landmarks": np.ones((4, 68, 3)), "t": np.arange(4) / 30, "valid": np.ones(3, bool)}, "valid is"),
    ],
)
def test_what_doesnt_fit_is_one_line(tmp_path: Path, arrays: dict[str, np.ndarray], match: str) -> None:
    np.savez(tmp_path / "f.npz", **arrays)  # type: ignore[arg-type]  # names of arrays, no options
    with pytest.raises(ReadError, match=match):
        read(tmp_path / "f.npz")


def test_pickled_or_damaged_archives_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", landmarks=np.array([{"a": 1}], dtype=object))
    np.savez(tmp_path / "c.npz", landmarks=np.ones((4, 68, 3)), t=np.arange(4) / 30)
    (tmp_path / "c.npz").write_bytes((tmp_path / "c.npz").read_bytes()[:-200])
    for name in ("p.npz", "c.npz"):
        with pytest.raises(ReadError, match="not an NPZ file"):
            read(tmp_path / name)


def test_real_clips_read_as_478_points(data: Path) -> None:
    track = read(data / "face" / "dynaface" / "video1-512_mp478.npz").tracks[0]
    assert track.values.shape == (150, 1434)
    open_face = read(data / "face" / "pyfeat" / "OpenFace_Test.csv", Hints(fs_hz=Fraction(30))).tracks[0]
    assert open_face.values.shape == (100, 204)
