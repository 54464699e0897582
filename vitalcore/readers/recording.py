"""A recording: what readers give, whatever the format of the file was."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

KINDS = ("ecg", "ppg", "abp", "resp", "face", "ear", "other")


@dataclass(frozen=True, eq=False)
class Track:
    """Hold the channels of one signal that share a rate: leads of an ECG, wavelengths of a PPG, points of a face.

    stream   : its key within the recording, such as ecg or ecg-2
    kind     : one of KINDS
    fs_hz    : rate; None for a variable rate
    channels : one label a column
    values   : [n, n_channels]; NaN is a missing sample
    unit     : of all columns; "" where the file doesn't say
    times_ns : [n], variable rate only: since the recording began, increasing
    """

    stream: str
    kind: str
    fs_hz: Fraction | None
    channels: tuple[str, ...]
    values: NDArray[np.float64]
    unit: str = ""
    times_ns: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; it must be one of {', '.join(KINDS)}")
        if self.values.ndim != 2 or self.values.shape[1] != len(self.channels):
            raise ValueError(f"values are {list(self.values.shape)}; they must be [n, {len(self.channels)}]")
        if (self.fs_hz is None) != (self.times_ns is not None):
            raise ValueError("a track has either a rate or times of its own")

    @property
    def n_samples(self) -> int:
        """Count the samples of each channel."""
        return len(self.values)

    @property
    def duration_s(self) -> float:
        """Tell how much time the samples cover; to the last frame at a variable rate."""
        if self.fs_hz is not None:
            return float(self.n_samples / self.fs_hz)
        assert self.times_ns is not None
        return float(self.times_ns[-1] - self.times_ns[0]) / 1e9 if self.n_samples else 0.0

    @property
    def n_missing(self) -> int:
        """Count the missing values in all channels."""
        return int(np.isnan(self.values).sum())

    @property
    def samples(self) -> NDArray[np.float64]:
        """Return what a session takes: the values, behind their times where the rate is variable."""
        if self.times_ns is None:
            return self.values
        return np.column_stack([self.times_ns.astype(np.float64), self.values])

    def seconds(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn times of findings (samples, or ns at a variable rate) into seconds since the recording began."""
        if self.fs_hz is None:
            return t / 1e9
        return t * self.fs_hz.denominator / self.fs_hz.numerator

    def index(self, t: NDArray[np.float64]) -> NDArray[np.int64]:
        """Find the sample nearest to each time of a finding."""
        last = max(self.n_samples - 1, 0)
        if self.times_ns is None:
            return np.clip(np.rint(t), 0, last).astype(np.int64)
        after = np.clip(np.searchsorted(self.times_ns, t), 1, max(last, 1))
        before = after - 1
        nearer = t - self.times_ns[before] <= self.times_ns[np.minimum(after, last)] - t
        return np.where(nearer, before, np.minimum(after, last)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Recording:
    """Hold what one file says about one subject.

    name   : of the record; names its folder of results
    tracks : each with its own rate, all beginning together
    start  : when the first sample was taken, if the file says so
    """

    name: str
    tracks: tuple[Track, ...]
    start: datetime | None = None

    @property
    def duration_s(self) -> float:
        """Tell the duration of the longest track."""
        return max((track.duration_s for track in self.tracks), default=0.0)
