"""Small nets with one hidden layer, as the trainings of `training/` leave them in `kernels/models/`."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.kernel import kernel


class Nets(NamedTuple):
    """Hold several nets as arrays; a kernel reads them as constants of its module.

    weights : of each net: from the inputs to the hidden units, their biases, to the outputs, their biases, [n]
    shape   : of each net: first of its weights, inputs, hidden units, outputs, [n_nets, 4]
    """

    weights: NDArray[np.float32]
    shape: NDArray[np.int64]


def load(name: str) -> Nets:
    """Read the nets of a model of `kernels/models/`; its file says where they come from."""
    model = json.loads((Path(__file__).parent / "models" / f"{name}.json").read_text(encoding="utf-8"))
    weights: list[NDArray[np.float32]] = []
    shape: list[tuple[int, int, int, int]] = []
    for net in model["nets"]:
        shape.append((sum(map(len, weights)), net["inputs"], net["hidden"], net["outputs"]))
        weights += [np.float32(part["unit"]) * np.array(part["values"], np.float32) for part in net["parts"]]
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
    hidden         : room for the hidden units
    """
    u = np.uint64  # an index that can't count from the end spares a question each
    at, n_in, n_hidden, n_out = u(shape[net, 0]), u(shape[net, 1]), u(shape[net, 2]), u(shape[net, 3])
    bias = at + n_in * n_hidden
    for j in range(n_hidden):
        hidden[j] = weights[bias + j]
    i = u(0)
    while i + u(8) <= n_in:  # eight inputs in the time in which the hidden units are read and written once
        b, c, d, e = at + n_hidden, at + u(2) * n_hidden, at + u(3) * n_hidden, at + u(4) * n_hidden
        f, g, h = e + n_hidden, e + u(2) * n_hidden, e + u(3) * n_hidden
        x0, x1, x2, x3 = x[i], x[i + u(1)], x[i + u(2)], x[i + u(3)]
        x4, x5, x6, x7 = x[i + u(4)], x[i + u(5)], x[i + u(6)], x[i + u(7)]
        for j in range(n_hidden):
            v = hidden[j] + x0 * weights[at + j] + x1 * weights[b + j] + x2 * weights[c + j] + x3 * weights[d + j]
            hidden[j] = v + x4 * weights[e + j] + x5 * weights[f + j] + x6 * weights[g + j] + x7 * weights[h + j]
        at += u(8) * n_hidden
        i += u(8)
    while i < n_in:
        v = x[i]
        for j in range(n_hidden):
            hidden[j] += v * weights[at + j]
        at += n_hidden
        i += u(1)
    second = bias + n_hidden
    bias = second + n_hidden * n_out
    none = np.float32(0.0)
    for k in range(n_out):
        total = np.float64(weights[bias + k])
        for j in range(n_hidden):
            v = hidden[j]
            total += (v if v > none else none) * weights[second + j * n_out + k]
        out[k] = total
