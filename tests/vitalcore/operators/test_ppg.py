"""PPG operators: what they refuse, what they promise, and what they find in real recordings."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore import Plan, source
from vitalcore.errors import ParameterError
from vitalcore.findings import beats, features
from vitalcore.fixtures.pulsatile import ppg as make
from vitalcore.kernels.core import codes
from vitalcore.operators.ppg import Ppg, Pulses


@pytest.mark.parametrize("operator", [Ppg(), Pulses()])
@pytest.mark.parametrize("fs_hz", [10, 24, 1001, 5000])
def test_rates_outside_25_to_1000_hz_are_refused(operator: Ppg | Pulses, fs_hz: int) -> None:
    with pytest.raises(ParameterError, match=rf"fs_hz is {fs_hz} Hz; \w+ takes 25 to 1000 Hz"):
        source("ppg", fs_hz) | operator


def test_a_channel_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ParameterError, match="channel is 'green'; ppg has 'red', 'infrared'"):
        source("ppg", 100, ("red", "infrared")) | Ppg(channel="green")


def test_pulses_takes_one_channel_only() -> None:
    with pytest.raises(ParameterError, match="ppg has 2"):
        source("ppg", 100, 2) | Pulses()


def test_findings_are_no_wave() -> None:
    with pytest.raises(ParameterError, match="Ppg takes a wave"):
        source("ppg", 100) | Pulses() | Ppg()


def test_the_chain_finds_the_pulses_that_the_detector_finds() -> None:
    x = make(100, np.full(40, 0.83), level=50.0).x
    ppg = source("ppg", 100)
    out = Plan(a=ppg | Pulses(), b=ppg | Ppg()).run(ppg=x)
    assert beats(out["a"]).tobytes() == beats(out["b"], codes.PULSE).tobytes()
    assert len(out["a"]) > 30


def test_the_last_pulse_of_a_recording_is_said_at_its_end() -> None:
    truth = make(125, np.full(40, 0.9))
    x = truth.x[: int((truth.peak_s[-1] + 0.15) * 125)]
    found = Plan(a=source("ppg", 125) | Pulses()).run(ppg=x)["a"]
    assert found["t"][-1] / 125 == pytest.approx(truth.peak_s[-1], abs=0.002)


def test_a_session_remembers_less_than_16_kb_at_125_hz() -> None:
    session = Plan(a=source("ppg", 125, 2) | Ppg()).open()
    assert len(session.snapshot()) < 16_000


def heartpy_data(name: str, column: int) -> NDArray[np.float64]:
    path = Path(str(files("heartpy"))) / "data" / name
    return np.genfromtxt(path, delimiter=",", skip_header=1, usecols=(column,))


def test_pulses_of_a_sensor_with_high_dicrotic_waves_are_counted_once() -> None:
    x = heartpy_data("data.csv", 0)  # 24.8 s at 100 Hz, 24 whole pulses
    found = Plan(a=source("ppg", 100) | Ppg()).run(ppg=x)["a"]
    pulses = beats(found)
    assert 24 <= len(pulses) <= 25
    assert (x[np.rint(pulses["t"]).astype(int)] > 700).all()
    rates = features(found, codes.PULSE_RATE)["value"]
    assert rates[10:] == pytest.approx(59, abs=3)


def test_a_recording_that_begins_in_disorder_gives_its_rate_when_it_is_calm() -> None:
    x = heartpy_data("data2.csv", 1)  # the sensor lies about for 40 s; then 60 to 65 a minute
    found = Plan(a=source("ppg", 117) | Ppg()).run(ppg=x)["a"]
    rates = features(found, codes.PULSE_RATE)["value"]
    assert np.isnan(rates[:25]).all()
    assert np.nanmedian(rates[85:115]) == pytest.approx(61.5, abs=2)


def test_capnobase_pulses_are_found(data: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="CapnoBase files are HDF5: needs h5py")
    hits = missed = surplus = 0
    for path in sorted((data / "capnobase").glob("*.mat"))[::5]:
        with h5py.File(path) as file:
            x, peaks = file["signal/pleth/y"][()].ravel(), file["labels/pleth/peak/x"][()].ravel()
        t = beats(Plan(a=source("ppg", 300) | Pulses()).run(ppg=x)["a"])["t"]
        near = np.abs(t[:, None] - peaks) <= 45
        hits += near.any(axis=0).sum()
        missed += (~near.any(axis=0)).sum()
        surplus += (~near.any(axis=1)).sum()
    assert 2 * hits / (2 * hits + missed + surplus) > 0.995
