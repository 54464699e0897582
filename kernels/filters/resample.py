"""Change of rate by a fraction: a polyphase filter that computes only the samples that are kept."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.filters import fir

# params[0], int64 [3]
UP, DOWN, CENTRE = 0, 1, 2
# state, int64 [2]
AT, PHASE = 0, 1


@kernel
def _weigh(taps: NDArray[np.float64], window: NDArray[np.float64]) -> float:
    """Average a window with weights that add up to 1: by differences from one sample, so that a level stays exact."""
    level = window[window.shape[0] // 2]
    y = 0.0
    for k in range(taps.shape[0]):
        y += taps[k] * (window[k] - level)
    return level + y


@kernel
def step(
    params: tuple[NDArray[np.int64], NDArray[np.float64]],
    state: NDArray[np.int64],
    rings: NDArray[np.float64],
    x: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """Resample a chunk of every channel by UP / DOWN and return the number of samples out.

    A missing sample (NaN) is stood in for by the one before it inside the filter, and what lies next to it comes out as
    NaN: a gap keeps its length. What lies before the stream's first sample is NaN too; the filter takes it for that
    sample's value.

    params : UP, DOWN, and CENTRE: input samples by which the filter's middle lies behind, [3]; then the taps of each
             phase, oldest sample first, [UP, n_taps]; each phase adds up to 1
    state  : PHASE: place of the next sample out on the grid of UP a sample in; AT: of the oldest sample in the rings;
             zeros at first, [2]
    rings  : as in `fir.observe`, [n_channels, 2, 2 n_taps]; NaN at first
    x      : samples, [n, n_channels]
    out    : room for (n UP) // DOWN + 1 samples, [m, n_channels]

    Latency: CENTRE samples in.
    Source: P. P. Vaidyanathan (1990), Proc IEEE 78(1), 56-93.
    """
    ratio, phases = params
    up, down, centre = ratio[UP], ratio[DOWN], ratio[CENTRE]
    n_taps = phases.shape[1]
    at, phase = state[AT], state[PHASE]
    n_out = 0
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            fir.observe(rings[c], at, x[i, c])
        start, middle = at + 1, at + n_taps - centre
        while phase < up:
            for c in range(x.shape[1]):
                y = np.nan
                there = rings[c, 1, middle] == rings[c, 1, middle]
                if phase > 0:
                    there = there and rings[c, 1, middle + 1] == rings[c, 1, middle + 1]
                if there:
                    y = _weigh(phases[phase], rings[c, 0, start : start + n_taps])
                    if not abs(y) < np.inf:
                        y = np.nan
                out[n_out, c] = y
            n_out += 1
            phase += down
        phase -= up
        at = start if start < n_taps else 0
    state[AT], state[PHASE] = at, phase
    return n_out
