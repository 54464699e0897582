"""Change of rate by a fraction: a polyphase filter that computes only the samples that are kept."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels import fir
from vitalcore.kernels.kernel import kernel

# params[0], int64 [3]
UP, DOWN, CENTRE = 0, 1, 2
# state, int64 [2]
HEAD, PHASE = 0, 1


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
             phase, oldest sample first, [UP, n_taps]
    state  : [2]; PHASE: place of the next sample out on the grid of UP a sample in; HEAD of the rings; zeros at first
    rings  : the last samples, twice, with gaps filled; then the same as they came; all NaN at first,
             [n_channels, 2, 2 n_taps]
    x      : samples, [n, n_channels]
    out    : room for (n UP) // DOWN + 1 samples, [m, n_channels]

    Latency: CENTRE samples in.
    Source: P. P. Vaidyanathan (1990), Proc IEEE 78(1), 56-93.
    """
    ratio, phases = params
    up, down, centre = ratio[UP], ratio[DOWN], ratio[CENTRE]
    n_taps = phases.shape[1]
    head, phase = state[HEAD], state[PHASE]
    n_out = 0
    for i in range(x.shape[0]):
        newest = head + n_taps - 1
        for c in range(x.shape[1]):
            v = x[i, c]
            if not abs(v) < np.inf:
                v = np.nan
            last = rings[c, 0, newest]
            if last != last:
                rings[c, 0, :] = v
            fir.remember(rings[c, 0], head, v if v == v else last)
            fir.remember(rings[c, 1], head, v)
        head = head + 1 if head + 1 < n_taps else 0
        while phase < up:
            for c in range(x.shape[1]):
                came = rings[c, 1, head : head + n_taps]
                y = np.nan
                there = came[n_taps - 1 - centre] == came[n_taps - 1 - centre]
                if phase > 0:
                    there = there and came[n_taps - centre] == came[n_taps - centre]
                if there:
                    y = fir.dot(phases[phase], rings[c, 0, head : head + n_taps])
                    if not abs(y) < np.inf:
                        y = np.nan
                out[n_out, c] = y
            n_out += 1
            phase += down
        phase -= up
    state[HEAD], state[PHASE] = head, phase
    return n_out
