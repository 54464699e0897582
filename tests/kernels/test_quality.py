"""Lead quality: what is wrong with a lead is named, and a good one is left alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.fixtures.ecg_signals import chain, feature, rhythm
from vitalcore.kernels import codes
from vitalcore.kernels.finding import FEATURE


def judged(x: NDArray[np.float64], fs_hz: float = 250, after_s: float = 14.5, to_s: float = 19.5):  # type: ignore[no-untyped-def]  # two arrays
    """Quality and reasons of the seconds while x is disturbed."""
    found = chain(x, fs_hz)
    rows = found[(found["what"] == FEATURE) & (found["code"] == codes.SIGNAL_QUALITY)]
    rows = rows[(rows["t"] > after_s * fs_hz) & (rows["t"] < to_s * fs_hz)]
    assert len(rows) >= 4
    return feature(rows, codes.SIGNAL_QUALITY), rows["reasons"]


def disturbed(change) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]  # a function of the samples from 10 to 20 s
    _, x = rhythm(250, 30)
    x[2500:5000] = change(x[2500:5000])
    return np.asarray(x)


def test_a_clean_lead_is_good_at_every_rate() -> None:
    for fs_hz in (100, 250, 1000):
        quality, reasons = judged(rhythm(fs_hz, 30)[1], fs_hz)
        assert (quality == 1).all()
        assert not reasons.any()


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("flat", lambda x: np.full_like(x, 0.1), codes.FLAT | codes.LEAD_OFF),
        ("rail", lambda x: np.full_like(x, 5.0), codes.SATURATED | codes.LEAD_OFF),
        ("clipped", lambda x: np.clip(20 * np.sin(np.arange(len(x)) / 60), -4, 4), codes.SATURATED),
        ("missing", lambda x: np.full_like(x, np.nan), codes.MISSING),
        ("white noise", lambda x: np.random.default_rng(7).normal(0, 1.0, len(x)), codes.NOISE),
        ("mains", lambda x: 2 * np.sin(2 * np.pi * 50 * np.arange(len(x)) / 250), codes.NOISE),
    ],
)
def test_a_lead_that_carries_nothing_is_unusable_and_says_why(name, change, reason) -> None:  # type: ignore[no-untyped-def]  # a table
    quality, reasons = judged(disturbed(change))
    assert (quality <= 0.3).all(), name
    assert ((reasons & reason) == reason).all(), name


def test_wander_is_named_and_costs_little() -> None:
    quality, reasons = judged(disturbed(lambda x: x + 1.5 * np.sin(2 * np.pi * 0.3 * np.arange(len(x)) / 250)))
    assert ((reasons & codes.BASELINE_WANDER) != 0).mean() > 0.5
    assert (quality > 0.5).all()


def test_a_few_missing_samples_cost_a_part() -> None:
    x = disturbed(lambda x: np.where(np.arange(len(x)) % 250 < 50, np.nan, x))
    quality, reasons = judged(x)
    assert (quality == 0.8).all()
    assert (reasons == codes.MISSING).all()


def test_pauses_of_a_slow_clean_heart_are_not_flat() -> None:
    x = np.zeros(250 * 40)
    for at in range(100, len(x) - 30, 975):  # 15.4 per minute, exactly zero between
        x[at : at + 20] = np.hanning(20)
    assert (judged(x)[0] == 1).all()


def test_a_large_offset_of_the_electrodes_is_no_rail() -> None:
    x = np.full(250 * 30, -118.0)
    for at in range(100, len(x) - 30, 500):  # 30 per minute, exactly still between
        x[at : at + 20] += np.hanning(20)
    assert (judged(x)[0] == 1).all()


def test_fibrillation_is_noisy_but_not_unusable() -> None:
    t_s = np.arange(2500) / 250
    quality, reasons = judged(
        disturbed(lambda x: 0.6 * np.sin(2 * np.pi * (5 * t_s + 0.6 * np.sin(2 * np.pi * 0.7 * t_s))))
    )
    assert (quality > 0.1).all()
    assert (reasons & codes.FLAT == 0).all()


@pytest.mark.parametrize("hz", [50, 60])
def test_mains_of_a_fifth_of_the_complex_disturbs_nothing(hz: int) -> None:
    _, x = rhythm(500, 30)
    x += 0.1 * np.sin(2 * np.pi * hz * np.arange(len(x)) / 500)
    assert (judged(x, 500)[0] > 0.9).all()
