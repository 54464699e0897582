"""Benchmarks of the detectors, of each signal's chain alone and in a table of streams, and of the wire's kernels."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from vitalcore.fixtures import recordings
from vitalcore.fixtures.face import simulate_face
from vitalcore.kernels.core.finding import FINDING
from vitalcore.kernels.wire import records, spell
from vitalcore.operators.ecg import Ecg, HeartRate, RPeaks
from vitalcore.operators.face import Blinks, Face, frames
from vitalcore.operators.ppg import Ppg, Pulses
from vitalcore.plan import Node, Plan, source
from vitalcore.streams.engine.engine import parts
from vitalcore.streams.protocol import wire
from vitalcore.ward import Ward

STREAMS = 200
SECONDS = 20
MADE = simulate_face(SECONDS, 30.0, "mp478")
EARS = np.column_stack([MADE.t_ns, np.full((len(MADE.t_ns), 2), 0.3)])
ECG, PPG = source("ecg", 250, unit="mV"), source("ppg", 125)
FACE, EYES = source("face", None, 3 * 478), source("face", None, 2)
INPUTS: dict[str, NDArray[np.float64]] = {
    "ecg": recordings.heart(SECONDS)[:, None],
    "ppg": recordings.pulses(SECONDS)[:, None],
    "face": frames(MADE.t_ns, MADE.points),
}
DETECTORS = {"RPeaks": ECG | RPeaks(), "Pulses": PPG | Pulses(), "Blinks": EYES | Blinks()}
CHAINS = {"Ecg": ECG | Ecg(), "Ppg": PPG | Ppg(), "Face": FACE | Face()}


@pytest.mark.parametrize("name", [*DETECTORS, *CHAINS])
def test_a_recording(benchmark: BenchmarkFixture, name: str) -> None:
    node: Node = {**DETECTORS, **CHAINS}[name]
    x = EARS if name == "Blinks" else INPUTS[node.signal.name]
    benchmark(Plan(found=node).run, **{node.signal.name: x})


def test_rates_of_beats(benchmark: BenchmarkFixture) -> None:
    design = HeartRate().design((ECG | RPeaks()).signal)
    beats = Plan(found=ECG | RPeaks()).run(ecg=INPUTS["ecg"])["found"]
    state, *rest = design.memory
    benchmark(design.kernel, design.params, state[0], *rest, beats, np.zeros(len(beats), FINDING))


@pytest.mark.parametrize("n", [1, 10])
@pytest.mark.parametrize("name", CHAINS)
def test_a_ward(benchmark: BenchmarkFixture, name: str, n: int) -> None:
    node = CHAINS[name]
    assert node.step is not None
    ward = Ward(node.step.design, STREAMS)
    slots = [ward.open(node.step.design, node.step.root) for _ in range(STREAMS)]
    offsets = np.arange(STREAMS + 1) * n
    x = np.tile(INPUTS[node.signal.name][:n], (STREAMS, 1))
    benchmark(ward.push, slots, offsets, x)


def test_records_are_spelled(benchmark: BenchmarkFixture) -> None:
    fields, payload = np.ones((STREAMS, 5), np.int64), np.zeros((STREAMS, 40), np.uint8)
    block = np.zeros(STREAMS * (wire.RECORD.size + 40), np.uint8)
    words, halves = block.view(np.int64), block.view(np.uint32)
    benchmark(spell.step, records.CRC_SLICES, fields, 1, 20, 1, 1, payload, words, halves, block)


def test_checksums(benchmark: BenchmarkFixture) -> None:
    data = np.zeros(1 << 16, np.uint8)
    for _, compile_ in parts({}):
        compile_()
    benchmark(records.crc32, records.CRC_SLICES, data, 0, len(data), 0)
