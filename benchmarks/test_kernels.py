"""One benchmark for every elementary kernel: `python -m pytest benchmarks --benchmark-enable`."""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from vitalcore.kernels.beats import delineate
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import BEAT, FINDING, INTERVAL_S, LABEL
from vitalcore.kernels.filters import sos
from vitalcore.kernels.models.perceptron import load
from vitalcore.operator import Operator
from vitalcore.operators.ecg import Hrv, PacerPulses, RPeaks
from vitalcore.operators.filters import Bandpass, Baseline, Derivative, Fir, Highpass, Notch, Resample
from vitalcore.operators.moving import MovingMax, MovingMean, MovingMedian, MovingMin
from vitalcore.plan import source

FS_HZ = 250
STREAMS = 1000


@pytest.mark.parametrize("n", [10, 250, 60 * FS_HZ])
@pytest.mark.parametrize(
    "operator",
    [
        Bandpass(0.5, 40),
        Highpass(0.5),
        Notch(50),
        Fir(tuple(np.hanning(101))),
        Derivative(),
        Baseline(),
        Resample(360),
        Resample(100),
        MovingMean(0.6),
        MovingMin(0.6),
        MovingMax(0.6),
        MovingMedian(0.6),
    ],
    ids=lambda operator: repr(operator)[:30],
)
def test_elementary_kernel(benchmark: BenchmarkFixture, operator: Operator, n: int) -> None:
    design = operator.design(source("ecg", FS_HZ).signal)
    x = np.random.default_rng(0).normal(size=(n, 1))
    out = np.empty((design.capacity(n) if design.capacity else n, 1))
    benchmark(design.kernel, design.params, *design.memory, x, out)


@pytest.mark.parametrize("n", [10, 250])
def test_biquads_in_a_table_of_streams(benchmark: BenchmarkFixture, n: int) -> None:
    sections = Bandpass(0.5, 40).design(source("ecg", FS_HZ).signal).params
    soses, zis = np.tile(sections, (STREAMS, 1, 1)), np.full((STREAMS, 1, len(sections), 2), np.nan)
    slots, offsets = np.arange(STREAMS), np.arange(STREAMS + 1) * n
    x = np.random.default_rng(0).normal(size=(STREAMS * n, 1))
    benchmark(sos.step_many, soses, zis, slots, offsets, x, np.empty_like(x))


def test_delineation_of_a_beat(benchmark: BenchmarkFixture) -> None:
    scratch = np.zeros(1, delineate.SCRATCH)[0]
    t = np.arange(delineate.N_SNIP) - delineate.R_AT
    waves = ((0.1, -42, 6), (1.0, 0, 3), (0.3, 70, 12))
    scratch["x"][:] = sum(mv * np.exp(-0.5 * ((t - at) / wide) ** 2) for mv, at, wide in waves)
    scratch["before"] = delineate.UNKNOWN_RR
    benchmark(delineate.find, *load("delineation"), scratch)


def test_variability_of_an_hour_of_beats(benchmark: BenchmarkFixture) -> None:
    design = Hrv().design((source("ecg", FS_HZ) | RPeaks()).signal)
    beats = np.zeros(4500, FINDING)
    beats["what"], beats["code"], beats["quality"] = BEAT, codes.HEART_BEAT, 1.0
    beats["t"] = np.random.default_rng(0).normal(0.8, 0.03, len(beats)).cumsum() * FS_HZ
    beats["t_known"] = np.ceil(beats["t"]) + 60
    beats["body"][:, INTERVAL_S] = np.diff(beats["t"], prepend=np.nan) / FS_HZ
    beats["body"][:, LABEL] = ord("N")
    out = np.zeros(8 * len(beats), FINDING)

    def hour() -> None:
        design.kernel(design.params, np.zeros_like(design.memory[0])[0], beats, out)

    benchmark(hour)


@pytest.mark.parametrize("n_leads", [1, 12])
def test_pacemaker_pulses_of_ten_seconds(benchmark: BenchmarkFixture, n_leads: int) -> None:
    design = PacerPulses().design(source("ecg", 500, n_leads).signal)
    x = np.random.default_rng(0).normal(size=(5000, n_leads)).cumsum(axis=0) * 0.01
    out = np.zeros(design.capacity(len(x)) if design.capacity else 1, FINDING)
    benchmark(design.kernel, design.params, design.memory[0][0], x, np.empty_like(x), out)
