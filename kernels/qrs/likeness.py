"""How much a peak of QRS energy looks like the complexes before it, in the band-pass of all leads that count.

Two kinds of complexes are remembered, the usual and another, each with unit energy over the leads. A peak is laid over
both at a few shifts; the best correlation of each counts.
"""

import math

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.qrs.energy import GAIN, N_HEAD, SIZES

N_KINDS = 2
N_SHIFTS = 3  # work samples to each side
ALIKE = 0.8  # correlation from which a complex is of a kind
SLOWEST = 0.125  # how fast a kind follows its complexes
FADE = 0.95  # of the number of complexes of each kind, a beat

# Zeros are an empty memory.
STATE = np.dtype(
    [
        ("n", "f8", (N_KINDS,)),  # complexes of each kind, faded; 0: none yet
        ("usual", "i8"),  # which kind
        ("r", "f8", (N_KINDS,)),  # of the last comparison: correlation
        ("shift", "i8", (N_KINDS,)),  # and at which shift, work samples
    ],
    align=True,
)


@kernel
def forget(state: np.void) -> None:
    """Forget both kinds."""
    state["n"][:] = 0.0
    state["usual"] = 0


@kernel
def place(params: np.void, front: np.void, middle_w: int) -> int:
    """Tell where in a lead's part of the buffer the band-pass of a shape around a work sample begins.

    params : energy.PARAMS
    front  : energy.STATE
    """
    newest_w = front["n_taken"] // params["block"]
    n_band = params["n_band"]
    at = (front["band_at"] - 1 - (newest_w - middle_w) - params["n_shape"] // 2 - N_SHIFTS) % n_band
    return int(N_HEAD + params["n_ring"] + 2 * (2 * params["n_half"] + 1) + at)


@kernel
def compare(params: np.void, front: np.void, state: np.void, buffer: NDArray[np.float64], middle_w: int) -> None:
    """Compare the complex around a work sample with both kinds.

    params : energy.PARAMS
    front  : energy.STATE
    buffer : [n_leads * stride]
    """
    n_shape, stride, n_leads = params["n_shape"], params["stride"], params["n_leads"]
    begin = place(params, front, middle_w)
    shapes = stride - N_KINDS * n_shape
    most0 = most1 = 0.0
    at0 = at1 = 0
    for shift in range(2 * N_SHIFTS + 1):
        with0 = with1 = mine = yours0 = yours1 = 0.0
        for c in range(n_leads):
            gain = buffer[c * stride + GAIN]
            if gain == 0.0:
                continue
            x = buffer[c * stride + begin + shift : c * stride + begin + shift + n_shape]
            y = buffer[c * stride + shapes : c * stride + shapes + N_KINDS * n_shape]
            xx = xy0 = xy1 = 0.0
            for k in range(n_shape):
                v = x[k]
                xx += v * v
                xy0 += v * y[k]
                xy1 += v * y[n_shape + k]
            with0 += gain * xy0
            with1 += gain * xy1
            mine += gain * gain * xx
            yours0 += buffer[c * stride + SIZES]
            yours1 += buffer[c * stride + SIZES + 1]
        if with0 > 0.0 and state["n"][0] > 0.0:
            r = with0 / math.sqrt(mine * yours0)
            if r > most0:
                most0, at0 = r, shift - N_SHIFTS
        if with1 > 0.0 and state["n"][1] > 0.0:
            r = with1 / math.sqrt(mine * yours1)
            if r > most1:
                most1, at1 = r, shift - N_SHIFTS
    state["r"][0], state["r"][1] = most0, most1
    state["shift"][0], state["shift"][1] = at0, at1


@kernel
def blend(
    params: np.void, front: np.void, buffer: NDArray[np.float64], middle_w: int, kind: int, follow: float
) -> None:
    """Move a kind towards the complex around a work sample by a part of the way."""
    n_shape, stride = params["n_shape"], params["stride"]
    begin = place(params, front, middle_w) + N_SHIFTS
    shapes = params["stride"] - N_KINDS * n_shape + kind * n_shape
    energy = 0.0
    for c in range(params["n_leads"]):
        gain = buffer[c * stride + GAIN]
        for k in range(n_shape):
            energy += (gain * buffer[c * stride + begin + k]) ** 2
    if energy == 0.0:
        return
    scale = 1.0 / math.sqrt(energy)
    for c in range(params["n_leads"]):
        gain = buffer[c * stride + GAIN] * scale
        size = 0.0
        for k in range(n_shape):
            old = buffer[c * stride + shapes + k]
            new = old + follow * (gain * buffer[c * stride + begin + k] - old)
            buffer[c * stride + shapes + k] = new
            size += new * new
        buffer[c * stride + SIZES + kind] = size


@kernel
def learn(params: np.void, front: np.void, state: np.void, buffer: NDArray[np.float64], middle_w: int) -> None:
    """Learn from a beat that has just been compared; one of a new kind replaces the unusual kind."""
    usual = state["usual"]
    other = 1 - usual
    if state["n"][usual] == 0.0 or (
        state["r"][usual] >= ALIKE and (state["n"][other] == 0.0 or state["r"][usual] >= state["r"][other])
    ):
        kind = usual
    else:
        kind = other
        if state["r"][other] < ALIKE:
            state["n"][other] = 0.0
    state["n"][usual] *= FADE
    state["n"][other] *= FADE
    follow = max(SLOWEST, 1.0 / (state["n"][kind] + 1.0)) if state["n"][kind] > 0.0 else 1.0
    shift = state["shift"][kind] if state["n"][kind] > 0.0 else 0
    blend(params, front, buffer, middle_w + shift, kind, follow)
    state["n"][kind] += 1.0
    if state["n"][other] > state["n"][usual] + 1.0:
        state["usual"] = other
