"""Classes of beats: what a rhythm's and a shape's changes make of them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.kernels.beats import beat_class
from vitalcore.kernels.leads import tape
from vitalcore.kernels.qrs import energy

FS_HZ = 250.0
Plan = list[tuple[float, str]]  # interval before a beat in s, its class


def signal_of(plan: Plan, n_leads: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Samples and R times of beats: N with a P wave, S early with another one, V wide without."""
    times = 1.0 + np.cumsum([rr for rr, _ in plan])
    t = np.arange(0, times[-1] + 2, 1 / FS_HZ)
    x = 0.01 * np.random.default_rng(1).normal(size=len(t))

    def wave(at: float, size: float, width: float) -> None:
        x[:] += size * np.exp(-(((t - at) / width) ** 2))

    for time, (_, kind) in zip(times, plan, strict=True):
        if kind == "V":
            wave(time, 1.6, 0.045)
            wave(time + 0.11, -0.7, 0.05)
            wave(time + 0.3, -0.5, 0.08)
            continue
        wave(time - 0.16, 0.12 if kind == "N" else -0.08, 0.025)
        wave(time - 0.025, -0.12, 0.01)
        wave(time, 1.1, 0.012)
        wave(time + 0.03, -0.25, 0.012)
        wave(time + 0.26, 0.3, 0.055)
    return np.column_stack([x * (1 - 0.4 * k) for k in range(n_leads)]), times * FS_HZ


def classed(plan: Plan, n_leads: int = 1, turned: float = 1.0) -> tuple[str, str]:
    """The letters said at first and finally."""
    x, times = signal_of(plan, n_leads)
    x = x * turned
    params, q, state = np.zeros(1, tape.PARAMS)[0], np.zeros(1, energy.PARAMS)[0], np.zeros(1, beat_class.STATE)[0]
    head = n_leads + energy.USABLE
    params["n_leads"], params["block"], params["at"] = n_leads, 1, head
    params["n_ring"] = params["n_keep"] = len(x)
    q["n_leads"], q["stride"], q["fs_hz"] = n_leads, 1, FS_HZ
    buffer = np.concatenate([np.full(head, 2.0), x.T.ravel()])
    beat_class.begin(state, n_leads)
    first, final = "", ""
    for i, time in enumerate(times):
        beat_class.read(params, q, state, buffer, float(time), len(x))
        if i > 0:
            beat_class.follow(params, state, buffer, FS_HZ, len(x), float(time - times[i - 1]) / FS_HZ, 1)
            final += chr(int(beat_class.final(beat_class.FINAL, state)))
        beat_class.admit(state, float(time), plan[i][0] if i > 0 else np.nan)
        first += chr(int(beat_class.first(beat_class.FIRST, state)))
    return first, final


def sinus(n: int) -> Plan:
    return [(0.8 + 0.02 * np.sin(0.9 * k), "N") for k in range(n)]


EARLY_V = [*sinus(20), (0.5, "V"), (1.1, "N"), *sinus(9), (0.48, "V"), (1.12, "N"), *sinus(5)]
EARLY_S = [*sinus(20), (0.52, "S"), (0.9, "N"), *sinus(9), (0.5, "S"), (0.92, "N"), *sinus(5)]


def places(plan: Plan, kind: str) -> list[int]:
    return [k for k, beat in enumerate(plan) if beat[1] == kind]


@pytest.mark.parametrize("turned", [1.0, -1.0, 0.3])
@pytest.mark.parametrize("n_leads", [1, 2])
def test_early_wide_beats_are_ventricular_and_the_others_normal(n_leads: int, turned: float) -> None:
    first, final = classed(EARLY_V, n_leads, turned)
    assert places(EARLY_V, "V") == [k for k, c in enumerate(first) if c == "V"]
    assert places(EARLY_V, "V") == [k for k, c in enumerate(final) if c == "V"]
    assert first.count("N") == len(EARLY_V) - 2


def test_early_narrow_beats_with_another_p_wave_are_supraventricular() -> None:
    first, final = classed(EARLY_S)
    assert places(EARLY_S, "S") == [k for k, c in enumerate(first) if c == "S"]
    assert places(EARLY_S, "S") == [k for k, c in enumerate(final) if c == "S"]
    assert "V" not in first + final


def test_a_heart_that_speeds_up_little_by_little_stays_normal() -> None:
    plan = [
        (float(rr), "N") for rr in np.concatenate([np.full(20, 1.0), np.geomspace(1.0, 0.55, 40), np.full(20, 0.55)])
    ]
    first, final = classed(plan)
    assert set(final) == {"N"}
    assert first.count("N") >= len(first) - 1


def test_what_can_not_be_read_is_not_classed() -> None:
    state = np.zeros(1, beat_class.STATE)[0]
    beat_class.begin(state, 1)
    beat_class.admit(state, 100.0, np.nan)
    assert chr(int(beat_class.first(beat_class.FIRST, state))) == "Q"
    assert chr(int(beat_class.final(beat_class.FINAL, state))) == "Q"


def test_a_beat_behind_a_pulse_is_paced() -> None:
    state = np.zeros(1, beat_class.STATE)[0]
    beat_class.begin(state, 1)
    beat_class.admit(state, 100.0, np.nan)
    state["paced"] = 1
    assert chr(int(beat_class.first(beat_class.FIRST, state))) == "/"
    assert chr(int(beat_class.final(beat_class.FINAL, state))) == "/"


def test_a_lead_that_is_lost_gives_way_to_a_good_one() -> None:
    state, q = np.zeros(1, beat_class.STATE)[0], np.zeros(1, energy.PARAMS)[0]
    q["n_leads"], q["stride"] = 4, energy.N_HEAD
    buffer = np.zeros(4 * energy.N_HEAD)
    buffer[energy.USABLE :: energy.N_HEAD] = [2.0, 2.0, 1.0, 2.0]
    beat_class.begin(state, 4)
    beat_class.choose(state, q, buffer)
    assert state["which"].tolist() == [0, 1]
    buffer[energy.USABLE] = 0.0
    beat_class.choose(state, q, buffer)
    assert state["which"].tolist() == [3, 1]
