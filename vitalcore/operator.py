"""What an operator is: physical parameters that become a design when they meet a signal."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ParameterError


@dataclass(frozen=True)
class Signal:
    """Describe what flows along an edge of a plan.

    name     : ecg, ppg, resp or face
    fs_hz    : rate as a fraction; None for a variable rate, whose first column is the time in ns since the stream began
    channels : one label a column (time column not counted)
    unit     : UCUM unit of the samples
    what     : "wave" for samples, "findings" for rows of kernels.core.finding.FINDING
    delay_s  : constant delay of this wave behind its source, which a session takes off the times of findings
    """

    name: str
    fs_hz: Fraction | None
    channels: tuple[str, ...] = ("",)
    unit: str = ""
    what: str = "wave"
    delay_s: float = 0.0

    @property
    def columns(self) -> int:
        """Count the columns of a chunk, the time of a variable-rate signal included."""
        return len(self.channels) + (self.fs_hz is None)


@dataclass(frozen=True)
class Design:
    """Hold all that a session or a ward needs to run an operator on a signal.

    kernel    : step(params, *memory, x, *outs) -> count
    params    : one record, or an array
    memory    : fresh memory, copied for each session; a structured array of one row reaches the kernel as its record
    output    : what comes out
    latency_s : nothing about time t is first said after t + latency_s
    capacity  : rows of findings that n rows in can give at most, or rows out of a wave with another rate; affine in n
                up to rounding; None: n
    wave      : what a chain says beside its findings, row for row
    many      : step_many of a chain, over a table of streams
    """

    kernel: Callable[..., int]
    params: Any
    memory: tuple[NDArray[Any], ...]
    output: Signal
    latency_s: float
    capacity: Callable[[int], int] | None = None
    wave: Signal | None = None
    many: Callable[..., int] | None = None


class Operator(Protocol):
    """A frozen dataclass of physical parameters with units in their names."""

    def design(self, signal: Signal) -> Design:
        """Check the parameters against a signal and design everything that runs on it.

        Errors: ParameterError, naming the thing, the limit and the value.
        """
        ...


def regular_hz(operator: object, signal: Signal, low_hz: float = 0.0, high_hz: float = float("inf")) -> float:
    """Return the rate of a wave in Hz, or refuse the signal for what it is.

    Errors: ParameterError for findings, a variable rate, or a rate outside low_hz to high_hz.
    """
    name = type(operator).__name__
    if signal.what != "wave":
        raise ParameterError(f"{name} takes a wave; {signal.name} here is {signal.what}")
    if signal.fs_hz is None:
        raise ParameterError(f"{name} needs a fixed rate; {signal.name} has a variable one")
    if not low_hz <= signal.fs_hz <= high_hz:
        raise ParameterError(
            f"fs_hz is {float(signal.fs_hz):g} Hz; {name} takes {low_hz:g} to {high_hz:g} Hz: resample the signal first"
        )
    return float(signal.fs_hz)


def check_range(name: str, value: float, low: float, high: float, unit: str) -> None:
    """Refuse a parameter outside low to high.

    Errors: ParameterError
    """
    if not low <= value <= high:
        raise ParameterError(f"{name} is {value:g} {unit}; it must lie between {low:g} and {high:g} {unit}")


def record(**fields: Any) -> np.void:
    """Make one aligned record of parameters: floats become f8, ints i8, arrays keep their shape."""
    arrays = {
        k: np.asarray(v, dtype=np.int64 if np.asarray(v).dtype.kind in "iub" else np.float64) for k, v in fields.items()
    }
    dtype = np.dtype([(k, a.dtype, a.shape) for k, a in arrays.items()], align=True)
    row = np.zeros(1, dtype)
    for k, a in arrays.items():
        row[k] = a
    made: np.void = row[0]
    return made
