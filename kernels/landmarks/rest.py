"""Learn a subject's rest shape from the first seconds in which the face is still and the eyes are open.

The mean of the still frames, laid on the first of them, becomes a shape in the face's own axes: x from the right eye to
the left, y down, z away from the camera, in distances between the eyes.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.landmarks import geometry

# the points of a shape behind its stable ones
EYE, BROW, MOUTH, NOSE = 0, 2, 4, 6
N_EXTRA = 7

STILL_DEG = 6.0  # turn from the first still frame
STILL_SCALE = 0.1
STILL_MOVE = 0.08  # of brow and mouth corner from their mean, in distances between the eyes
OPEN_SHARE = 0.75  # of the widest EAR so far: below it the frame is a blink and is left out
SHUT_NS = 1e9
MIN_FRAMES = 15


@kernel
def yaw_deg(axes: NDArray[np.float64], fit: NDArray[np.float64]) -> float:
    """Compute how far the head has turned from rest to the subject's left, in degrees.

    axes : rotation from camera to face at rest, the mean of the still frames', row by row, [9]
    fit  : fit of this frame on the rest shape
    """
    x, z = 0.0, 0.0  # where the face's z axis points now, in the face's axes at rest
    for k in range(3):
        x += axes[k] * fit[geometry.ROTATION + 6 + k]
        z += axes[6 + k] * fit[geometry.ROTATION + 6 + k]
    return math.atan2(-x, z) * (180.0 / math.pi)


@kernel
def _apart(shape: NDArray[np.float64], n: int) -> float:
    """Measure the distance between the eyes."""
    dx = shape[n, 0] - shape[n + 1, 0]
    dy = shape[n, 1] - shape[n + 1, 1]
    dz = shape[n, 2] - shape[n + 1, 2]
    return math.sqrt(dx * dx + dy * dy + dz * dz)


@kernel
def _begin(
    params: Any,
    state: Any,
    row: NDArray[np.float64],
    now: NDArray[np.float64],
    first: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Take this frame as the first still one."""
    for i in range(now.shape[0]):
        for c in range(3):
            first[i, c] = now[i, c]
            sums[i, c] = now[i, c]
    state["n_still"] = 1
    state["still_ns"] = 0.0
    state["shut_ns"] = 0.0
    for c in range(9):
        state["axes"][c] = 1.0 if c % 4 == 0 else 0.0
    for side in range(2):
        state["widest"][side] = state["ear"][side]
        state["height_first"][side] = geometry.eye_height(row, params["eyes"][side])
        state["height"][side] = 0.0
        for k in range(3):
            state["squares"][side, k] = 0.0


@kernel
def _is_still(
    state: Any, now: NDArray[np.float64], sums: NDArray[np.float64], fit: NDArray[np.float64], n: int
) -> bool:
    """Tell whether a frame that lies on the first still one differs from it by no more than a blink.

    now : already placed on the first, [n + N_EXTRA, 3]
    """
    trace = fit[geometry.ROTATION] + fit[geometry.ROTATION + 4] + fit[geometry.ROTATION + 8]
    turned = math.acos(min(1.0, max(-1.0, 0.5 * (trace - 1.0)))) * (180.0 / math.pi)
    if not (turned < STILL_DEG and abs(fit[geometry.SCALE] - 1.0) < STILL_SCALE):
        return False
    for side in range(2):
        if state["ear"][side] * OPEN_SHARE > state["widest"][side]:  # the lids rise: they weren't at rest before
            return False
    reach = STILL_MOVE * _apart(now, n)
    for i in range(n + BROW, n + MOUTH + 2):
        square = 0.0
        for c in range(3):
            off = now[i, c] - sums[i, c] / state["n_still"]
            square += off * off
        if not square < reach * reach:
            return False
    return True


@kernel
def learn(
    params: Any,
    state: Any,
    buffer: NDArray[np.float64],
    row: NDArray[np.float64],
    dt: float,
) -> None:
    """Take one good frame; the rest shape is learnt once the face was still long enough.

    buffer : its points are gathered in it, and fitted on the first still frame where there is one
    dt     : ns since the good frame before, 0 after a gap
    """
    n = params["n_stable"]
    size = n + N_EXTRA
    now = buffer[: 3 * size].reshape((size, 3))
    first = buffer[3 * size : 6 * size].reshape((size, 3))
    sums = buffer[6 * size : 9 * size].reshape((size, 3))
    fit = buffer[9 * size : 9 * size + geometry.FIT_SIZE]
    if state["n_still"] == 0:
        _begin(params, state, row, now, first, sums)
        return
    if state["ear"][0] < OPEN_SHARE * state["widest"][0] or state["ear"][1] < OPEN_SHARE * state["widest"][1]:
        state["shut_ns"] += dt
        if state["shut_ns"] > SHUT_NS:  # the first frame was a stare, or the eyes stay shut
            state["n_still"] = 0
        return
    state["shut_ns"] = 0.0
    for i in range(size):
        geometry.place(fit, now[i], now[i])
    if not _is_still(state, now, sums, fit, n):
        state["n_still"] = 0
        return
    for i in range(size):
        for c in range(3):
            sums[i, c] += now[i, c]
    for c in range(9):
        state["axes"][c] += fit[geometry.ROTATION + c]
    for side in range(2):
        state["widest"][side] = max(state["widest"][side], state["ear"][side])
        up = now[n + BROW + side, 1] - first[n + BROW + side, 1]
        state["squares"][side, 0] += up * up
        off = geometry.eye_height(row, params["eyes"][side]) * fit[geometry.SCALE] - state["height_first"][side]
        state["height"][side] += off
        state["squares"][side, 1] += off * off
        for c in range(3):
            off = now[n + MOUTH + side, c] - first[n + MOUTH + side, c]
            state["squares"][side, 2] += off * off
    state["n_still"] += 1
    state["still_ns"] += dt
    if state["still_ns"] >= params["rest_ns"] and state["n_still"] >= MIN_FRAMES:
        _finish(params, state, first, sums, fit)


@kernel
def _finish(
    params: Any,
    state: Any,
    shape: NDArray[np.float64],
    sums: NDArray[np.float64],
    work: NDArray[np.float64],
) -> None:
    """Turn the mean of the still frames into the rest shape.

    shape : the first still frame; becomes the rest shape
    sums  : sums of the still frames
    work  : scratch, [>= 21]
    """
    n, count = params["n_stable"], float(state["n_still"])
    size = shape.shape[0]
    state["n_still"] = 0
    flat = 1
    for i in range(size):
        if shape[i, 2] != shape[0, 2]:
            flat = 0
    for side in range(2):  # spread about the mean, from what was summed about the first frame
        m = state["height"][side] / count
        state["noise"][side, 1] = state["squares"][side, 1] / count - m * m
        state["height"][side] = state["height_first"][side] + m
        b = n + BROW + side
        m = sums[b, 1] / count - shape[b, 1]
        state["noise"][side, 0] = state["squares"][side, 0] / count - m * m
        state["noise"][side, 2] = state["squares"][side, 2] / count
        for c in range(3):
            m = sums[n + MOUTH + side, c] / count - shape[n + MOUTH + side, c]
            state["noise"][side, 2] -= m * m
    for i in range(size):
        for c in range(3):
            shape[i, c] = sums[i, c] / count
    mid = work[:3]
    geometry.centre(shape, n, params["n_pairs"], mid)
    eyes = _apart(shape, n)
    axes = work[3:12]
    for c in range(3):
        axes[c] = (shape[n, c] - shape[n + 1, c]) / eyes
    away = math.sqrt(axes[0] * axes[0] + axes[1] * axes[1])
    if not away > 0.5:  # a profile: which way the face looks is open
        return
    axes[6] = -axes[2] * axes[0] / away  # the camera's z axis, square to the line of the eyes
    axes[7] = -axes[2] * axes[1] / away
    axes[8] = (1.0 - axes[2] * axes[2]) / away
    axes[3] = axes[7] * axes[2] - axes[8] * axes[1]
    axes[4] = axes[8] * axes[0] - axes[6] * axes[2]
    axes[5] = axes[6] * axes[1] - axes[7] * axes[0]
    for i in range(size):
        x, y, z = shape[i, 0] - mid[0], shape[i, 1] - mid[1], shape[i, 2] - mid[2]
        for c in range(3):
            shape[i, c] = (axes[3 * c] * x + axes[3 * c + 1] * y + axes[3 * c + 2] * z) / eyes
    for side in range(2):
        state["height"][side] /= eyes
        for k in range(3):
            state["noise"][side, k] = math.sqrt(max(0.0, state["noise"][side, k])) / eyes
    turn = work[12:21]  # from camera to the first still frame, on average
    for c in range(9):
        turn[c] = state["axes"][c] / count
    for i in range(3):
        for j in range(3):
            state["axes"][3 * i + j] = (
                axes[3 * i] * turn[j] + axes[3 * i + 1] * turn[3 + j] + axes[3 * i + 2] * turn[6 + j]
            )
    state["nose"] = shape[n + NOSE, 0] - 0.5 * (shape[n, 0] + shape[n + 1, 0])
    state["flat"] = flat
    state["learnt"] = 1
