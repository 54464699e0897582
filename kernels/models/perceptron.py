"""Small nets with one hidden layer, as the trainings of `training/` leave them in `kernels/models/`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

ALIGNED = 8  # inputs are taken so many at a time


class Nets(NamedTuple):
    """Hold several nets as arrays; a kernel reads them as constants of its module.

    weights : of each net: from the inputs to the hidden units, filled up with inputs of no weight to a multiple of
              ALIGNED, their biases, to the outputs, their biases, [n]
    shape   : of each net: first of its weights, inputs, hidden units, outputs, [n_nets, 4]
    """

    weights: NDArray[np.float32]
    shape: NDArray[np.int64]


def load(name: str) -> Nets:
    """Read the nets of a model of `kernels/models/`; its file says where they come from."""
    model = json.loads(Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))
    sizes = [(net["inputs"], net["hidden"], net["outputs"]) for net in model["nets"]]
    parts = [
        [np.float32(part["unit"]) * np.array(part["values"], np.float32) for part in net["parts"]]
        for net in model["nets"]
    ]
    return lay(sizes, parts)


def lay(sizes: Sequence[tuple[int, int, int]], parts: Sequence[Sequence[NDArray[np.float32]]]) -> Nets:
    """Lay nets one after the other.

    sizes : inputs, hidden units and outputs of each
    parts : of each net: to the hidden units, their biases, to the outputs, their biases
    """
    weights: list[NDArray[np.float32]] = []
    shape: list[tuple[int, int, int, int]] = []
    for (n_in, n_hidden, n_out), (inner, *others) in zip(sizes, parts, strict=True):
        shape.append((sum(map(len, weights)), n_in, n_hidden, n_out))
        weights += [inner.ravel(), np.zeros(-n_in % ALIGNED * n_hidden, np.float32), *(part.ravel() for part in others)]
    return Nets(np.concatenate(weights), np.array(shape))


@kernel
def run(
    weights: NDArray[np.float32],
    shape: NDArray[np.int64],
    net: int,
    x: NDArray[np.float32],
    hidden: NDArray[np.float32],
    out: NDArray[np.float64],
) -> None:
    """Answer the inputs x by one net.

    weights, shape : the fields of Nets
    x              : zeros fill it up to a multiple of ALIGNED
    hidden         : room for the hidden units
    """
    u = np.uint64  # an index that can't count from the end spares a question each
    at, n_hidden, n_out = u(shape[net, 0]), u(shape[net, 2]), u(shape[net, 3])
    n_in = u(-(-shape[net, 1] // ALIGNED) * ALIGNED)
    bias = at + n_in * n_hidden
    for i in range(u(shape[net, 1]), n_in):
        x[i] = 0.0
    for j in range(n_hidden):
        hidden[j] = weights[bias + j]
    for i in range(u(0), n_in, u(ALIGNED)):  # eight inputs each time that the hidden units are read and written
        b, c, d, e = at + n_hidden, at + u(2) * n_hidden, at + u(3) * n_hidden, at + u(4) * n_hidden
        f, g, h = e + n_hidden, e + u(2) * n_hidden, e + u(3) * n_hidden
        x0, x1, x2, x3 = x[i], x[i + u(1)], x[i + u(2)], x[i + u(3)]
        x4, x5, x6, x7 = x[i + u(4)], x[i + u(5)], x[i + u(6)], x[i + u(7)]
        for j in range(n_hidden):
            v = hidden[j] + x0 * weights[at + j] + x1 * weights[b + j] + x2 * weights[c + j] + x3 * weights[d + j]
            hidden[j] = v + x4 * weights[e + j] + x5 * weights[f + j] + x6 * weights[g + j] + x7 * weights[h + j]
        at += u(ALIGNED) * n_hidden
    second = bias + n_hidden
    bias = second + n_hidden * n_out
    none = np.float32(0.0)
    for k in range(n_out):
        total = np.float64(weights[bias + k])
        for j in range(n_hidden):
            v = hidden[j]
            total += (v if v > none else none) * weights[second + j * n_out + k]
        out[k] = total
