"""Tests of text tables as they are found in the field."""

import importlib.util
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vitalcore.errors import ReadError
from vitalcore.readers import Hints, read

T = np.arange(500) / 125
X = np.round(np.sin(T * 7), 4)


def text(rows: list[str], *head: str) -> str:
    return "\n".join([*head, *rows]) + "\n"


def points(separator: str, *, comma: bool = False) -> list[str]:
    rows = [f"{t:.3f}{separator}{x:.4f}" for t, x in zip(T, X, strict=True)]
    return [row.replace(".", ",") for row in rows] if comma else rows


@pytest.mark.parametrize(
    "content",
    [
        text(points(","), "time,II"),
        text(points(", "), "Time [s], II"),
        text(points(";"), "t_s;II"),
        text(points(";", comma=True), "Zeit;II"),
        text(points("\t", comma=True), "Zeit (s)\tII"),
        text(points("\t"), "time\tII"),
        text(points(" "), "time II"),
        text(points(","), "# a comment", "time,II (mV)"),
        text(points(","), "'Elapsed time','II'", "'seconds','mV'"),
        "\ufeff" + text(points(","), "time,II"),
        text(points(","), "time,II").replace("\n", "\r\n"),
        text([f'"{t:.3f}","{x:.4f}"' for t, x in zip(T, X, strict=True)], '"time","II"'),
        text([f"{t * 1000:.0f},{x}" for t, x in zip(T, X, strict=True)], "time_ms,II"),
        text([f"{t * 1000:.1f},{x}" for t, x in zip(T, X, strict=True)], "timer,II"),
        text([f"2026-03-04T10:00:{t:06.3f},{x}" for t, x in zip(T, X, strict=True)], "time,II"),
        text([f"2026-03-04 10:00:{t:06.3f},{x}" for t, x in zip(T, X, strict=True)], "datetime,II"),
        text([f"0:{t:06.3f},{x}" for t, x in zip(T, X, strict=True)], "'Elapsed time','II'", "'mm:ss.mmm','mV'"),
        text([f"{1.7e12 + 1000 * t:.0f},{x}" for t, x in zip(T, X, strict=True)], "timestamp,II"),
    ],
)
def test_layouts_of_the_field_read_alike(tmp_path: Path, content: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(content, encoding="utf-8", newline="")
    track = read(path).tracks[0]
    assert (track.kind, track.fs_hz, track.channels) == ("ecg", Fraction(125), ("II",))
    assert np.array_equal(track.values[:, 0], X)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings_of_spreadsheets_read_alike(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text(points(";", comma=True), "Zeit [s];ECG [µV]"), encoding=encoding)
    track = read(path).tracks[0]
    assert track.unit == "mV"
    assert np.allclose(track.values[:, 0], X / 1000)


def test_a_bare_column_needs_its_rate_and_signal(tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text(text([f"{x:.4f}" for x in X]))
    with pytest.raises(
        ReadError, match="no time column and so no rate; state it and the signal with --fs and --signal"
    ):
        read(path)
    track = read(path, Hints("ppg", Fraction(100))).tracks[0]
    assert (track.kind, track.fs_hz) == ("ppg", Fraction(100))
    assert np.array_equal(track.values[:, 0], X)


def test_a_bare_column_with_decimal_comma_under_a_header_is_one_column(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text([f"{x:.4f}".replace(".", ",") for x in X], "ECG"))
    assert np.array_equal(read(path, Hints(fs_hz=Fraction(100))).tracks[0].values[:, 0], X)


def test_two_bare_columns_are_time_and_value_where_the_first_is_even(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text(points(",")))
    track = read(path, Hints("ecg")).tracks[0]
    assert (track.fs_hz, track.channels) == (Fraction(125), ("2",))


def test_a_frame_number_is_no_time(tmp_path: Path) -> None:
    path = tmp_path / "ear.csv"
    path.write_text(text([f"{k}, {0.3:.3f}, {0.31:.3f},True" for k in range(90)], "frame,EAR2D6_l,EAR2D6_r,valid"))
    with pytest.raises(ReadError, match="state it with --fs"):
        read(path)
    track = read(path, Hints(fs_hz=Fraction(30))).tracks[0]
    assert (track.kind, track.channels) == ("ear", ("EAR2D6_l", "EAR2D6_r"))
    assert track.times_ns is not None
    assert track.times_ns[:3].tolist() == [0, 33_333_333, 66_666_667]


def test_empty_cells_and_words_are_missing_and_missing_rows_too(tmp_path: Path) -> None:
    rows = points(",")
    rows[10] = rows[10].split(",")[0] + ","
    rows[11] = rows[11].split(",")[0] + ",NaN"
    rows[12] = rows[12].split(",")[0] + ",off"
    del rows[100:150]
    path = tmp_path / "r.csv"
    path.write_text(text(rows, "time,II"))
    values = read(path).tracks[0].values[:, 0]
    assert np.flatnonzero(np.isnan(values)).tolist() == [10, 11, 12, *range(100, 150)]
    kept = ~np.isnan(values)
    assert np.array_equal(values[kept], X[kept])


def test_words_among_numbers_with_decimal_comma_are_missing(tmp_path: Path) -> None:
    rows = points(";", comma=True)
    rows[7] = rows[7].split(";")[0] + ";off"
    rows[8] = rows[8].split(";")[0] + ";1e82628509952983"
    path = tmp_path / "r.csv"
    path.write_text(text(rows, "Zeit;II"))
    values = read(path).tracks[0].values[:, 0]
    assert np.flatnonzero(np.isnan(values)).tolist() == [7, 8]
    assert np.array_equal(np.delete(values, [7, 8]), np.delete(X, [7, 8]))


def test_a_rate_in_the_time_column_that_contradicts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text(points(","), "time,II"))
    with pytest.raises(ReadError, match="--fs says 250 Hz, its times say 125 Hz"):
        read(path, Hints(fs_hz=Fraction(250)))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty"),
        (b"\n\n", "no rows"),
        (b"# only a comment\n", "no rows"),
        (b"time,II\n", "header but no rows"),
        (b"\0\1\2\3" * 100, "binary"),
        (b"name,label\nA,N\nB,N\n", "no column of numbers"),
        (b"time,II\n0,1\n0.1,2,3,4\n", "not a table"),
        (b"time,II\nsoon,1\nlater,2\n", "holds no times"),
        (b"time,II\n0,1\n1,2\n2,3\n", "doesn't say its unit"),
    ],
)
def test_what_is_no_recording_is_one_line(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=match) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_the_start_is_known_where_the_times_have_a_date(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text([f"2026-03-04T10:00:{t:06.3f}Z,{x}" for t, x in zip(T, X, strict=True)], "time,II"))
    start = read(path).start
    assert start is not None
    assert start.isoformat() == "2026-03-04T10:00:00+00:00"


def test_real_tables_read_as_what_they_are(data: Path) -> None:
    made = read(data / "bidmc" / "bidmc_01_Signals.csv")
    assert [(t.stream, t.fs_hz) for t in made.tracks] == [
        ("resp", Fraction(125)),
        ("ppg", Fraction(125)),
        ("ecg", Fraction(125)),
    ]
    numerics = read(data / "bidmc" / "bidmc_01_Numerics.csv")
    assert {t.kind for t in numerics.tracks} == {"other"}


def test_the_time_column_of_a_real_ppg_is_in_ms() -> None:
    found = importlib.util.find_spec("heartpy")  # its data are needed, not its code
    if found is None or found.origin is None:
        pytest.skip("needs the recordings that heartpy carries")
    track = read(Path(found.origin).parent / "data" / "data2.csv", Hints("ppg")).tracks[0]
    assert track.fs_hz is not None
    assert abs(float(track.fs_hz) - 1000 / 8.54790319355) < 1e-4
    assert (track.n_samples, track.n_missing) == (15_000, 0)


@pytest.mark.parametrize("cell", ["inf", "-inf", "1e300"])
def test_a_time_that_is_none_is_missing(tmp_path: Path, cell: str) -> None:
    rows = points(",")
    rows[7] = f"{cell},0.5"
    path = tmp_path / "a.csv"
    path.write_text(text(rows, "time [s],II"))
    with pytest.raises(ReadError, match="the time in row 8 is missing"):
        read(path)
