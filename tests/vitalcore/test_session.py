"""Sessions: the door, snapshots, gaps."""

import numpy as np
import pytest

from vitalcore.errors import InputError, SnapshotError
from vitalcore.fixtures import signals
from vitalcore.fixtures.recordings import heart
from vitalcore.kernels.core.finding import EVENT
from vitalcore.operators.ecg import Ecg
from vitalcore.operators.filters import Bandpass, LinearPhase, Resample
from vitalcore.operators.ppg import Pulses
from vitalcore.plan import Plan, source

X = np.random.default_rng(2).normal(size=600)


def plan(low_hz: float = 0.5) -> Plan:
    return Plan(clean=source("ecg", 250) | Bandpass(low_hz, 40))


def test_a_restored_session_goes_on_bit_for_bit() -> None:
    whole = plan().run(ecg=X)["clean"]
    first = plan().open()
    first.push(ecg=X[:200])
    second = plan().open()
    second.restore(first.snapshot())
    assert second.push(ecg=X[200:])["clean"].tobytes() == whole[200:].tobytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: b"", "no snapshot"),
        (lambda s: b"JUNK" + s[4:], "no snapshot"),
        (lambda s: s[:4] + b"\xff\xff\xff\xff" + s[8:], "no snapshot"),
        (lambda s: s[:8] + b"]" + s[9:], "damaged"),
        (lambda s: s[:-1], "is cut"),
        (lambda s: s + b"x", "something behind"),
    ],
)
def test_bytes_that_are_no_snapshot_are_refused_and_change_nothing(change, words: str) -> None:  # type: ignore[no-untyped-def]  # a table of lambdas
    session = plan().open()
    session.push(ecg=X[:100])
    before = session.snapshot()
    with pytest.raises(SnapshotError, match=words):
        session.restore(change(before))
    assert session.snapshot() == before


def test_a_snapshot_of_another_plan_is_refused() -> None:
    with pytest.raises(SnapshotError, match="another plan"):
        plan(0.5).open().restore(plan(1.0).open().snapshot())


def test_a_chunk_of_the_wrong_shape_is_refused_with_both_shapes() -> None:
    with pytest.raises(InputError, match=r"ecg takes chunks of shape \[n, 1\]; this one is \[600, 2\]"):
        plan().open().push(ecg=np.zeros((600, 2)))


def test_an_unknown_source_is_named_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no source called ppg; it has ecg"):
        plan().open().push(ppg=X)


def test_words_are_no_samples() -> None:
    with pytest.raises(InputError, match="ecg takes numbers"):
        plan().open().push(ecg=["a"])  # type: ignore[arg-type]  # what a user might do


def test_integers_and_lists_are_samples() -> None:
    session = plan().open()
    assert session.push(ecg=[1, 2, 3])["clean"].shape == (3, 1)  # type: ignore[arg-type]  # lists work too
    assert session.push(ecg=np.array([4], np.int16))["clean"].shape == (1, 1)


def test_an_infinite_sample_counts_as_missing() -> None:
    x = X.copy()
    x[100] = np.inf
    y = X.copy()
    y[100] = np.nan
    assert plan().run(ecg=x)["clean"].tobytes() == plan().run(ecg=y)["clean"].tobytes()


def test_times_of_a_variable_rate_signal_must_increase_over_chunks_too() -> None:
    session = Plan(raw=source("face", None, 2)).open()
    session.push(face=[[10.0, 1, 2], [20.0, 1, 2]])  # type: ignore[arg-type]  # lists work too
    with pytest.raises(InputError, match="times of face must increase; frame 0 of this chunk is at 20 ns"):
        session.push(face=[[20.0, 1, 2]])  # type: ignore[arg-type]  # lists work too


def test_a_gap_equals_missing_samples_however_it_is_told() -> None:
    told, split, fed = plan().open(), plan().open(), plan().open()
    for session in (told, split, fed):
        session.push(ecg=X)
    told.gap(ecg=5000)
    split.gap(ecg=3000)
    split.gap(ecg=2000)
    fed.push(ecg=np.full(5000, np.nan))
    after = [session.push(ecg=X)["clean"].tobytes() for session in (told, split, fed)]
    assert after[0] == after[1] == after[2]


def test_a_gap_cannot_be_negative() -> None:
    with pytest.raises(InputError, match="can't be negative"):
        plan().open().gap(ecg=-1)


def test_a_gap_of_a_year_costs_no_memory() -> None:
    session = plan().open()
    out = session.gap(ecg=250 * 86400 * 365)["clean"]
    assert len(out) == 30 * 250


def test_findings_count_samples_of_the_source_whatever_was_resampled_and_delayed_before() -> None:
    x = signals.ppg(np.random.default_rng(0), 6000, 125)
    x[2000:3000] = np.nan
    raw = source("ppg", 125)
    plain, moved = raw | Pulses(), raw | Resample(100) | LinearPhase(None, 20, transition_hz=5) | Pulses()
    out = Plan(plain=plain, moved=moved).run(ppg=x)
    one, other = (t[((t > 500) & (t < 1900)) | ((t > 3500) & (t < 5500))] for t in (out[k]["t"] for k in out))
    assert len(one) == len(other) > 20
    assert np.abs(one - other).max() < 1.5
    assert (out["moved"]["t_known"] - out["moved"]["t"]).max() <= moved.latency_s * 125


def test_a_long_gap_moves_findings_of_a_resampled_wave_by_all_of_its_length() -> None:
    x = signals.ppg(np.random.default_rng(1), 2000, 125)
    session = Plan(pulses=source("ppg", 125) | Resample(100) | Pulses()).open()
    before = session.push(ppg=x)["pulses"]
    session.gap(ppg=100 * 125)
    after = session.push(ppg=x)["pulses"]
    first, second = before[before["t"] > 1000], after[after["t"] > 1000 + 14500]
    assert len(first) > 3
    assert np.abs(second["t"][: len(first)] - 14500 - first["t"]).max() < 1


def test_the_end_of_a_recording_is_not_said_to_be_missing() -> None:
    recording = heart(20.0)
    session = Plan(all=source("ecg", 250) | Ecg()).open()
    session.push(ecg=recording)
    session.gap(ecg=100)
    session.push(ecg=recording)
    last = session.finish()["all"]
    assert (last["t"] < 2 * len(recording) + 100).all()
    assert not (last["what"] == EVENT).any()
