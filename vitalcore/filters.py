"""Filters as operators."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter

from vitalcore.errors import ParameterError
from vitalcore.kernels import sos
from vitalcore.operator import Design, Signal, regular_hz


@dataclass(frozen=True)
class Bandpass:
    """Keep the band from low_hz to high_hz: a Butterworth cascade.

    order : of each edge

    Errors: ParameterError
    """

    low_hz: float
    high_hz: float
    order: int = 2

    def design(self, signal: Signal) -> Design:
        """Design the cascade for a signal."""
        fs_hz = regular_hz(self, signal)
        if not 0 < self.low_hz < self.high_hz:
            raise ParameterError(
                f"low_hz is {self.low_hz:g} Hz; it must lie above 0 and below high_hz = {self.high_hz:g} Hz"
            )
        if not self.high_hz < fs_hz / 2:
            raise ParameterError(
                f"high_hz is {self.high_hz:g} Hz; at fs_hz = {fs_hz:g} it must lie below {fs_hz / 2:g} Hz"
            )
        sections = butter(self.order, [self.low_hz, self.high_hz], "bandpass", fs=fs_hz, output="sos")
        zi = np.zeros((signal.columns, len(sections), 2))
        return Design(sos.step, np.ascontiguousarray(sections), (zi,), signal, 0.0)
