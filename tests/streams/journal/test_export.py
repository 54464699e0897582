"""What is exported reads back as what was sent: values, rate, time, gaps."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.streams import kept
from tests.streams.conftest import Peer, Running
from vitalcore.readers import read
from vitalcore.streams.journal.archive import Archive
from vitalcore.streams.journal.export import export, rows
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.wire import Record


def test_parquet_holds_the_values_that_were_sent_and_results_beside_them(tmp_path: Path) -> None:
    reader = Archive(kept.stopped(tmp_path / "j.db"))
    written, problems = export(reader, tmp_path / "out", "icu/p12/")
    reader.close()
    assert problems == []
    place = tmp_path / "out" / kept.KEYS[1]
    assert {path.parent for path in written} == {place}
    (track,) = read(place / "7-0.parquet").tracks
    assert (track.kind, track.fs_hz, track.unit, track.channels) == ("ecg", Fraction(250), "mV", ("II",))
    assert np.array_equal(track.values[:, 0], kept.signal(1).astype("<f4"))
    beats = pq.read_table(place / "beat.parquet").to_pydict()
    assert beats["topic_seq"] == list(range(beats["topic_seq"][0], beats["topic_seq"][0] + len(beats["topic_seq"])))
    assert set(beats["code"]) == {"heart_beat"}


@pytest.mark.parametrize("format_", ["parquet", "wfdb"])
def test_gaps_are_nan_scales_are_applied_and_time_is_the_streams(tmp_path: Path, format_: str) -> None:
    running = Running(journal=Journal(tmp_path / "j.db"))
    peer = Peer(running.ingest)
    lead = {"label": "V1", "unit": "mV", "scale": 0.005, "offset": -1.0}
    stream = peer.open(dtype="i16", channels=[lead])["stream"]
    t0_ns = 1_700_000_000_000_000_000
    values = np.zeros((10, 1), "<i2")
    for seq, at in enumerate((0, 10, 40)):
        values = np.arange(at, at + 10, dtype="<i2")[:, None]
        peer.socket.send(wire.encode_record(Record(wire.DATA, 7, stream, seq, at, values, t0_ns + at * 4_000_000)))
    far = 40 + 2 * 3600 * 250
    peer.socket.send(wire.encode_record(Record(wire.DATA, 7, stream, 3, far, values, t0_ns + far * 4_000_000)))
    peer.acks(lambda ack: ack.next_seq == 4)
    peer.close()
    running.stop()
    reader = Archive(tmp_path / "j.db")
    written, problems = export(reader, tmp_path / "out", format_=format_)
    reader.close()
    assert problems == []
    end = ".parquet" if format_ == "parquet" else ".hea"
    samples = sorted(path.name for path in written if path.name[0] == "7")
    assert samples == [f"7-0{end}", f"7-{far}{end}"]
    recording = read(written[0].parent / f"7-0{end}")
    (track,) = recording.tracks
    expected = np.arange(50) * 0.005 - 1.0
    expected[20:40] = np.nan
    assert np.allclose(track.values[:, 0], expected, atol=1e-8, equal_nan=True)
    assert str(recording.start) == "2023-11-14 22:13:20"


def test_a_message_of_many_features_becomes_a_row_each() -> None:
    payload = {"t": 5.0, "features": [{"code": "a", "reasons": ["x", "y"]}, {"code": "b", "evidence": [1, 2.5]}]}
    assert list(rows(payload)) == [
        {"t": 5.0, "code": "a", "reasons": "x y"},
        {"t": 5.0, "code": "b", "evidence": [1.0, 2.5]},
    ]
