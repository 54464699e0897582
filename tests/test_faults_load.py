"""A small ward on an engine that journals; `python -m benchmarks faults load` fills it."""

from pathlib import Path

import pytest

from benchmarks import faults_load


def test_a_ward_that_is_journaled_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    patients = 40
    outcome = faults_load.ward(patients, 5.0, tmp_path / "journal.db")
    with capsys.disabled():
        p50, p99, _ = outcome.own_ms
        print(f"\n{outcome.streams} streams, journaled: {outcome.lost} lost, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    assert outcome.lost == 0
    assert outcome.beats > patients / 5  # one in five patients is listened to, who have more than one beat each
