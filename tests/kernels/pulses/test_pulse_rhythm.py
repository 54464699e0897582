"""Tests of what the detector expects of the next pulse."""

from collections.abc import Iterable

import numpy as np

from vitalcore.kernels.pulses import pulse_rhythm

FS_HZ = 100.0


def fresh() -> np.void:
    r = np.zeros(1, pulse_rhythm.RHYTHM)[0]
    pulse_rhythm.restart(r, 0)
    return r


def offer(r: np.void, rises: Iterable[tuple[float, float]]) -> list[bool]:
    """Offer rises (time in s, size), take those that are accepted."""
    said = []
    for t_s, size in rises:
        at = round(t_s * FS_HZ)
        said.append(pulse_rhythm.accept(r, FS_HZ, at, size))
        if said[-1]:
            pulse_rhythm.take(r, FS_HZ, at, t_s * FS_HZ, size, size, True)
    return said


def beats(n: int, interval_s: float = 1.0, size: float = 1.0, begin_s: float = 0.5) -> list[tuple[float, float]]:
    return [(begin_s + k * interval_s, size) for k in range(n)]


def test_size_and_interval_are_learnt_from_a_few_pulses() -> None:
    r = fresh()
    assert all(offer(r, beats(5, 0.8, 2.0)))
    assert r["rise"] == 2.0
    assert abs(r["interval"] - 80) < 1e-9


def test_a_wave_half_as_high_after_every_pulse_is_not_taken_for_one() -> None:
    r = fresh()
    train = sorted(beats(20) + beats(20, size=0.5, begin_s=0.85))
    said = offer(r, train)
    assert said == [size == 1.0 for _, size in train]


def test_a_weak_early_pulse_among_others_that_have_no_such_wave_is_one() -> None:
    r = fresh()
    assert all(offer(r, beats(10)))
    assert offer(r, [(10.0, 0.55), (10.9, 1.0), (11.9, 1.0)]) == [True, True, True]
    assert abs(r["interval"] - 100) < 1e-9  # it has not spoilt what is expected


def test_pairs_once_taken_for_pulses_are_seen_through() -> None:
    r = fresh()
    for k, (t_s, size) in enumerate(sorted(beats(6) + beats(6, size=0.55, begin_s=0.95))):
        pulse_rhythm.accept(r, FS_HZ, round(t_s * FS_HZ), size)
        pulse_rhythm.take(r, FS_HZ, round(t_s * FS_HZ), t_s * FS_HZ, size, size, True)  # by force
        if k == 3:
            assert r["interval"] < 80
    assert abs(r["interval"] - 100) < 1e-9
    train = sorted(beats(6, begin_s=6.5) + beats(6, size=0.55, begin_s=6.95))
    assert offer(r, train) == [size == 1.0 for _, size in train]


def test_a_faster_rhythm_of_equal_pulses_is_followed() -> None:
    r = fresh()
    offer(r, beats(10))
    assert all(offer(r, beats(10, 0.45, begin_s=10.0)))
    assert abs(r["interval"] - 45) < 1e-9


def test_one_huge_rise_is_an_artefact_and_a_second_is_the_new_size() -> None:
    r = fresh()
    offer(r, beats(10))
    assert offer(r, [(10.5, 20.0), (11.5, 1.0), (12.5, 20.0), (13.5, 19.0), (14.5, 20.0)]) == [
        False,
        True,
        True,  # like the last huge one
        True,
        True,
    ]


def test_an_overdue_pulse_may_be_small_and_begins_another_signal() -> None:
    r = fresh()
    offer(r, beats(10))
    assert offer(r, [(11.5, 0.15)]) == [False]
    r["slack"] = 0.5
    assert offer(r, [(12.5, 0.15)]) == [True]
    assert r["rise"] == 0.15


def test_after_a_restart_sizes_are_known_and_times_are_not() -> None:
    r = fresh()
    offer(r, beats(10))
    pulse_rhythm.restart(r, 2000)
    assert np.isnan(r["last"])
    assert offer(r, [(20.1, 0.1), (20.4, 1.0)]) == [False, True]
    assert abs(r["interval"] - 100) < 1e-9


def test_nothing_is_a_pulse_within_the_shortest_interval() -> None:
    r = fresh()
    offer(r, beats(10, 0.3))
    last_s = 0.5 + 9 * 0.3
    assert offer(r, [(last_s + 0.14, 3.0)]) == [False]
