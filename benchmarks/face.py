"""One frame of landmarks through the whole chain, beside the alignment alone as numpy and scipy do it."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from benchmarks.sidebyside import seconds, table
from vitalcore.fixtures.face import simulate_face
from vitalcore.kernels.core.finding import FINDING
from vitalcore.operators.face import MP478, SCHEMAS, Face, frames
from vitalcore.plan import Plan, source
from vitalcore.ward import Ward

STREAMS = 200
N_FRAMES = 300
FS_HZ = 30

Array = NDArray[np.float64]


def main() -> None:
    """Print the table."""
    rows: list[tuple[object, ...]] = []
    for schema in SCHEMAS:
        made = simulate_face(N_FRAMES / FS_HZ, FS_HZ, schema)
        x = frames(made.t_ns, made.points)
        best = seconds(
            {
                "in one recording": lambda x=x, schema=schema: recording(schema, x),  # type: ignore[misc]  # bound now
                "one by one": lambda x=x, schema=schema: one_by_one(schema, x),  # type: ignore[misc]  # as above
                "in a ward": lambda x=x, schema=schema: ward(schema, x),  # type: ignore[misc]  # as above
            },
            rounds=3,
        )
        best["in a ward"] /= STREAMS
        rows += [(f"{schema}, {how}", took / N_FRAMES * 1e6) for how, took in best.items()]
    points = simulate_face(N_FRAMES / FS_HZ, FS_HZ, "mp478").points
    took = seconds({"scipy": lambda: aligned(points)}, rounds=3)["scipy"]
    rows.append(("alignment of mp478's stable points by numpy and scipy, nothing else", took / N_FRAMES * 1e6))
    table(f"Face: one frame through the whole chain ({STREAMS} streams in the ward)", ("frame", "us a frame"), rows)


def recording(schema: str, x: Array) -> None:
    """Analyse all frames in one push."""
    Plan(found=source("face", None, x.shape[1] - 1) | Face(schema)).run(face=x)


def one_by_one(schema: str, x: Array) -> None:
    """Call the chain for each frame, as it comes from a camera."""
    design = Face(schema).design(source("face", None, x.shape[1] - 1).signal)
    states, buffer = (part.copy() for part in design.memory)
    wave, out = np.zeros((1, 4)), np.zeros(17, FINDING)
    for i in range(len(x)):
        design.kernel(design.params, states[0], buffer, x[i : i + 1], wave, out)


def ward(schema: str, x: Array) -> None:
    """Feed the same frame to every stream of a table, one frame a call."""
    signal = source("face", None, x.shape[1] - 1).signal
    design = Face(schema).design(signal)
    table_of = Ward(design, STREAMS)
    slots = np.array([table_of.open(design, signal) for _ in range(STREAMS)])
    offsets, chunk = np.arange(STREAMS + 1), np.empty((STREAMS, x.shape[1]))
    for frame in x:
        chunk[:] = frame
        table_of.push(slots, offsets, chunk)


def aligned(points: Array) -> None:
    """Lay the stable points of each frame on those of the first."""
    stable = [p for pair in MP478.pairs for p in pair] + list(MP478.midline)
    rest = points[0, stable] - points[0, stable].mean(axis=0)
    for frame in points:
        now = frame[stable] - frame[stable].mean(axis=0)
        Rotation.align_vectors(rest, now)


if __name__ == "__main__":
    main()
