"""Wards: many streams, one call, each as if it were alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.alarms import preset
from vitalcore.errors import InputError, ParameterError, SnapshotError
from vitalcore.findings import alarms
from vitalcore.fixtures.recordings import heart
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import ACKNOWLEDGED, ENDED, RAISED
from vitalcore.operators.ecg import Ecg
from vitalcore.operators.filters import Bandpass
from vitalcore.operators.ppg import Ppg
from vitalcore.plan import Plan, source
from vitalcore.ward import Ward

RATES = (100, 100, 100)


def pulses(fs_hz: float, seed: int, duration_s: float = 20.0) -> NDArray[np.float64]:
    """Make a pulsating wave with its own rate."""
    t = np.arange(int(duration_s * fs_hz)) / fs_hz
    phase = 2 * np.pi * t * (1.0 + 0.1 * seed)
    noise = np.random.default_rng(seed).normal(0, 0.01, len(t))
    return 100 + np.exp(2 * np.cos(phase)) + noise


def signal_of(fs_hz: float):  # type: ignore[no-untyped-def]  # a Signal
    return source("ppg", fs_hz).signal


def alone(fs_hz: float, x: NDArray[np.float64]) -> NDArray[np.void]:
    session = Plan(all=source("ppg", fs_hz) | Ppg()).open()
    return session.push(ppg=x)["all"]


def ward_of(rates: tuple[float, ...]) -> tuple[Ward, list[int]]:
    designs = [Ppg().design(signal_of(fs)) for fs in rates]
    ward = Ward(designs[0], 1)
    return ward, [ward.open(d, signal_of(fs)) for d, fs in zip(designs, rates, strict=True)]


def test_streams_in_one_table_say_what_they_say_alone_whatever_comes_when() -> None:
    ward, slots = ward_of(RATES)
    waves = [pulses(fs, k) for k, fs in enumerate(RATES)]
    rng = np.random.default_rng(5)
    said: list[list[NDArray[np.void]]] = [[] for _ in RATES]
    at = [0] * len(RATES)
    while any(a < len(w) for a, w in zip(at, waves, strict=True)):
        order = rng.permutation(len(RATES))
        chunks = []
        for k in order:
            n = int(rng.integers(0, 40))
            chunks.append(waves[k][at[k] : at[k] + n])
            at[k] += n
        offsets = np.cumsum([0, *map(len, chunks)])
        _, out = ward.push([slots[k] for k in order], offsets, np.concatenate(chunks)[:, None])
        for k, slot in enumerate(slots):
            said[k].append(out[out["slot"] == slot].copy())
    for k, fs in enumerate(RATES):
        mine = np.concatenate(said[k])
        mine["slot"] = 0
        assert len(mine) > 20
        assert mine.tobytes() == alone(fs, waves[k]).tobytes()


def test_a_closed_slot_is_fresh_for_the_next_stream() -> None:
    ward, (slot,) = ward_of((100,))
    x = pulses(100, 1)
    ward.push([slot], np.array([0, len(x)]), x[:, None])
    ward.close(slot)
    again = ward.open(Ppg().design(signal_of(100)), signal_of(100))
    assert again == slot
    _, out = ward.push([again], np.array([0, len(x)]), x[:, None])
    assert out.tobytes() == alone(100, x).tobytes()


def test_a_row_taken_to_another_table_goes_on_bit_for_bit() -> None:
    x = pulses(100, 2)
    one, (slot,) = ward_of((100,))
    one.push([slot], np.array([0, 900]), x[:900, None])
    two, slots = ward_of((100, 100, 100))
    two.restore(slots[2], one.snapshot(slot))
    _, expected = one.push([slot], np.array([0, len(x) - 900]), x[900:, None])
    _, out = two.push([slots[2]], np.array([0, len(x) - 900]), x[900:, None])
    out["slot"] = slot
    assert len(out) > 10
    assert out.tobytes() == expected.tobytes()


def test_a_long_gap_in_a_table_is_the_gap_of_a_session() -> None:
    x = pulses(100, 3)
    ward, (slot,) = ward_of((100,))
    session = Plan(all=source("ppg", 100) | Ppg()).open()
    ward.push([slot], np.array([0, len(x)]), x[:, None])
    session.push(ppg=x)
    assert ward.gap(slot, 100_000).tobytes() == session.gap(ppg=100_000)["all"].tobytes()
    _, out = ward.push([slot], np.array([0, len(x)]), x[:, None])
    expected = session.push(ppg=x)["all"]
    assert out.tobytes() == expected.tobytes()
    assert (expected["t_known"] > 101_000).all()
    last = ward.finish(slot)
    assert last.tobytes() == session.finish()["all"].tobytes()
    assert (last["t"] < 2 * len(x) + 100_000).all()


def test_only_chains_live_in_wards() -> None:
    signal = source("ecg", 250).signal
    with pytest.raises(ParameterError, match="a ward holds chains"):
        Ward(Bandpass(0.5, 40).design(signal))


def test_a_design_that_does_not_fit_is_refused() -> None:
    ward, _ = ward_of((25,))
    with pytest.raises(ParameterError, match="doesn't fit this table"):
        ward.open(Ppg().design(signal_of(1000)), signal_of(1000))


@pytest.mark.parametrize("offsets", [[0, 5], [1, 10], [0, 11], [0, 5, 10]])
def test_offsets_that_do_not_cover_the_samples_are_refused(offsets: list[int]) -> None:
    ward, (slot,) = ward_of((100,))
    with pytest.raises(InputError, match="offsets must rise from 0 to 10"):
        ward.push([slot], np.array(offsets), np.zeros((10, 1)))


def test_a_slot_that_is_not_open_is_refused() -> None:
    ward, (slot,) = ward_of((100,))
    ward.close(slot)
    for closed in (slot, 99, -1):
        with pytest.raises(InputError, match=f"slot {closed} of this table is not open"):
            ward.gap(closed, 1)


def test_a_row_of_the_wrong_length_is_refused() -> None:
    ward, (slot,) = ward_of((100,))
    with pytest.raises(SnapshotError, match="this row is 3 bytes long"):
        ward.restore(slot, b"abc")


def test_a_stream_gets_other_parameters_while_it_runs_and_its_neighbour_keeps_its_own() -> None:
    signal = source("ecg", 250).signal
    ward = Ward(Ecg().design(signal), 2)
    slots = [ward.open(Ecg().design(signal), signal) for _ in range(2)]
    x = heart(20, 100)[:, None]
    offsets = np.array([0, len(x), 2 * len(x)])
    assert not len(alarms(ward.push(slots, offsets, np.concatenate([x, x]))[1]))
    ward.configure(slots[0], Ecg(preset().changed({"heart_rate_high_per_min": 90})).design(signal))
    (raised,) = alarms(ward.push(slots, offsets // 2, np.concatenate([x[:2500], x[:2500]]))[1])
    assert (raised["slot"], raised["limit"]) == (slots[0], 90)
    assert not ward.acknowledge(slots[1], codes.HEART_RATE_HIGH)
    assert ward.acknowledge(slots[0], codes.HEART_RATE_HIGH)
    (said,) = alarms(ward.push(slots, offsets // 20, np.concatenate([x[:250], x[:250]]))[1])
    assert said["state"] == ACKNOWLEDGED
    with pytest.raises(ParameterError, match="doesn't fit"):
        ward.configure(slots[0], Ecg().design(source("ecg", 250, 3).signal))


def test_a_chain_without_alarms_says_so() -> None:
    ward, slots = ward_of(RATES)
    with pytest.raises(ParameterError, match="no alarms"):
        ward.acknowledge(slots[0], codes.ASYSTOLE)


def test_an_alarm_keeps_its_begin_over_a_gap_longer_than_what_is_fed_of_it() -> None:
    signal = source("ecg", 250).signal
    ward = Ward(Ecg().design(signal), 1)
    slot = ward.open(Ecg().design(signal), signal)
    x = heart(20)[:, None]
    said = [ward.push([slot], np.array([0, len(x)]), x)[1].copy()]
    said += [ward.gap(slot, 250 * 20), ward.gap(slot, 250 * 3600)]
    said += [ward.push([slot], np.array([0, len(x)]), x)[1].copy()]
    found = alarms(np.concatenate(said), codes.NO_USABLE_SIGNAL)
    assert found["state"][0] == RAISED
    assert found["state"][-1] == ENDED
    assert len(set(found["t"].tolist())) == 1
    assert found["t"][0] == pytest.approx(5000, abs=1)
    assert found["t_end"][-1] == pytest.approx(250 * (20 + 20 + 3600), abs=251)
