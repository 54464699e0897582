"""ECG signals with exact truth, and the ways to run a chain over them."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.ecg import Ecg, RPeaks
from vitalcore.kernels.finding import BEAT, FEATURE, FINDING, LABEL, VALUE
from vitalcore.operator import Design, Signal


def wave(t_s: NDArray[np.float64], r_s: NDArray[np.float64], height_mv: float = 1.0) -> NDArray[np.float64]:
    """Sum up Gaussians for Q, R, S and T at each R time; extremum of R within 0.1 ms of the truth."""
    x = np.zeros_like(t_s)
    for at_s, mv, sigma_s in ((-0.03, -0.1, 0.008), (0.0, 1.0, 0.011), (0.03, -0.1, 0.008), (0.26, 0.25, 0.045)):
        for r in r_s:
            near = slice(*np.searchsorted(t_s, [r + at_s - 6 * sigma_s, r + at_s + 6 * sigma_s]))
            x[near] += height_mv * mv * np.exp(-0.5 * ((t_s[near] - r - at_s) / sigma_s) ** 2)
    return x


def rhythm(fs_hz: float, duration_s: float, rate: float = 75.0, jitter: float = 0.05, seed: int = 1) -> Any:
    """Make R times and samples of a slightly irregular rhythm, with a little noise."""
    rng = np.random.default_rng(seed)
    r_s = 0.5 + np.cumsum(60 / rate * (1 + jitter * rng.uniform(-1, 1, int(duration_s * rate / 60) + 1)))
    r_s = r_s[r_s < duration_s - 0.5]
    t_s = np.arange(int(duration_s * fs_hz)) / fs_hz
    return r_s, wave(t_s, r_s) + 0.01 * rng.normal(size=len(t_s))


def signal(fs_hz: float, n_leads: int = 1) -> Signal:
    return Signal("ecg", Fraction(fs_hz), tuple(str(k) for k in range(n_leads)), "mV")


def run(design: Design, chunks: Iterable[NDArray[np.float64]]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Run a design over chunks; findings and wave (empty where it has none)."""
    memory = tuple(part.copy() for part in design.memory)
    places = tuple(part[0] if part.dtype.names else part for part in memory)
    finds, waves = [], []
    for chunk in chunks:
        x = np.ascontiguousarray(chunk if chunk.ndim == 2 else chunk[:, None])
        assert design.capacity is not None
        out = np.zeros(design.capacity(len(x)), FINDING)
        if design.wave is None:
            n = design.kernel(design.params, *places, x, out)
        else:
            waves.append(np.empty_like(x))
            n = design.kernel(design.params, *places, x, waves[-1], out)
        finds.append(out[:n])
    return np.concatenate(finds), np.concatenate(waves) if waves else np.empty((0, 1))


def beats(x: NDArray[np.float64], fs_hz: float, operator: Any = None) -> NDArray[Any]:
    """Find the beats of a whole signal."""
    x = x.reshape(len(x), -1)
    found, _ = run((operator or RPeaks()).design(signal(fs_hz, x.shape[1])), [x])
    return found[found["what"] == BEAT]


def chain(x: NDArray[np.float64], fs_hz: float) -> NDArray[Any]:
    """Run the whole chain over a signal."""
    x = x.reshape(len(x), -1)
    return run(Ecg().design(signal(fs_hz, x.shape[1])), [x])[0]


def feature(found: NDArray[Any], code: int, channel: int | None = None) -> NDArray[np.float64]:
    """Pick the values of one feature."""
    rows = (found["what"] == FEATURE) & (found["code"] == code)
    if channel is not None:
        rows &= found["channel"] == channel
    return np.asarray(found["body"][rows, VALUE])


def matched(found_s: NDArray[np.float64], truth_s: NDArray[np.float64], within_s: float = 0.15) -> NDArray[np.float64]:
    """Return found - true of each truth; NaN where nothing was found within reach."""
    nearest = found_s[np.abs(found_s[:, None] - truth_s).argmin(axis=0)]
    return np.where(np.abs(nearest - truth_s) <= within_s, nearest - truth_s, np.nan)


def splits(n: int, rng: np.random.Generator, pieces: int) -> list[int]:
    """Cut a length at random, empty and one-sample chunks included."""
    cuts = np.sort(rng.integers(0, n + 1, pieces))
    again = cuts[: len(cuts) // 4]  # twice the same: an empty chunk; the next one: a single sample
    return sorted([*cuts.tolist(), *again.tolist(), *np.minimum(again + 1, n).tolist()])


__all__ = ["LABEL", "beats", "chain", "feature", "matched", "rhythm", "run", "signal", "splits", "wave"]
