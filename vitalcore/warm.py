"""Every kernel run once on a few samples, so that it is compiled before somebody waits for it."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from vitalcore.operator import Operator
from vitalcore.operators.ecg import Ecg, HeartRate, RPeaks
from vitalcore.operators.face import Blinks, Face
from vitalcore.operators.filters import Bandpass, Baseline, Derivative, LinearPhase, Resample
from vitalcore.operators.moving import MovingMax, MovingMean, MovingMedian, MovingMin
from vitalcore.operators.ppg import Ppg, Pulses
from vitalcore.plan import Node, Plan, source
from vitalcore.ward import Ward

Part = tuple[str, Callable[[], object]]

ECG = source("ecg", 250, unit="mV")
SOURCES = {"ecg": ECG, "ppg": source("ppg", 100), "face": source("face", None, 3 * 478)}
CHAINS: Mapping[str, Operator] = {"ecg": Ecg(), "ppg": Ppg(), "face": Face()}


def wards(operators: Mapping[str, Operator] = CHAINS) -> list[Part]:
    """List what an engine runs: each chain over a table of streams."""
    return [(f"{kind} in wards", partial(_ward, SOURCES[kind], chain)) for kind, chain in operators.items()]


def sessions() -> list[Part]:
    """List what the analysis of recordings runs: each chain in a session."""
    return [(f"{kind} in sessions", partial(_session, SOURCES[kind] | chain)) for kind, chain in CHAINS.items()]


def operators() -> list[Part]:
    """List what developers run: every other operator in a session."""
    waves = (Bandpass(0.5, 40), LinearPhase(0.5, 40, 1), Derivative(), Baseline(), Resample(100))
    windows = (MovingMean(0.2), MovingMin(0.2), MovingMax(0.2), MovingMedian(0.2))
    nodes = [ECG | operator for operator in (*waves, *windows)]
    nodes += [ECG | RPeaks() | HeartRate(), SOURCES["ppg"] | Pulses(), source("face", None, 2) | Blinks()]
    return [(type(node.step.operator).__name__, partial(_session, node)) for node in nodes if node.step]


def _session(node: Node) -> None:
    root = node.step.root if node.step else node.signal
    Plan(all=node).open().push(**{root.name: np.zeros((1, root.columns))})


def _ward(node: Node, chain: Operator) -> None:
    design = chain.design(node.signal)
    ward = Ward(design, 1)
    slot = ward.open(design, node.signal)
    ward.push([slot], np.array([0, 1]), np.zeros((1, node.signal.columns)))
