"""Every operator, on a signal it is made for: what the laws and the mirror run on. A new operator is added here."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vitalcore import Plan, Session, source
from vitalcore.fixtures import ecg_signals, signals
from vitalcore.operator import Operator
from vitalcore.operators.ecg import Ecg, HeartRate, Hrv, PacerPulses, RPeaks
from vitalcore.operators.face import Blinks, Face
from vitalcore.operators.filters import (
    Bandpass,
    Baseline,
    Derivative,
    Fir,
    Highpass,
    LinearPhase,
    Lowpass,
    Notch,
    Resample,
)
from vitalcore.operators.moving import MovingMax, MovingMean, MovingMedian, MovingMin
from vitalcore.operators.ppg import Ppg, Pulses
from vitalcore.plan import Node

Array = NDArray[np.float64]

CAMERA_HZ = Fraction(2500, 21)  # a rate that is no whole number


@dataclass(frozen=True)
class Case:
    """An operator at the end of its chain, and input for it.

    node   : source | operator
    signal : makes n rows of honest input
    n      : rows the laws run on
    few    : rows the interpreted kernels can do in about a second
    """

    name: str
    node: Node
    signal: Callable[[np.random.Generator, int], Array]
    n: int = 2500
    few: int = 1500

    @property
    def root(self) -> str:
        """Name the source."""
        return self.node.step.root.name if self.node.step else self.node.signal.name

    def plan(self) -> Plan:
        """Make a plan of all that the operator says."""
        has_wave = self.node.step is not None and self.node.step.design.wave is not None
        return Plan(y=self.node, wave=self.node.wave) if has_wave else Plan(y=self.node)

    def input(self, seed: int, n: int | None = None) -> Array:
        """Make input in which some stretches are missing, infinite, flat, saturated or absurd."""
        rng = np.random.default_rng(seed)
        x = self.signal(rng, n or self.n)
        first = 0 if self.node.step is None or self.node.step.root.fs_hz is not None else 1  # a time stays as it is
        for _ in range(rng.integers(0, 8)):
            a = int(rng.integers(0, len(x)))
            b = a + int(rng.choice([1, 2, 10, 100, 400]))
            c = int(rng.integers(first, x.shape[1]))
            columns = slice(first, None) if rng.random() < 0.5 else slice(c, c + 1)
            what = int(rng.integers(0, 6))
            if what == 5:
                x[a : a + 1, columns] = 1e300
            else:
                x[a:b, columns] = (np.nan, np.nan, np.inf, x[a, columns], np.nanmax(x[:, first:]))[what]
        return x


def feed(session: Session, root: str, x: Array, cuts: Iterable[int]) -> dict[str, bytes]:
    """Push x in the chunks between the cuts, and finish; return the bytes of each output."""
    edges = [0, *(int(c) for c in cuts), len(x)]
    said = [session.push(**{root: x[a:b]}) for a, b in pairwise(edges)]
    said.append(session.finish())
    return {name: b"".join(out[name].tobytes() for out in said) for name in said[0]}


def _wave(operator: Operator) -> Case:
    return Case(repr(operator)[:40], source("ecg", 250, channels=2) | operator, signals.wave)


def _leads(rng: np.random.Generator, n: int, fs_hz: float, n_leads: int) -> Array:
    _, x = ecg_signals.rhythm(fs_hz, n / fs_hz, jitter=0.3, seed=int(rng.integers(1 << 30)))
    return np.column_stack([x[:n] * (1 - 0.6 * k) + 0.02 * rng.normal(size=n) for k in range(n_leads)])


def _pulses(rng: np.random.Generator, n: int) -> Array:
    x = _leads(rng, n, 500, 2)
    for k in range(60, n, 400):
        x[k : k + 2] += 1.5
    return x


CASES = [
    *(
        _wave(operator)
        for operator in (
            Bandpass(0.5, 40),
            Bandpass(5, 15, order=3),
            Lowpass(40, order=1),
            Highpass(0.5),
            Notch(50),
            Fir(tuple(np.hanning(33))),
            LinearPhase(0.5, 40, transition_hz=2),
            Derivative(),
            Baseline(),
            Resample(360),
            Resample(100),
            MovingMean(0.15),
            MovingMin(0.15),
            MovingMax(1.0),
            MovingMedian(0.15),
        )
    ),
    Case("composed", source("ecg", 360, channels=2) | Resample(250) | Bandpass(5, 15) | MovingMean(0.15), signals.wave),
    Case("RPeaks at 360 Hz", source("ecg", 360) | RPeaks(), lambda rng, n: _leads(rng, n, 360, 1)),
    Case(
        "RPeaks of a resampled and delayed wave",
        source("ecg", 360) | Resample(250) | Baseline() | RPeaks(),
        lambda rng, n: _leads(rng, n, 360, 1),
    ),
    Case("HeartRate", source("ecg", 250) | RPeaks() | HeartRate(5.0), lambda rng, n: _leads(rng, n, 250, 1)),
    Case("Hrv", source("ecg", 100) | RPeaks() | Hrv(unclassified=True), lambda rng, n: _leads(rng, n, 100, 1)),
    Case("PacerPulses of 2 at 500 Hz", source("ecg", 500, 2) | PacerPulses(), _pulses),
    Case("Ecg at 128 Hz", source("ecg", 128) | Ecg(), lambda rng, n: _leads(rng, n, 128, 1)),
    Case("Ecg of 3 at 250 Hz", source("ecg", 250, 3) | Ecg(), lambda rng, n: _leads(rng, n, 250, 3)),
    Case(
        "Pulses of a delayed and resampled wave",
        source("ppg", 125) | Resample(100) | LinearPhase(0.5, 20, transition_hz=5) | Pulses(),
        lambda rng, n: signals.ppg(rng, n, 125),
    ),
    Case("Pulses at 100 Hz", source("ppg", 100) | Pulses(), lambda rng, n: signals.ppg(rng, n, 100)),
    Case("Pulses at 119.05 Hz", source("ppg", CAMERA_HZ) | Pulses(), lambda rng, n: signals.ppg(rng, n, 119.05)),
    Case(
        "Blinks of two eyes", source("ear", None, ("left", "right")) | Blinks(), lambda rng, n: signals.ear(rng, n, 60)
    ),
    Case("Face of 68 points", source("face", None, 204) | Face("ibug68"), signals.face, n=600, few=300),
    Case("Ppg of 2 at 62.5 Hz", source("ppg", 62.5, 2) | Ppg(), lambda rng, n: signals.ppg(rng, n, 62.5, 2)),
]
