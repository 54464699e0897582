"""Boosted decision trees, as the trainings of `training/` leave them in `kernels/models/`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.kernel import kernel


class Forest(NamedTuple):
    """Hold the trees of one or several outputs as arrays; a kernel reads one as a constant of its module.

    roots     : first node of each tree, those of output k are ends[k] to ends[k + 1], [n_trees]
    ends      : [n_outputs + 1]
    base      : of each output, [n_outputs]
    feature   : of each node; -1 is a leaf, [n_nodes]
    threshold : a value up to it goes left, a larger one and NaN right; of a leaf, what it adds, [n_nodes]
    left      : node to the left; the one to the right follows it, [n_nodes]
    """

    roots: NDArray[np.int64]
    ends: NDArray[np.int64]
    base: NDArray[np.float64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]


def from_outputs(outputs: Sequence[Mapping[str, Any]]) -> Forest:
    """Lay the trees of a model's outputs one after the other."""
    roots, ends = [0], [0]
    feature: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    for output in outputs:
        for tree in output["trees"]:
            begin = len(feature)
            feature += tree["feature"]
            threshold += tree["threshold"]
            left += [begin + k for k in tree["left"]]
            roots.append(len(feature))
        ends.append(len(roots) - 1)
    base = [output["base"] for output in outputs]
    integers = [np.array(each, np.int64) for each in (roots[:-1], ends, feature, left)]
    return Forest(integers[0], integers[1], np.array(base, float), integers[2], np.array(threshold, float), integers[3])


def load(name: str) -> Forest:
    """Read a model of `kernels/models/`; its file says where it comes from."""
    path = Path(__file__).parent / "models" / f"{name}.json"
    return from_outputs(json.loads(path.read_text(encoding="utf-8"))["outputs"])


@kernel
def verdict(
    roots: NDArray[np.int64],
    ends: NDArray[np.int64],
    base: NDArray[np.float64],
    feature: NDArray[np.int64],
    threshold: NDArray[np.float64],
    left: NDArray[np.int64],
    output: int,
    x: NDArray[np.float64],
    enough: float,
) -> float:
    """Sum up the trees of one output at the features x, only until the sum is beyond +-enough: they add less and less.

    The first six are the fields of a Forest, given as `*MODEL`.
    """
    total = base[output]
    for tree in range(ends[output], ends[output + 1]):
        node = roots[tree]
        while feature[node] >= 0:
            node = left[node] if x[feature[node]] <= threshold[node] else left[node] + 1
        total += threshold[node]
        if abs(total) > enough:
            break
    return float(total)


@kernel
def score(
    roots: NDArray[np.int64],
    ends: NDArray[np.int64],
    base: NDArray[np.float64],
    feature: NDArray[np.int64],
    threshold: NDArray[np.float64],
    left: NDArray[np.int64],
    output: int,
    x: NDArray[np.float64],
) -> float:
    """Sum up all trees of one output at the features x, given as to `verdict`: a log-odds of a class, or a number."""
    return verdict(roots, ends, base, feature, threshold, left, output, x, np.inf)
