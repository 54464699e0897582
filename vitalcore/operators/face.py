"""Facial landmarks: the whole chain as an operator, blinks of a given eye aspect ratio as another."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitalcore.errors import InputError, ParameterError
from vitalcore.kernels import face as chain
from vitalcore.kernels.landmarks import blink
from vitalcore.operator import Design, Signal, check_range


@dataclass(frozen=True)
class Schema:
    """Name the landmarks of a detector that are used; left and right are the subject's.

    n_points : of a frame
    pairs    : points that don't move with the face's muscles, (left, right) each; the corners of the eyes first
    midline  : such points on the midline
    eyes     : left and right: corner, upper, upper, corner, lower, lower, going around
    brows    : left and right: five points of each brow
    mouth    : left and right corner
    nose     : tip
    """

    name: str
    n_points: int
    pairs: tuple[tuple[int, int], ...]
    midline: tuple[int, ...]
    eyes: tuple[tuple[int, ...], tuple[int, ...]]
    brows: tuple[tuple[int, ...], tuple[int, ...]]
    mouth: tuple[int, int]
    nose: int


IBUG68 = Schema(
    "ibug68",
    68,
    pairs=((45, 36), (42, 39), (16, 0)),
    midline=(27, 28, 29, 30),
    eyes=((42, 43, 44, 45, 46, 47), (39, 38, 37, 36, 41, 40)),
    brows=((22, 23, 24, 25, 26), (21, 20, 19, 18, 17)),
    mouth=(54, 48),
    nose=30,
)

MP468 = Schema(
    "mp468",
    468,
    pairs=((263, 33), (362, 133), (356, 127), (389, 162), (251, 21), (297, 67), (338, 109)),
    midline=(168, 6, 197, 195, 10),
    eyes=((362, 385, 387, 263, 373, 380), (133, 158, 160, 33, 144, 153)),
    brows=((336, 296, 334, 293, 300), (107, 66, 105, 63, 70)),
    mouth=(291, 61),
    nose=4,
)

MP478 = Schema("mp478", 478, MP468.pairs, MP468.midline, MP468.eyes, MP468.brows, MP468.mouth, MP468.nose)

SCHEMAS = {schema.name: schema for schema in (IBUG68, MP468, MP478)}


def frames(t_ns: NDArray[np.int64], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pack times and landmarks into the rows that `Face` takes.

    t_ns   : since the stream began, [n], ns
    points : [n, k, 3], or [n, k, 2] from a detector without depth (z becomes 0); NaN where there is no face

    Returns [n, 1 + 3 k].

    Errors: InputError where the shapes don't fit.
    """
    points = np.asarray(points)
    if points.ndim != 3 or points.shape[2] not in (2, 3) or len(points) != len(t_ns):
        raise InputError(f"points must be [n, k, 3] or [n, k, 2] with n = {len(t_ns)} times; they are {points.shape}")
    n, k, d = points.shape
    x = np.zeros((n, 1 + 3 * k))
    x[:, 0] = t_ns
    for c in range(d):
        x[:, 1 + c :: 3] = points[:, :, c]
    return x


@dataclass(frozen=True)
class Blinks:
    """Find blinks in an eye aspect ratio (EAR): a signal of variable rate with one channel, or two: left and right.

    drop_ratio   : of the open eye's EAR by which it must fall, 0.1 to 0.9; below 0.3 the smallest twitches count too
    drop_min     : and at least, EAR, 0 to 1
    noise_factor : and at least, standard deviations of the noise between blinks, 0 to 20
    shut_ratio   : EAR of a shut eye as share of the open eye's, 0 to 0.5: for completeness

    Each blink is a BEAT: apex (t), ONSET and END in ns, AMPLITUDE in EAR, WIDTH_S at half amplitude, COMPLETENESS 0 to
    1, INTERVAL_S since the blink before (NaN after a gap), LABEL C (complete) or P (partial). END is NaN where the lid
    has not come back within 0.28 s of the apex. Channel is LEFT or RIGHT, or -1 where there is one channel.

    A missing sample is NaN; 150 ms without samples end what is open. A sample whose time isn't after the one before is
    skipped. What stays closed for more than a second is no blink.

    Latency: a blink is said once the lid is 80 % back or 0.28 s after the apex; never later than 0.6 s after it.

    Errors: ParameterError
    """

    drop_ratio: float = 0.3
    drop_min: float = 0.03
    noise_factor: float = 5.0
    shut_ratio: float = 0.15

    LATENCY_S = 0.6

    def params(self) -> NDArray[np.void]:
        """Check the parameters and make the kernel's, [1]."""
        check_range("drop_ratio", self.drop_ratio, 0.1, 0.9, "")
        check_range("drop_min", self.drop_min, 0.0, 1.0, "")
        check_range("noise_factor", self.noise_factor, 0.0, 20.0, "")
        check_range("shut_ratio", self.shut_ratio, 0.0, 0.5, "")
        made = np.zeros(1, blink.PARAMS)
        made["drop"] = self.drop_ratio
        made["drop_min"] = self.drop_min
        made["drop_noise"] = self.noise_factor
        made["shut"] = self.shut_ratio
        made["recovery"], made["end"], made["complete"] = 0.4, 0.8, 0.7
        made["width_min_ns"], made["width_max_ns"] = 50e6, 1e9
        made["say_ns"], made["limit_ns"], made["gap_ns"] = 280e6, self.LATENCY_S * 1e9, 150e6
        return made

    def design(self, signal: Signal) -> Design:
        """Design the detector for a signal."""
        check_frames("Blinks", signal)
        eyes = len(signal.channels)
        if eyes > 2:
            raise ParameterError(f"Blinks takes the EAR of 1 or 2 eyes; {signal.name} has {eyes} channels")
        memory = np.zeros(1, blink.EYES)
        memory["eyes"] = blink.fresh()[0]
        output = Signal(signal.name, None, signal.channels, what="findings")
        return Design(blink.step, self.params()[0], (memory,), output, self.LATENCY_S, lambda n: eyes * n)


@dataclass(frozen=True)
class Face:
    """Follow a face from its landmarks: eye aspect ratio, blinks, excursion and symmetry of brow, lid and mouth corner.

    schema   : ibug68, mp468 or mp478
    rest_s   : stillness with open eyes from which the subject's own rest shape is learnt, 0.5 to 60 s
    pose_deg : head turn from rest beyond which excursions have no value, 1 to 30 deg; from half of it they count less.
               Half as much where the landmarks have no depth: they can't tell a turn from a movement
    blinks   : how blinks are found

    The signal has a variable rate; `frames` packs its rows. z grows away from the camera, y downwards; the unit is any.
    Each frame is aligned in 3D to the rest shape by points that no facial muscle moves. A frame without a face is NaN.

    Findings: blinks of each side, and once a second of stream time, at the first frame of the next second:

    eye_aspect_ratio        : mean over the second, each side
    blink_rate              : over the last minute in which a face was seen, each side; NaN below 10 s of it
    brow, lid and mouth_excursion : furthest from rest in the second, each side, in distances between the eyes at rest:
                              brow upwards, lid towards closing, mouth corner in any direction
    brow, lid and mouth_symmetry  : weaker side's excursion divided by the stronger's, 0 to 1; which side is weaker the
                              excursions tell; NaN where neither moved by more than the noise
    head_yaw                : from rest, positive to the subject's left, deg
    signal_quality          : 0 to 1, with reasons

    Latency: a blink at most 0.6 s after its apex; features at the first frame after their second.

    Errors: ParameterError
    """

    schema: str = "mp478"
    rest_s: float = 2.0
    pose_deg: float = 10.0
    blinks: Blinks = field(default_factory=Blinks)

    def design(self, signal: Signal) -> Design:
        """Design the chain for a signal."""
        check_frames("Face", signal)
        if self.schema not in SCHEMAS:
            raise ParameterError(f"schema is {self.schema}; there are {', '.join(SCHEMAS)}")
        schema = SCHEMAS[self.schema]
        if len(signal.channels) != 3 * schema.n_points:
            raise ParameterError(
                f"{signal.name} has {len(signal.channels)} channels; {self.schema} needs {3 * schema.n_points}: "
                f"x, y, z of {schema.n_points} points"
            )
        check_range("rest_s", self.rest_s, 0.5, 60.0, "s")
        check_range("pose_deg", self.pose_deg, 1.0, 30.0, "deg")
        stable = [point for pair in schema.pairs for point in pair] + list(schema.midline)
        made = np.zeros(1, chain.PARAMS)
        made["blink"] = self.blinks.params()
        made["n_stable"], made["n_pairs"] = len(stable), len(schema.pairs)
        made["stable"][0, : len(stable)] = _column(stable)
        made["eyes"], made["brows"] = _column(schema.eyes), _column(schema.brows)
        made["mouth"], made["nose"] = _column(schema.mouth), _column(schema.nose)
        made["rest_ns"] = self.rest_s * 1e9
        made["pose_good_deg"], made["pose_max_deg"] = 0.5 * self.pose_deg, self.pose_deg
        made["nose_depth"], made["mouth_depth"] = NOSE_DEPTH, MOUTH_DEPTH
        size, made["rates_at"] = chain.buffer_size(len(stable))
        return Design(
            chain.step,
            made[0],
            (chain.fresh(), np.zeros(size)),
            Signal(signal.name, None, what="findings"),
            Blinks.LATENCY_S,
            lambda n: chain.FINDINGS * n,
            Signal(signal.name, None, WAVE),
            chain.step_many,
        )


WAVE = ("ear_left", "ear_right", "mouth_left", "mouth_right")
# of a flat face: nose tip and mouth corners before the eyes, in distances between them; 0.63 and 0.65, 0.13 and 0.28
# in the mean shapes of two detectors
NOSE_DEPTH, MOUTH_DEPTH = 0.64, 0.2


def check_frames(name: str, signal: Signal) -> None:
    """Refuse a signal that has no times of its own.

    Errors: ParameterError
    """
    if signal.what != "wave":
        raise ParameterError(f"{name} takes a wave; {signal.name} here is {signal.what}")
    if signal.fs_hz is not None:
        raise ParameterError(f"{name} takes frames with times of their own: declare {signal.name} with fs_hz=None")


def _column(points: object) -> NDArray[np.int64]:
    """Find the column of a point's x in a frame: times stand first."""
    return 1 + 3 * np.asarray(points, dtype=np.int64)
