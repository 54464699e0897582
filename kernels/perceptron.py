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
    first, n_in, n_hidden, n_out = shape[net, 0], shape[net, 1], shape[net, 2], shape[net, 3]
    bias = first + n_in * n_hidden
    h = hidden[:n_hidden]
    for j in range(n_hidden):
        h[j] = weights[bias + j]
    for i in range(n_in):
        v = x[i]
        row = weights[first + i * n_hidden : first + (i + 1) * n_hidden]
        for j in range(n_hidden):
            h[j] += v * row[j]
    second = bias + n_hidden
    bias = second + n_hidden * n_out
    for k in range(n_out):
        out[k] = weights[bias + k]
    for j in range(n_hidden):
        v = h[j]
        if v > 0.0:
            for k in range(n_out):
                out[k] += v * weights[second + j * n_out + k]
