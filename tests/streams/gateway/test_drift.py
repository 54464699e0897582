"""Clock offset and drift from simulated round trips."""

import numpy as np
import pytest

from vitalcore.streams.gateway.drift import Drift

DAY_NS = 86_400_000_000_000
T_NS = 1_700_000_000_000_000_000


def simulate(drift: Drift, ppm: float, hours: float, step_at_h: float = 99, step_ns: int = 0, seed: int = 0) -> int:
    """Ask every 2 s over a network that delays by 1 ms and some exponential jitter each way; return the true offset."""
    rng = np.random.default_rng(seed)
    offset = 0
    for t in range(0, int(hours * 3_600_000_000_000), 2_000_000_000):
        there, back = (1_000_000 + rng.exponential(20_000_000, 2)).astype(int)
        offset = 12_345_678 + int(t * ppm / 1e6) + (step_ns if t > step_at_h * 3_600_000_000_000 else 0)
        t1 = T_NS + t
        drift.add(t1, t1 + offset + there, t1 + offset + there + 50_000, t1 + there + back + 50_000)
    return offset


@pytest.mark.parametrize("ppm", [-200, -20, 0, 20, 200])
def test_over_a_day_the_drift_is_known_to_5_ppm_whatever_the_network_does(ppm: int) -> None:
    drift = Drift()
    truth = simulate(drift, ppm, 24)
    assert drift.ppm == pytest.approx(ppm, abs=5)
    assert drift.offset_ns == pytest.approx(truth, abs=20_000_000)


def test_the_drift_is_not_said_before_it_can_be_known() -> None:
    drift = Drift()
    simulate(drift, 200, 0.1)
    assert drift.ppm is None


@pytest.mark.parametrize("step_ns", [-3_600_000_000_000, -1_000_000_000, 1_000_000_000, 3_600_000_000_000])
def test_a_clock_that_is_set_begins_the_estimate_anew(step_ns: int) -> None:
    drift = Drift()
    truth = simulate(drift, 100, 12, step_at_h=6, step_ns=step_ns)
    assert drift.steps == 1
    assert drift.ppm == pytest.approx(100, abs=5)
    assert drift.offset_ns == pytest.approx(truth, abs=20_000_000)


def test_a_day_offline_is_no_step() -> None:
    drift = Drift()
    simulate(drift, 200, 1)
    t1 = T_NS + DAY_NS
    offset = 12_345_678 + int(DAY_NS * 200e-6)
    drift.add(t1, t1 + offset + 10**6, t1 + offset + 10**6, t1 + 2 * 10**6)
    assert drift.steps == 0
