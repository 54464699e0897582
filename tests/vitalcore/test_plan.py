"""Plans: what flows where, and how late."""

from fractions import Fraction

import numpy as np
import pytest

from vitalcore.errors import ParameterError
from vitalcore.operators.filters import Bandpass
from vitalcore.plan import Plan, source


def test_steps_that_outputs_share_run_once() -> None:
    clean = source("ecg", 250) | Bandpass(0.5, 40)
    plan = Plan(clean=clean, narrow=clean | Bandpass(1, 20), again=clean)
    assert len(plan.steps) == 2


def test_a_pipe_equals_its_operators_one_after_the_other() -> None:
    x = np.random.default_rng(1).normal(size=500)
    ecg = source("ecg", 250)
    once = Plan(y=ecg | Bandpass(0.5, 40)).run(ecg=x)["y"]
    twice = Plan(y=ecg | Bandpass(1, 20)).run(ecg=once)["y"]
    piped = Plan(y=ecg | Bandpass(0.5, 40) | Bandpass(1, 20)).run(ecg=x)["y"]
    assert piped.tobytes() == twice.tobytes()


def test_a_rate_is_kept_as_a_fraction() -> None:
    assert source("ppg", 62.5).signal.fs_hz == Fraction(125, 2)
    assert source("face", None).signal.fs_hz is None


def test_a_source_without_step_passes_its_samples_on() -> None:
    x = np.arange(5.0)
    plan = Plan(raw=source("ecg", 250))
    out = plan.run(ecg=x)["raw"]
    assert out[:, 0].tolist() == x.tolist()
    assert not np.shares_memory(out, x)


@pytest.mark.parametrize("fs_hz", [0, -1, 1e6])
def test_an_impossible_rate_is_refused_with_limit_and_value(fs_hz: float) -> None:
    with pytest.raises(ParameterError, match=r"fs_hz is .* Hz; it must lie above 0 and not above 100000 Hz"):
        source("ecg", fs_hz)


def test_a_filter_beyond_half_the_rate_is_refused_where_it_is_written() -> None:
    with pytest.raises(ParameterError, match="high_hz is 140 Hz; at fs_hz = 250 it must lie below 125 Hz"):
        source("ecg", 250) | Bandpass(0.5, 140)


def test_a_plan_without_outputs_is_refused() -> None:
    with pytest.raises(ParameterError, match="at least one output"):
        Plan()


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(ParameterError, match="two different sources are called ecg"):
        Plan(a=source("ecg", 250), b=source("ecg", 360) | Bandpass(0.5, 40))


def test_an_unknown_output_is_named_with_those_there_are() -> None:
    with pytest.raises(ParameterError, match="no output is called beats; there are clean"):
        Plan(clean=source("ecg", 250)).latency_s("beats")


def test_only_chains_have_a_wave() -> None:
    with pytest.raises(ParameterError, match="has no wave"):
        _ = source("ecg", 250).wave
