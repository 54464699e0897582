"""Statistics of the last window_s as operators.

A missing sample (NaN) takes its place in the window and is left out of the statistic; a window without any sample gives
NaN. At the beginning the window is as long as the stream.
"""

from dataclasses import dataclass, replace

import numpy as np

from vitalcore.errors import ParameterError
from vitalcore.kernels.filters import median, moving
from vitalcore.operator import Design, Signal, regular_hz

MAX_WINDOW = 1_000_000


@dataclass(frozen=True)
class MovingMean:
    """Average the last window_s.

    window_s : rounded to whole samples, at least one

    Latency: to the middle of the window, declared as the output's `delay_s`.
    Errors: ParameterError
    """

    window_s: float

    def design(self, signal: Signal) -> Design:
        """Lay out the sums for a signal."""
        n, output, latency_s = _window(self, self.window_s, signal)
        memory = np.zeros(signal.columns, np.int64), np.zeros((signal.columns, 2 * (1 + n)))
        return Design(moving.step_mean, np.array([n]), memory, output, latency_s)


@dataclass(frozen=True)
class MovingMin:
    """Find the smallest sample of the last window_s.

    window_s : rounded to whole samples, at least one

    Latency: to the middle of the window, declared as the output's `delay_s`.
    Errors: ParameterError
    """

    window_s: float

    def design(self, signal: Signal) -> Design:
        """Lay out the block for a signal."""
        return _extreme(self, self.window_s, -1, signal)


@dataclass(frozen=True)
class MovingMax:
    """Find the largest sample of the last window_s.

    window_s : rounded to whole samples, at least one

    Latency: to the middle of the window, declared as the output's `delay_s`.
    Errors: ParameterError
    """

    window_s: float

    def design(self, signal: Signal) -> Design:
        """Lay out the block for a signal."""
        return _extreme(self, self.window_s, 1, signal)


@dataclass(frozen=True)
class MovingMedian:
    """Take the median of the last window_s; of an even number of samples the mean of the middle two.

    window_s : rounded to whole samples, at least one

    Latency: to the middle of the window, declared as the output's `delay_s`.
    Errors: ParameterError
    """

    window_s: float

    def design(self, signal: Signal) -> Design:
        """Lay out the heaps for a signal."""
        n, output, latency_s = _window(self, self.window_s, signal)
        state = np.zeros((signal.columns, median.N_STATE), np.int64)
        index = np.zeros((signal.columns, 4, n), np.int64)
        index[:, median.SIDE] = median.NOWHERE
        memory = state, index, np.zeros((signal.columns, n))
        return Design(median.step, np.array([n]), memory, output, latency_s)


def _extreme(operator: object, window_s: float, sign: int, signal: Signal) -> Design:
    n, output, latency_s = _window(operator, window_s, signal)
    memory = np.zeros(signal.columns, np.int64), np.full((signal.columns, 1 + n), -np.inf)
    return Design(moving.step_max, np.array([n, sign]), memory, output, latency_s)


def _window(operator: object, window_s: float, signal: Signal) -> tuple[int, Signal, float]:
    fs_hz = regular_hz(operator, signal)
    if not 0 < window_s * fs_hz <= MAX_WINDOW:
        raise ParameterError(
            f"window_s is {window_s:g} s; at fs_hz = {fs_hz:g} it must lie above 0, up to {MAX_WINDOW / fs_hz:g} s"
        )
    n = max(1, round(window_s * fs_hz))
    latency_s = (n - 1) / 2 / fs_hz
    return n, replace(signal, delay_s=signal.delay_s + latency_s), latency_s
