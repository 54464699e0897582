"""The chain of the face: align each frame to the subject's own rest, measure both sides, find blinks, report seconds.

Left and right share the alignment and nothing else: no filter, threshold or level is common to both.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import LEFT, RIGHT
from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.landmarks import blink, geometry, rest
from vitalcore.kernels.landmarks.face_report import (
    KINDS,
    N_FEATURES,
    RATE_WINDOW_S,
    accumulate,
    pose,
    report,
    start_second,
)

POINTS = 32  # stable points that a schema can name

PARAMS = np.dtype(
    [
        ("blink", blink.PARAMS),
        ("n_stable", "i8"),
        ("n_pairs", "i8"),  # the first stable points come in pairs, left and right
        ("stable", "i8", (POINTS,)),  # columns of their x in a frame, as all that follow
        ("eyes", "i8", (2, 6)),
        ("brows", "i8", (2, 5)),
        ("mouth", "i8", (2,)),
        ("nose", "i8"),
        ("rates_at", "i8"),  # where in the buffer the blinks of each second stand
        ("rest_ns", "f8"),  # stillness that makes a rest shape
        ("pose_good_deg", "f8"),
        ("pose_max_deg", "f8"),
        ("nose_depth", "f8"),  # tip before the eyes in distances between them; gives the turn of a flat face
        ("mouth_depth", "f8"),  # corners before the eyes, likewise
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("begun", "i8"),
        ("t", "f8"),
        ("t_good", "f8"),  # last frame with a face
        ("eyes", blink.STATE, (2,)),
        ("ear", "f8", (2,)),
        ("alike", "f8"),  # a sum over the last frame, and since when it is the same
        ("alike_from", "f8"),
        # learning the rest
        ("learnt", "i8"),
        ("n_still", "i8"),
        ("still_ns", "f8"),
        ("shut_ns", "f8"),
        ("widest", "f8", (2,)),
        ("height_first", "f8", (2,)),
        ("squares", "f8", (2, KINDS)),
        # the rest
        ("flat", "i8"),  # its points have no depth
        ("axes", "f8", (9,)),  # rotation from camera to face; while learning, sum of those to the first still frame
        ("height", "f8", (2,)),  # of the open eye
        ("noise", "f8", (2, KINDS)),
        ("nose", "f8"),
        # this frame against the rest
        ("yaw", "f8"),
        ("brow", "f8", (2,)),
        ("lid", "f8", (2,)),
        ("corner", "f8", (2, 3)),
        ("mouth", "f8", (2,)),
        # this second
        ("first", "i8"),
        ("second", "i8"),
        ("seen_ns", "f8"),
        ("n_good", "i8"),
        ("n_frozen", "i8"),
        ("n_leaning", "i8"),
        ("n_turned", "i8"),
        ("yaw_sum", "f8"),
        ("yaw_most", "f8"),
        ("ear_sum", "f8", (2,)),
        ("blinks", "i8", (2,)),
        ("peak", "f8", (2, KINDS)),
    ],
    align=True,
)

N_WAVE = 4  # EAR left, EAR right, mouth corner left, mouth corner right
GAP_NS = 150e6
FROZEN_NS = 1e9
N_CANTHI = 4  # they come first among the stable points
SMOOTH_NS = 50e6  # of brow and mouth corner: a smile is slow, jitter is not
MAX_COORDINATE = 1e7


FINDINGS = N_FEATURES + 2  # that one frame can give


def fresh() -> NDArray[np.void]:
    """Return the memory of a face that has not been seen, [1]."""
    made = np.zeros(1, STATE)
    made["eyes"] = blink.fresh()[0]
    return made


def buffer_size(n_stable: int) -> tuple[int, int]:
    """Return how long the buffer is and where the blinks of each second begin in it."""
    at = 9 * (n_stable + rest.N_EXTRA) + geometry.FIT_SIZE
    return at + 3 * RATE_WINDOW_S, at


@kernel
def _gather(params: Any, row: NDArray[np.float64], now: NDArray[np.float64]) -> int:
    """Copy the points that are used; 0 where one is missing.

    now : stable points, then centres of eyes, middles of brows, corners of mouth (left, right), nose, [n_shape, 3]
    """
    n = params["n_stable"]
    for i in range(n):
        at = params["stable"][i]
        for c in range(3):
            now[i, c] = row[at + c]
    for side in range(2):
        eye, brow = params["eyes"][side], params["brows"][side]
        for c in range(3):
            now[n + rest.EYE + side, c] = 0.5 * (row[eye[0] + c] + row[eye[3] + c])
            total = 0.0
            for k in range(5):
                total += row[brow[k] + c]
            now[n + rest.BROW + side, c] = total / 5.0
            now[n + rest.MOUTH + side, c] = row[params["mouth"][side] + c]
            for k in range(6):
                if not abs(row[eye[k] + c]) < MAX_COORDINATE:
                    return 0
    for c in range(3):
        now[n + rest.NOSE, c] = row[params["nose"] + c]
    for i in range(n + rest.N_EXTRA):
        for c in range(3):
            if not abs(now[i, c]) < MAX_COORDINATE:
                return 0
    return 1


@kernel
def _see(params: Any, state: Any, row: NDArray[np.float64], t: float) -> int:
    """Measure the eyes; 0 where there are none, or the picture is frozen: a camera's frames are never all alike."""
    total = 0.0
    for side in range(2):
        state["ear"][side] = geometry.eye_aspect_ratio(row, params["eyes"][side])
        total += state["ear"][side] + row[params["mouth"][side]] + row[params["mouth"][side] + 1]
    if total != total:
        return 0
    if total != state["alike"]:
        state["alike"] = total
        state["alike_from"] = t
    if t - state["alike_from"] > FROZEN_NS:
        state["n_frozen"] += 1
        return 0
    return 1


@kernel
def _lay(params: Any, state: Any, buffer: NDArray[np.float64]) -> int:
    """Fit the frame on the rest shape, or on the first still frame while that is learnt; 0 where it can't be."""
    n = params["n_stable"]
    size = n + rest.N_EXTRA
    now = buffer[: 3 * size].reshape((size, 3))
    shape = buffer[3 * size : 6 * size].reshape((size, 3))
    fit = buffer[9 * size : 9 * size + geometry.FIT_SIZE]
    if state["flat"]:  # then only the corners of the eyes hold still: a turn moves the rest by its depth
        return geometry.similarity_in_plane(now, shape, N_CANTHI, N_CANTHI // 2, fit)
    return geometry.similarity(now, shape, n, params["n_pairs"], fit)


@kernel
def _measure(
    params: Any,
    state: Any,
    buffer: NDArray[np.float64],
    row: NDArray[np.float64],
    dt: float,
) -> None:
    """Measure pose and excursions of a frame that has been fitted on the rest shape.

    dt : ns since the good frame before, 0 after a gap
    """
    n = params["n_stable"]
    size = n + rest.N_EXTRA
    now = buffer[: 3 * size].reshape((size, 3))
    shape = buffer[3 * size : 6 * size].reshape((size, 3))
    fit = buffer[9 * size : 9 * size + geometry.FIT_SIZE]
    for i in range(n, size):
        geometry.place(fit, now[i], now[i])
    shift = 0.0  # of the mouth corners with the head: without depth, the nose tells
    if state["flat"]:
        mid = 0.5 * (now[n, 0] + now[n + 1, 0])
        off = min(1.0, max(-1.0, (now[n + rest.NOSE, 0] - mid - state["nose"]) / params["nose_depth"]))
        shift = (mid - 0.5 * (shape[n, 0] + shape[n + 1, 0])) + params["mouth_depth"] * off
        state["yaw"] = math.asin(off) * (180.0 / math.pi)
    else:
        state["yaw"] = rest.yaw_deg(state["axes"], fit)
    share = dt / (dt + SMOOTH_NS) if dt > 0.0 else 1.0
    for side in range(2):
        i = n + rest.BROW + side
        up = shape[i, 1] - now[i, 1]  # y grows downwards
        state["brow"][side] += share * (up - state["brow"][side])
        i = n + rest.MOUTH + side
        square = 0.0
        for c in range(3):
            way = now[i, c] - shape[i, c] - (shift if c == 0 else 0.0)
            state["corner"][side, c] += share * (way - state["corner"][side, c])
            square += state["corner"][side, c] * state["corner"][side, c]
        state["mouth"][side] = math.sqrt(square)
        height = geometry.eye_height(row, params["eyes"][side]) * fit[geometry.SCALE]
        state["lid"][side] = state["height"][side] - height


@kernel
def _frame(
    params: Any,
    state: Any,
    buffer: NDArray[np.float64],
    row: NDArray[np.float64],
    wave: NDArray[np.float64],
    out: Any,
) -> int:
    """Take one frame and return how many findings it gave."""
    for c in range(N_WAVE):
        wave[c] = np.nan
    t = row[0]
    if not (0.0 <= t < blink.T_MAX):
        return 0
    if state["begun"] and not t > state["t"]:
        return 0
    n = 0
    second = int(t // 1e9)
    if not state["begun"]:
        state["begun"] = 1
        state["t_good"] = -np.inf
        state["second"] = second
        state["first"] = second
        start_second(state)
    elif second > state["second"]:
        n = report(params, state, buffer, t, second, out)
        state["second"] = second
        start_second(state)
    state["t"] = t
    size = params["n_stable"] + rest.N_EXTRA
    good = _gather(params, row, buffer[: 3 * size].reshape((size, 3)))
    if good:
        good = _see(params, state, row, t)
    dt = t - state["t_good"]
    if not dt <= GAP_NS:
        dt = 0.0
    if good:
        for side in range(2):
            wave[side] = state["ear"][side]
        if state["learnt"] or state["n_still"] > 0:
            good = _lay(params, state, buffer)
    if good and state["learnt"]:
        _measure(params, state, buffer, row, dt)
    turn = pose(params, state)
    for side in range(2):
        v = state["ear"][side] if good else np.nan
        if blink.tick(params["blink"], state["eyes"][side], t, v, out[n]):
            out[n]["slot"] = 0
            out[n]["channel"] = LEFT if side == 0 else RIGHT
            if turn > 0:
                out[n]["quality"] *= 0.5
                out[n]["reasons"] |= codes.POSE
            state["blinks"][side] += 1
            n += 1
    if good:
        if state["learnt"]:
            for side in range(2):
                wave[2 + side] = np.nan if turn == 2 else state["mouth"][side]
        else:
            rest.learn(params, state, buffer, row, dt)
        accumulate(params, state, dt)
        state["t_good"] = t
    return n


@kernel
def step(
    params: Any,
    state: Any,
    buffer: NDArray[np.float64],
    x: NDArray[np.float64],
    wave: NDArray[np.float64],
    out: Any,
) -> int:
    """Take frames and return how many findings they gave.

    x    : ns since the stream began, then x, y, z of each point, [n, 1 + 3 n_points]; a frame without a face is NaN,
           a frame whose time isn't after the one before is skipped
    wave : EAR left, EAR right, way of the mouth corner from rest left, right in distances between the eyes, [n, 4]
    out  : findings, [>= FINDINGS n]
    """
    n = 0
    for i in range(x.shape[0]):
        n += _frame(params, state, buffer, x[i], wave[i], out[n:])
    return n


@kernel
def step_many(
    params: Any,
    kinds: NDArray[np.int64],
    states: Any,
    buffers: NDArray[np.float64],
    slots: NDArray[np.int64],
    offsets: NDArray[np.int64],
    x: NDArray[np.float64],
    wave: NDArray[np.float64],
    out: Any,
) -> int:
    """Take the chunks of several streams, one after the other, and return how many findings they gave.

    params  : a row each kind of stream
    kinds   : row of params of each slot
    states, buffers : a row each slot
    slots   : whose chunk, [k]
    offsets : chunk i is x[offsets[i] : offsets[i + 1]], [k + 1]
    """
    n = 0
    for i in range(slots.shape[0]):
        slot = slots[i]
        begin, end = offsets[i], offsets[i + 1]
        m = step(params[kinds[slot]], states[slot], buffers[slot], x[begin:end], wave[begin:end], out[n:])
        for j in range(n, n + m):
            out[j]["slot"] = slot
        n += m
    return n
