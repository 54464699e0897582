"""Filters as operators.

Each begins in the steady state of the first sample that is there, so that a level makes no transient. A missing sample
(NaN) comes out as NaN, at its place. What a cascade of biquads remembers waits for the next sample that is there; a
filter of finite length takes a missing sample for the one before it. Where a filter declares a delay, what it would say
of the time before the stream is NaN.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, firwin, iirnotch, kaiserord

from vitalcore.errors import ParameterError
from vitalcore.kernels.filters import baseline, derivative, fir, median, resample, sos
from vitalcore.operator import Design, Signal, check_range, regular_hz

MAX_TAPS = 100_001
MAX_FACTOR = 10_000


@dataclass(frozen=True)
class Bandpass:
    """Keep the band from low_hz to high_hz: a Butterworth cascade.

    order : of each edge, 1 to 10

    Latency: none; the delay hangs on the frequency.
    Errors: ParameterError
    """

    low_hz: float
    high_hz: float
    order: int = 2

    def design(self, signal: Signal) -> Design:
        """Design the cascade for a signal."""
        fs_hz = regular_hz(self, signal)
        _check_edges(self.low_hz, self.high_hz, fs_hz)
        return _butterworth(self.order, [self.low_hz, self.high_hz], "bandpass", fs_hz, signal)


@dataclass(frozen=True)
class Lowpass:
    """Keep what lies below high_hz: a Butterworth cascade.

    order : 1 to 10

    Latency: none; the delay hangs on the frequency.
    Errors: ParameterError
    """

    high_hz: float
    order: int = 2

    def design(self, signal: Signal) -> Design:
        """Design the cascade for a signal."""
        fs_hz = regular_hz(self, signal)
        _check_edges(None, self.high_hz, fs_hz)
        return _butterworth(self.order, [self.high_hz], "lowpass", fs_hz, signal)


@dataclass(frozen=True)
class Highpass:
    """Keep what lies above low_hz: a Butterworth cascade.

    order : 1 to 10

    Latency: none; the delay hangs on the frequency.
    Errors: ParameterError
    """

    low_hz: float
    order: int = 2

    def design(self, signal: Signal) -> Design:
        """Design the cascade for a signal."""
        fs_hz = regular_hz(self, signal)
        _check_edges(self.low_hz, None, fs_hz)
        return _butterworth(self.order, [self.low_hz], "highpass", fs_hz, signal)


@dataclass(frozen=True)
class Notch:
    """Take out the hum of the mains: one biquad with a zero on mains_hz.

    mains_hz : 50 or 60
    q        : mains_hz over the width of the notch at -3 dB, 1 to 1,000

    Latency: none.
    Errors: ParameterError
    """

    mains_hz: float = 50
    q: float = 30

    def design(self, signal: Signal) -> Design:
        """Design the biquad for a signal."""
        fs_hz = regular_hz(self, signal)
        if self.mains_hz not in (50, 60):
            raise ParameterError(f"mains_hz is {self.mains_hz:g} Hz; it must be 50 or 60 Hz")
        _check_edges(None, self.mains_hz, fs_hz, high="mains_hz")
        check_range("q", self.q, 1, 1000, "")
        b, a = iirnotch(self.mains_hz, self.q, fs=fs_hz)
        return _cascade(np.concatenate([b, a])[None, :], signal)


@dataclass(frozen=True)
class Fir:
    """Convolve with an impulse response of your own.

    taps : impulse response, 1 to 100,001 finite numbers

    Latency: (n_taps - 1) / 2 samples where the taps are symmetric or antisymmetric, which delays all frequencies alike;
    that delay is then declared as the output's `delay_s`. Otherwise none is declared.
    Errors: ParameterError
    """

    taps: tuple[float, ...]

    def __post_init__(self) -> None:
        """Accept any row of numbers."""
        object.__setattr__(self, "taps", tuple(float(t) for t in self.taps))

    def design(self, signal: Signal) -> Design:
        """Lay out the ring for a signal."""
        fs_hz = regular_hz(self, signal)
        if not 1 <= len(self.taps) <= MAX_TAPS:
            raise ParameterError(f"taps has {len(self.taps)} numbers; it must have 1 to {MAX_TAPS}")
        taps = np.array(self.taps)
        if not np.isfinite(taps).all():
            raise ParameterError(f"taps[{int(np.flatnonzero(~np.isfinite(taps))[0])}] is not finite")
        even_or_odd = any(np.allclose(taps, s * taps[::-1], rtol=1e-9, atol=0.0) for s in (1, -1))
        return _convolution(taps, even_or_odd, fs_hz, signal)


@dataclass(frozen=True)
class LinearPhase:
    """Keep the band from low_hz to high_hz and delay all of it alike: a Kaiser-windowed FIR filter.

    low_hz, high_hz : edges at -6 dB; None: that side stays open
    transition_hz   : from pass to stop
    ripple_db       : how far the stop band lies below the pass band, 20 to 120

    Latency: half the length of the filter, about (ripple_db - 8) / (28.7 transition_hz) s.
    Errors: ParameterError
    Source: J. F. Kaiser (1974), Proc IEEE ISCAS, 20-23; designed by `scipy.signal.firwin`.
    """

    low_hz: float | None
    high_hz: float | None
    transition_hz: float
    ripple_db: float = 60

    def design(self, signal: Signal) -> Design:
        """Design the taps for a signal."""
        fs_hz = regular_hz(self, signal)
        edges = [edge for edge in (self.low_hz, self.high_hz) if edge is not None]
        if not edges:
            raise ParameterError("low_hz and high_hz are both None; at least one must be given")
        _check_edges(self.low_hz, self.high_hz, fs_hz)
        check_range("transition_hz", self.transition_hz, 1e-9 * fs_hz, fs_hz / 2, "Hz")
        check_range("ripple_db", self.ripple_db, 20, 120, "dB")
        n_taps, beta = kaiserord(self.ripple_db, self.transition_hz / (fs_hz / 2))
        n_taps |= 1
        if n_taps > MAX_TAPS:
            raise ParameterError(
                f"transition_hz is {self.transition_hz:g} Hz; at fs_hz = {fs_hz:g} that needs {n_taps} taps of at most "
                f"{MAX_TAPS}"
            )
        taps = firwin(n_taps, edges, window=("kaiser", beta), pass_zero=self.low_hz is None, fs=fs_hz)
        return _convolution(taps, True, fs_hz, signal)


@dataclass(frozen=True)
class Derivative:
    """Take the slope by central difference, in the signal's unit a second; NaN where a neighbour is missing.

    Latency: one sample.
    Errors: ParameterError
    """

    def design(self, signal: Signal) -> Design:
        """Lay out the two samples for a signal."""
        fs_hz = regular_hz(self, signal)
        memory = np.full((signal.columns, 2), np.nan)
        unit = f"{signal.unit}/s" if signal.unit else ""
        output = replace(signal, unit=unit, delay_s=signal.delay_s + 1 / fs_hz)
        return Design(derivative.step, np.array([fs_hz]), (memory,), output, 1 / fs_hz)


@dataclass(frozen=True)
class Baseline:
    """Take off the baseline, found by two running medians, without bending what stands on it.

    first_s, second_s : windows, 0 to 60 s; for the ECG 0.2 s drops QRS and P waves, then 0.6 s drops T waves. A pulse
                        wave needs windows longer than its beats.

    Nothing comes out (NaN) before the first window's middle; missing samples are left out of the medians.

    Latency: (first_s + second_s) / 2, for all frequencies alike, declared as the output's `delay_s`.
    Errors: ParameterError
    Source: P. de Chazal, M. O'Dwyer, R. B. Reilly (2004), IEEE Trans Biomed Eng 51(7), 1196-1206.
    """

    first_s: float = 0.2
    second_s: float = 0.6

    def design(self, signal: Signal) -> Design:
        """Lay out both medians and the delay line for a signal."""
        fs_hz = regular_hz(self, signal)
        check_range("first_s", self.first_s, 0, 60, "s")
        check_range("second_s", self.second_s, 0, 60, "s")
        first, second = (2 * int(window_s * fs_hz / 2) + 1 for window_s in (self.first_s, self.second_s))
        delay = (first - 1) // 2 + (second - 1) // 2
        n = signal.columns
        state = np.zeros((n, 2 * median.N_STATE + 1), np.int64)
        index = np.zeros((n, 4, first + second), np.int64)
        index[:, median.SIDE] = median.NOWHERE
        buffer = np.full((n, first + second + delay + 1), np.nan)
        output = replace(signal, delay_s=signal.delay_s + delay / fs_hz)
        return Design(baseline.step, np.array([first, second]), (state, index, buffer), output, delay / fs_hz)


@dataclass(frozen=True)
class Resample:
    """Change the rate to fs_hz, keeping what lies below both half rates.

    fs_hz : Hz, a fraction where it is no whole number; the ratio of the rates in lowest terms has parts up to 10,000

    A gap keeps its length: a sample out is missing where the sample in nearest to it, on either side, is missing.

    Latency: half the length of the filter, 10 samples of the slower rate, declared as the output's `delay_s`.
    Errors: ParameterError
    Source: the filter of `scipy.signal.resample_poly`, with the gain of each phase at 0 Hz set to 1: a level stays one.
    """

    fs_hz: float | Fraction

    def design(self, signal: Signal) -> Design:
        """Design the phases for a signal."""
        regular_hz(self, signal)
        assert signal.fs_hz is not None  # regular_hz has refused a variable rate
        if not 0 < self.fs_hz <= MAX_FACTOR * signal.fs_hz:
            raise ParameterError(
                f"fs_hz is {float(self.fs_hz):g} Hz; it must lie above 0 and not above {MAX_FACTOR * signal.fs_hz} Hz"
            )
        target = Fraction(self.fs_hz).limit_denominator(1_000_000)
        up, down = (target / signal.fs_hz).as_integer_ratio()
        if max(up, down) > MAX_FACTOR:
            raise ParameterError(
                f"fs_hz is {target}; over {signal.fs_hz} that is {up}/{down}, whose parts must not exceed {MAX_FACTOR}"
            )
        centre = ceil(Fraction(10 * max(up, down), up)) if up != down else 0
        n_taps = 2 * centre + 1
        taps = np.zeros(n_taps * up)
        taps[: 2 * centre * up + 1] = (
            up * firwin(2 * centre * up + 1, 1 / max(up, down), window=("kaiser", 5.0)) if centre else 1.0
        )
        phases = np.ascontiguousarray(taps.reshape(n_taps, up).T[:, ::-1])
        phases /= phases.sum(axis=1, keepdims=True)  # else a level ripples
        rings = np.full((signal.columns, 2, 2 * n_taps), np.nan)
        delay_s = float(centre / signal.fs_hz)
        return Design(
            resample.step,
            (np.array([up, down, centre]), phases),
            (np.zeros(2, np.int64), rings),
            replace(signal, fs_hz=target, delay_s=signal.delay_s + delay_s),
            delay_s,
            capacity=lambda n: n * up // down + 1,
        )


def _check_edges(low_hz: float | None, high_hz: float | None, fs_hz: float, high: str = "high_hz") -> None:
    if low_hz is not None and high_hz is not None and not 0 < low_hz < high_hz:
        raise ParameterError(f"low_hz is {low_hz:g} Hz; it must lie above 0 and below high_hz = {high_hz:g} Hz")
    for name, edge_hz in (("low_hz", low_hz), (high, high_hz)):
        if edge_hz is not None and not edge_hz > 0:
            raise ParameterError(f"{name} is {edge_hz:g} Hz; it must lie above 0")
        if edge_hz is not None and not edge_hz < fs_hz / 2:
            raise ParameterError(f"{name} is {edge_hz:g} Hz; at fs_hz = {fs_hz:g} it must lie below {fs_hz / 2:g} Hz")


def _butterworth(
    order: int, edges_hz: list[float], kind: Literal["bandpass", "lowpass", "highpass"], fs_hz: float, signal: Signal
) -> Design:
    if order not in range(1, 11):
        raise ParameterError(f"order is {order}; it must be a whole number from 1 to 10")
    sections = butter(order, edges_hz if len(edges_hz) > 1 else edges_hz[0], kind, fs=fs_hz, output="sos")
    if not (1 - abs(sections[:, 5]) > 1e-12).all() or not (1 + sections[:, 4] + sections[:, 5] > 1e-15).all():
        raise ParameterError(
            f"an edge at {edges_hz[0]:g} Hz lies too near 0 for order {order} at fs_hz = {fs_hz:g}: resample first"
        )
    return _cascade(sections, signal)


def _cascade(sections: NDArray[np.float64], signal: Signal) -> Design:
    zi = np.full((signal.columns, len(sections), 2), np.nan)
    return Design(sos.step, np.ascontiguousarray(sections), (zi,), signal, 0.0)


def _convolution(taps: NDArray[np.float64], even: bool, fs_hz: float, signal: Signal) -> Design:
    delay = (len(taps) - 1) / 2 if even else 0.0
    params = np.array([floor(delay), ceil(delay)]), taps[::-1].copy()
    memory = np.zeros(1, np.int64), np.full((signal.columns, 2, 2 * len(taps)), np.nan)
    output = replace(signal, delay_s=signal.delay_s + delay / fs_hz)
    return Design(fir.step, params, memory, output, delay / fs_hz)
