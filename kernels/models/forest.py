"""Boosted decision trees, as the trainings of `training/` leave them in `kernels/models/`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

MOST_TREES, N_LEAVES = 256, 16  # of a Sieve, and of its trees


class Forest(NamedTuple):
    """Hold the trees of one or several outputs as arrays; a kernel reads one as a constant of its module.

    roots     : first node of each tree, those of output k are ends[k] to ends[k + 1], [n_trees]
    ends      : [n_outputs + 1]
    base      : of each output, [n_outputs]
    feature   : of each node; -1 is a leaf, [n_nodes]
    threshold : a value up to it goes left, a larger one and NaN right; of a leaf, what it adds, [n_nodes]
    left      : node to the left; the one to the right follows it, [n_nodes]
    """

    roots: NDArray[np.uint64]
    ends: NDArray[np.int64]
    base: NDArray[np.float64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.uint64]


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
    return Forest(
        np.array(roots[:-1], np.uint64),
        np.array(ends),
        np.array(base, float),
        np.array(feature, np.int64),
        np.array(threshold, float),
        np.array(left, np.uint64),
    )


def load(name: str) -> Forest:
    """Read a model of `kernels/models/`; its file says where it comes from."""
    path = Path(__file__).with_name(f"{name}.json")
    return from_outputs(json.loads(path.read_text(encoding="utf-8"))["outputs"])


@kernel
def verdict(
    roots: NDArray[np.uint64],
    ends: NDArray[np.int64],
    base: NDArray[np.float64],
    feature: NDArray[np.int64],
    threshold: NDArray[np.float64],
    left: NDArray[np.uint64],
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
            node = left[node] + np.uint64(not x[feature[node]] <= threshold[node])
        total += threshold[node]
        if abs(total) > enough:
            break
    return float(total)


class Sieve(NamedTuple):
    """Hold the trees of a Forest by feature, to be asked all at once.

    Each tree has a word with one bit for each of its leaves, the leftmost the lowest. A split that sends x to the right
    takes away the bits of what lies to its left; when all those have, the lowest bit left is the leaf that x falls in.
    The splits of a feature are in the order of their thresholds, so that those to be applied are the first ones.

    begin     : first split of each feature, [n_features]
    threshold : of each split; behind the last of each feature one that nothing is beyond, [n]
    tree      : which it is of, [n]
    keeps     : the bits that it leaves, [n]
    leaf      : what each leaf adds, at the place that `place` gives its bit, [n_trees, N_LEAVES]
    ends      : trees of output k are ends[k] to ends[k + 1], [n_outputs + 1]
    base      : of each output, [n_outputs]

    Source: C. Lucchese et al., QuickScorer: a fast algorithm to rank documents with additive ensembles of regression
    trees, SIGIR 2015.
    """

    begin: NDArray[np.uint64]
    threshold: NDArray[np.float64]
    tree: NDArray[np.uint16]
    keeps: NDArray[np.uint16]
    leaf: NDArray[np.float64]
    ends: NDArray[np.int64]
    base: NDArray[np.float64]


def _place(bits: int) -> int:
    """Give the lowest bit of a 16-bit word its place among 16: moved by it, a de Bruijn sequence shows other 4 bits."""
    return (((bits & -bits) * 0x0F2D) & 0xFFFF) >> 12


place = kernel(_place)


def sieve(forest: Forest) -> Sieve:
    """Sort the splits of a forest by feature.

    Errors: ValueError where a tree has more than N_LEAVES leaves, or there are more than MOST_TREES
    """
    if len(forest.roots) > MOST_TREES:
        raise ValueError(f"a forest of {len(forest.roots)} trees; {MOST_TREES} at most")
    splits: list[tuple[int, float, int, int]] = []
    leaf = np.zeros((len(forest.roots), N_LEAVES))

    def walk(tree: int, node: int, n: int) -> int:
        """Take what grows from a node, n leaves being to its left; returns how many are to the left of the next."""
        if forest.feature[node] < 0:
            if n == N_LEAVES:
                raise ValueError(f"a tree has more than {N_LEAVES} leaves")
            leaf[tree, _place(1 << n)] = forest.threshold[node]
            return n + 1
        middle = walk(tree, int(forest.left[node]), n)
        gone = (1 << middle) - (1 << n)
        splits.append((int(forest.feature[node]), float(forest.threshold[node]), tree, 0xFFFF & ~gone))
        return walk(tree, int(forest.left[node]) + 1, middle)

    for tree, root in enumerate(forest.roots):
        walk(tree, int(root), 0)
    n_features = 1 + max((split[0] for split in splits), default=-1)
    splits = sorted(splits + [(feature, np.inf, 0, 0xFFFF) for feature in range(n_features)])
    begin = np.searchsorted([split[0] for split in splits], np.arange(n_features))
    return Sieve(
        begin.astype(np.uint64),
        np.array([split[1] for split in splits], float),
        np.array([split[2] for split in splits], np.uint16),
        np.array([split[3] for split in splits], np.uint16),
        leaf,
        forest.ends,
        forest.base,
    )


@kernel
def sift(model: Sieve, x: NDArray[np.float64], leaves: NDArray[np.uint16]) -> None:
    """Find the leaf that the features x fall in, in every tree.

    leaves : gets the bits that are left of each tree's, [MOST_TREES]
    """
    for tree in range(model.leaf.shape[0]):
        leaves[tree] = 0xFFFF
    for feature in range(model.begin.shape[0]):
        v = x[feature]
        if v != v:
            v = np.inf  # NaN goes right everywhere, as what is larger than anything
        k = model.begin[feature]
        while v > model.threshold[k]:
            leaves[model.tree[k]] &= model.keeps[k]
            k += np.uint64(1)


@kernel
def total(model: Sieve, leaves: NDArray[np.uint16], output: int) -> float:
    """Sum up the trees of one output where `sift` has found their leaves: a log-odds of a class, or a number."""
    said = model.base[output]
    for tree in range(model.ends[output], model.ends[output + 1]):
        said += model.leaf[tree][place(np.int64(leaves[tree]))]  # type: ignore[arg-type]  # numpy's int is one
    return float(said)
