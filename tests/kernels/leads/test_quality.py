"""Lead quality: what is wrong with a lead is named, and a good one is left alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.fixtures.ecg import ec13
from vitalcore.fixtures.ecg_signals import chain, feature, rhythm
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import FEATURE


def judged(x: NDArray[np.float64], fs_hz: float = 250, after_s: float = 14.5, to_s: float = 19.5):  # type: ignore[no-untyped-def]  # two arrays
    """Quality and reasons of the seconds while x is disturbed."""
    found = chain(x, fs_hz)
    rows = found[(found["what"] == FEATURE) & (found["code"] == codes.SIGNAL_QUALITY)]
    rows = rows[(rows["t"] > after_s * fs_hz) & (rows["t"] < to_s * fs_hz)]
    assert len(rows) > 0
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


@pytest.mark.parametrize("width_s", [0.04, 0.07, 0.1])
def test_beats_without_rest_between_them_are_no_noise(width_s: float) -> None:
    found = chain(ec13.steady(500, 350, 20, 1.0, width_s).x, 500)
    shown = found[(found["what"] == FEATURE) & (found["code"] == codes.HEART_RATE) & (found["t"] > 8 * 500)]
    np.testing.assert_allclose(feature(shown, codes.HEART_RATE), 350, atol=1)


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


def stepped(mv: float, tau_s: float, blind_s: float) -> NDArray[np.float64]:
    """A step at 10.2 s that dies away; for blind_s nothing of the heart is seen."""
    _, x = rhythm(250, 30)
    x[2550 : 2550 + round(250 * blind_s)] = 0.005 * np.random.default_rng(3).normal(size=round(250 * blind_s))
    x[2550:] += mv * np.exp(-np.arange(len(x) - 2550) / 250 / tau_s)
    return np.asarray(x)


@pytest.mark.parametrize(("mv", "tau_s", "last_s"), [(3.0, 0.8, 12), (-3.0, 1.2, 13), (5.0, 2.0, 16), (-8.0, 3.2, 18)])
def test_an_amplifier_that_recovers_is_unusable_until_it_is_calm(mv: float, tau_s: float, last_s: int) -> None:
    quality, reasons = judged(stepped(mv, tau_s, 10.0), after_s=11.5, to_s=last_s + 0.5)
    assert (quality == 0).all()
    assert ((reasons & codes.RECOVERING) != 0).all()
    quality, reasons = judged(stepped(mv, tau_s, 19.8), after_s=21.5, to_s=28.5)
    assert (quality == 1).all()
    assert not reasons.any()


def test_a_step_that_leaves_the_complexes_to_be_seen_costs_little() -> None:
    quality, reasons = judged(stepped(3.0, 1.5, 0.0), after_s=11.5, to_s=19.5)
    assert (quality > 0.5).all()
    assert not (reasons & codes.RECOVERING).any()


@pytest.mark.parametrize(("mv", "hz"), [(0.8, 0.2), (1.5, 0.3), (2.0, 0.1)])
def test_wander_without_beats_is_no_recovery(mv: float, hz: float) -> None:
    _, x = rhythm(250, 40)
    x[5000:] = 0.005 * np.random.default_rng(4).normal(size=5000)  # a heart that stops
    x += mv * np.sin(2 * np.pi * hz * np.arange(len(x)) / 250)
    quality, reasons = judged(x, after_s=20.5, to_s=39.5)
    assert ((reasons & codes.RECOVERING) != 0).sum() <= 2
    assert (quality > 0.5).sum() >= 17


def test_the_second_in_which_a_lead_comes_back_from_a_rail_is_unusable_too() -> None:
    _, x = rhythm(250, 30)
    x[2500:4990] = 5.0
    quality, _ = judged(x, after_s=13.5, to_s=21.5)
    assert quality.tolist() == [0.0] * 7 + [quality[-1]]
    assert quality[-1] > 0.5
