"""A simulated face whose blinks, smiles and head turns are known exactly.

The head is an ellipsoid with a nose; lids, brows and lips are arcs on it, put at the indices of the detector's schema
where they are used or drawn. All shapes are formulas of this project.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import ParameterError
from vitalcore.face import SCHEMAS

Array = NDArray[np.float64]

EYES_APART = 63.0  # mm
CLOSING_S, OPENING_S = 0.026, 0.057  # sigmas of a blink's two halves: 240 Hz recordings of Xie and Büchner 2024
OVAL = (  # from the forehead over the subject's left to the chin and back
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
LIPS = ((185, 40, 39, 37, 0, 267, 269, 270, 409), (146, 91, 181, 84, 17, 314, 405, 321, 375))  # right to left
NOSE = (168, 6, 197, 195, 5, 4)  # root to tip


@dataclass(frozen=True, eq=False)
class SimulatedFace:
    """Hold a simulated face and its truth; left stands before right, and both are the subject's.

    t_ns      : times since the stream began, [n], ns
    points    : x to the image's right, y down, z away from the camera, [n, k, 3], px
    blink_ns  : apex times of each side, ns
    closure   : of each blink, 1 is shut, left and right alike unless a lid is weak
    smile     : way of the mouth corners from rest, [n, 2], in distances between the eyes
    brow      : rise of the brows, [n, 2], likewise
    yaw_deg   : head turn to the subject's left, [n], deg
    """

    t_ns: NDArray[np.int64]
    points: Array
    blink_ns: tuple[Array, Array]
    closure: tuple[Array, Array]
    smile: Array
    brow: Array
    yaw_deg: Array


def simulate_face(
    duration_s: float = 30.0,
    fs_hz: float = 30.0,
    schema: str = "mp478",
    seed: int = 0,
    *,
    blinks_per_min: float = 18.0,
    smile_mm: tuple[float, float] = (12.0, 6.0),
    smile_every_s: float = 8.0,
    brow_mm: tuple[float, float] = (0.0, 0.0),
    lids: tuple[float, float] = (1.0, 1.0),
    yaw_deg: float = 2.0,
    smile_yaw_deg: float = 0.0,
    jitter_mm: float = 0.1,
    px_per_mm: float = 2.0,
) -> SimulatedFace:
    """Simulate a face that looks ahead for 4 s and then smiles again and again, weaker on one side.

    fs_hz          : mean frame rate; frames come up to a tenth of a period early or late
    blinks_per_min : two-Gaussian blinks at irregular intervals, from the first second on
    smile_mm       : way of the left and right mouth corner at the height of a smile; brow_mm: rise of the brows with it
    lids           : share of its way that each lid closes
    yaw_deg        : amplitude of the head's slow wandering; smile_yaw_deg: turn that comes and goes with each smile
    jitter_mm      : standard deviation of each coordinate of each point

    Errors: ParameterError for an unknown schema.
    """
    if schema not in SCHEMAS:
        raise ParameterError(f"schema is {schema}; there are {', '.join(SCHEMAS)}")
    rng = np.random.default_rng(seed)
    n = round(duration_s * fs_hz)
    t = (np.arange(n) + rng.uniform(-0.1, 0.1, n).clip(-np.arange(n))) / fs_hz
    base, fields = _face(schema)

    apex, closures = _blinks(rng, duration_s, blinks_per_min)
    activity = _plateaus(t, smile_every_s)
    points = np.broadcast_to(base, (n, *base.shape)).copy()
    for side, name in enumerate(("left", "right")):
        shut = lids[side] * (_blink(t[:, None] - apex) * closures).max(axis=1, initial=0.0)
        points += shut[:, None, None] * fields[f"lid_{name}"]
        points += (activity * smile_mm[side])[:, None, None] * fields[f"smile_{name}"]
        points += (activity * brow_mm[side])[:, None, None] * fields[f"brow_{name}"]

    wander = [np.sin(2 * np.pi * (t * f + p)) for f, p in zip((0.11, 0.13, 0.07), rng.uniform(0, 1, 3), strict=True)]
    turned = yaw_deg * (wander[0] - wander[0][:1]) / 2 + smile_yaw_deg * activity
    pose = _rotation(turned, 0.5 * yaw_deg * wander[1], 0.5 * yaw_deg * wander[2])
    points = points @ np.swapaxes(pose, 1, 2)
    points += 2.0 * np.stack(wander, axis=1)[:, None, :] + rng.normal(0, jitter_mm, points.shape)
    points = points * px_per_mm + np.array([320.0, 240.0, 0.0])

    return SimulatedFace(
        t_ns=np.rint(t * 1e9).astype(np.int64),
        points=points,
        blink_ns=(apex * 1e9, apex * 1e9),
        closure=(closures * lids[0], closures * lids[1]),
        smile=activity[:, None] * np.array(smile_mm) / EYES_APART,
        brow=activity[:, None] * np.array(brow_mm) / EYES_APART,
        yaw_deg=turned,
    )


def _blinks(rng: np.random.Generator, duration_s: float, per_min: float) -> tuple[Array, Array]:
    """Draw apex times and closures: one in five is partial."""
    at, apex = 1.0, []
    while per_min > 0 and at < duration_s - 0.5:
        apex.append(at)
        at += 0.6 + rng.exponential(max(0.1, 60.0 / per_min - 0.6))
    closures = np.where(rng.uniform(size=len(apex)) < 0.2, rng.uniform(0.5, 0.8, len(apex)), 1.0)
    return np.array(apex), closures


def _blink(t: Array) -> Array:
    shape: Array = np.exp(-0.5 * (t / np.where(t < 0, CLOSING_S, OPENING_S)) ** 2)
    return shape


def _plateaus(t: Array, every_s: float) -> Array:
    """Rise in half a second, hold for 1.5 s, fall: from 4 s on, every so often."""
    phase = (t - 4.0) % every_s
    smooth = np.clip(np.minimum(phase / 0.5, (2.5 - phase) / 0.5), 0, 1)
    shape: Array = np.where(t >= 4.0, 0.5 - 0.5 * np.cos(np.pi * smooth), 0.0)
    return shape


def _rotation(yaw: Array, pitch: Array, roll: Array) -> Array:
    """Turn the face to its left, down and in the image plane, deg; [n, 3, 3]."""
    one, nil = np.ones(len(yaw)), np.zeros(len(yaw))

    def matrix(*rows: list[Array]) -> Array:
        return np.moveaxis(np.array(rows), -1, 0)

    (sy, sp, sr), (cy, cp, cr) = (f(np.deg2rad([yaw, pitch, roll])) for f in (np.sin, np.cos))
    about_y = matrix([cy, nil, -sy], [nil, one, nil], [sy, nil, cy])
    about_x = matrix([one, nil, nil], [nil, cp, -sp], [nil, sp, cp])
    about_z = matrix([cr, -sr, nil], [sr, cr, nil], [nil, nil, one])
    made: Array = about_z @ about_x @ about_y
    return made


def _skin(x: Array, y: Array) -> Array:
    """Give the depth of the skin at a place before the head: an ellipsoid, nose and mouth before it, mm."""
    inside = np.maximum(0.0, 1.0 - (x / 82.0) ** 2 - ((y - 15.0) / 118.0) ** 2)
    nose = np.interp(y, [-8.0, 36.0, 46.0], [4.0, 36.0, 0.0], left=0.0, right=0.0) * np.exp(-((x / 9.0) ** 2))
    muzzle = 20.0 * np.exp(-((x / 40.0) ** 2) - ((y - 62.0) / 35.0) ** 2)
    depth: Array = 65.0 * (1.0 - np.sqrt(inside)) - nose - muzzle
    return depth


def _face(schema: str) -> tuple[Array, dict[str, Array]]:
    """Lay out the face at rest, [k, 3] in mm, and what each unit of each movement does to it."""
    layout = SCHEMAS[schema]
    spread = np.arange(layout.n_points)
    angle, radius = spread * np.pi * (3.0 - np.sqrt(5.0)), np.sqrt((spread + 0.5) / layout.n_points)
    x, y = 66.0 * radius * np.sin(angle), 15.0 + 95.0 * radius * np.cos(angle)  # where nothing else is known

    def put(indices: tuple[int, ...], xs: object, ys: object) -> None:
        x[list(indices)], y[list(indices)] = xs, ys

    u = np.linspace(-1, 1, 9)
    if layout.n_points == 68:
        around = np.linspace(-np.pi / 2, np.pi / 2, 17)
        put(tuple(range(17)), 70.0 * np.sin(around), 5.0 + 100.0 * np.cos(around))
        put((27, 28, 29, 30), 0.0, [-3.0, 10.0, 23.0, 36.0])
        put((31, 32, 33, 34, 35), np.linspace(-13, 13, 5), 45.0)
        upper, lower = tuple(range(49, 54)), tuple(range(59, 54, -1))
        put((60, 61, 62, 63, 64), np.linspace(-18, 18, 5), 67.0)
        put((67, 66, 65), np.linspace(-9, 9, 3), 69.0)
        u = np.linspace(-0.75, 0.75, 5)
    else:
        around = np.arange(36) * np.deg2rad(10)
        put(OVAL, 70.0 * np.sin(around), 15.0 - 100.0 * np.cos(around))
        put(NOSE, 0.0, np.linspace(-6.0, 36.0, 6))
        upper, lower = LIPS
    put(upper, 25.0 * u, 68.0 - 8.0 * (1 - u**2))
    put(lower, 25.0 * u, 68.0 + 9.0 * (1 - u**2))
    fields: dict[str, Array] = {}
    for side, sign in enumerate((1.0, -1.0)):
        eye, mid = layout.eyes[side], sign * EYES_APART / 2
        put(eye, mid + sign * np.array([-14.0, -5.0, 5.0, 14.0, 5.0, -5.0]), [0.0, -4.2, -4.2, 0.0, 4.2, 4.2])
        brow = np.linspace(-1, 1, 5)
        put(layout.brows[side], mid + sign * 19.0 * brow, -20.0 - 4.0 * (1 - brow**2))
        put((layout.mouth[side],), sign * 25.0, 68.0)
        if layout.n_points == 478:
            centre = 473 if side == 0 else 468
            turn = np.arange(4) * np.pi / 2
            put(tuple(range(centre, centre + 5)), mid + np.r_[0, 5.85 * np.cos(turn)], np.r_[0, 5.85 * np.sin(turn)])
    base = np.stack([x, y, _skin(x, y)], axis=1)
    for side, (name, sign) in enumerate((("left", 1.0), ("right", -1.0))):
        lid, brow_field, smile = np.zeros_like(base), np.zeros_like(base), np.zeros_like(base)
        lid[list(layout.eyes[side][1:3]), 1] = 7.6  # nine tenths of the fissure
        near = np.exp(-((x - sign * EYES_APART / 2) ** 2 / 600 + (y + 22) ** 2 / 60)) * (y < -12)
        near[list(layout.brows[side])] = 1.0
        brow_field[:, 1] = -near
        pull = np.exp(-((x - sign * 25.0) ** 2 + (y - 68.0) ** 2) / 300) * (sign * x > 0)
        smile[:] = pull[:, None] * np.array([0.72 * sign, -0.6, 0.35]) / np.linalg.norm([0.72, 0.6, 0.35])
        fields |= {f"lid_{name}": lid, f"brow_{name}": brow_field, f"smile_{name}": smile}
    return base, fields
