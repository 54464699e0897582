"""A stream's clock: from sample counts to nanoseconds, at the edge."""

import math
from fractions import Fraction

NS = 1_000_000_000
STEP_NS = NS // 2  # a time stamp that lies further off than this is a step of the clock, not jitter
SMOOTHING = 64  # records


class Clock:
    """Turn sample indices into nanoseconds since the Unix epoch.

    The rate is a fraction and the time stamps of a gateway jitter, so their offset is smoothed over about 64 records.
    A step of the gateway's clock is told and followed at once; it never bends the count of samples.
    """

    def __init__(self, rate: Fraction) -> None:
        self.rate = rate
        self.offset_ns: int | None = None  # time of sample 0; None until a record carries a time

    def update(self, sample_index: int, t0_ns: int) -> int:
        """Take the time stamp of a sample; return by how many ns the clock has stepped, 0 for jitter."""
        offset = t0_ns - self._ns(sample_index)
        if self.offset_ns is None:
            self.offset_ns = offset
            return 0
        error = offset - self.offset_ns
        if abs(error) > STEP_NS:
            self.offset_ns = offset
            return error
        self.offset_ns += error // SMOOTHING
        return 0

    def t_ns(self, sample_index: float) -> int:
        """Return the time of a sample or of a place between two; from the stream's start while no time is known."""
        whole = math.floor(sample_index)
        part = round((sample_index - whole) * NS * self.rate.denominator / self.rate.numerator)
        return (self.offset_ns or 0) + self._ns(whole) + part

    def _ns(self, sample_index: int) -> int:
        return sample_index * NS * self.rate.denominator // self.rate.numerator
