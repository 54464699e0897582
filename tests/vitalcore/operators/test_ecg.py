"""ECG operators: what they refuse, what they promise, and that they live in plans, sessions and wards."""

import numpy as np
import pytest

from vitalcore import Plan, source
from vitalcore.errors import ParameterError
from vitalcore.findings import beats, events, features
from vitalcore.fixtures.ecg_signals import rhythm
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import ALARM, EVENT, EVIDENCE_TO
from vitalcore.operators.ecg import Ecg, HeartRate, RPeaks
from vitalcore.operators.filters import Bandpass


@pytest.mark.parametrize("operator", [Ecg(), RPeaks()])
@pytest.mark.parametrize("fs_hz", [50, 99, 1001, 2000])
def test_rates_outside_100_to_1000_hz_are_refused(operator, fs_hz) -> None:  # type: ignore[no-untyped-def]  # operators
    with pytest.raises(ParameterError, match=rf"fs_hz is {fs_hz} Hz; \w+ takes 100 to 1000 Hz"):
        source("ecg", fs_hz) | operator


@pytest.mark.parametrize("operator", [Ecg(), RPeaks()])
def test_more_than_twelve_leads_are_refused(operator) -> None:  # type: ignore[no-untyped-def]  # operators
    with pytest.raises(ParameterError, match="13 leads"):
        source("ecg", 250, 13) | operator


def test_heart_rate_takes_findings_only() -> None:
    with pytest.raises(ParameterError, match="HeartRate takes beats"):
        source("ecg", 250) | HeartRate()


@pytest.mark.parametrize("window_s", [0, 0.5, 400, float("nan")])
def test_a_window_out_of_range_is_refused(window_s: float) -> None:
    with pytest.raises(ParameterError, match="window_s"):
        source("ecg", 250) | RPeaks() | HeartRate(window_s=window_s)


def test_the_declared_latency_is_kept_by_everything_said() -> None:
    _, x = rhythm(250, 60, jitter=0.4)
    x[5000:5700] = np.nan
    ecg = source("ecg", 250)
    plan = Plan(beats=ecg | RPeaks(), chain=ecg | Ecg())
    out = plan.run(ecg=x)
    assert plan.latency_s("beats") <= 1.4
    for name in ("beats", "chain"):
        found = out[name][out[name]["what"] != ALARM]  # of those the laws see to it
        about = np.where(found["what"] == EVENT, found["body"][:, EVIDENCE_TO], found["t"])
        assert ((found["t_known"] - about) / 250).max() <= plan.latency_s(name)


def test_the_last_beat_of_a_recording_is_said_at_its_end() -> None:
    r_s, x = rhythm(250, 30)
    x = x[: round((r_s[-1] + 0.12) * 250)]
    found = Plan(beats=source("ecg", 250) | Ecg()).run(ecg=x)["beats"]
    assert beats(found)["t"][-1] / 250 == pytest.approx(r_s[-1], abs=0.002)


@pytest.mark.parametrize("n", [7500, 7625, 7740])
def test_the_end_of_a_recording_is_no_loss_of_signal(n: int) -> None:
    _, x = rhythm(250, 40)
    found = events(Plan(all=source("ecg", 250) | Ecg()).run(ecg=x[:n])["all"])
    assert found["code"].tolist() == [codes.SINUS_RHYTHM]


def test_detection_after_a_band_pass_or_inside_the_chain_finds_the_same_beats() -> None:
    _, x = rhythm(360, 60)
    ecg = source("ecg", 360)
    out = Plan(plain=ecg | RPeaks(), chain=ecg | Ecg(), clean=ecg | Bandpass(0.5, 40) | RPeaks()).run(ecg=x)
    assert beats(out["plain"])["t"].tolist() == beats(out["chain"])["t"].tolist()
    assert len(out["clean"]) == len(out["plain"])


def test_heart_rate_averages_the_beats_of_its_window() -> None:
    _, x = rhythm(250, 60, jitter=0.3)
    node = source("ecg", 250) | RPeaks()
    out = Plan(beats=node, rate=node | HeartRate(window_s=10)).run(ecg=x)
    t_s = beats(out["beats"])["t"] / 250
    rates = features(out["rate"], codes.HEART_RATE)
    assert len(rates) == len(t_s)
    assert np.isnan(rates["value"][0])
    for k in range(1, len(t_s)):
        within = t_s[(t_s >= t_s[k] - 10) & (t_s <= t_s[k])]
        assert rates["value"][k] == pytest.approx(60 * (len(within) - 1) / (within[-1] - within[0]), rel=1e-9)
    assert rates["t"].tolist() == out["beats"]["t"].tolist()
    assert rates["t_known"].tolist() == out["beats"]["t_known"].tolist()


def test_heart_rate_begins_anew_after_a_gap_and_takes_no_other_findings() -> None:
    _, x = rhythm(250, 40)
    x[5000:6250] = np.nan
    out = Plan(rate=source("ecg", 250) | Ecg() | HeartRate(window_s=20)).run(ecg=x)["rate"]
    first = out[out["t"] > 6250][0]
    assert np.isnan(first["body"][0])
    assert first["reasons"] & codes.TOO_FEW_BEATS
    assert set(out["code"].tolist()) == {codes.HEART_RATE}
