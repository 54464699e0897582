"""Beat by beat: the matrix of classes, and the errors of times."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitalcore.scoring.marks import CLASSES, Marks, Times
from vitalcore.scoring.pairing import WINDOW_S, pair
from vitalcore.scoring.spans import inside

ORDER = CLASSES + "OX"  # O: no beat there; X: no beat there, for no signal could be read
N, S, V, F, Q, O, X = range(7)  # noqa: E741 the standard's letters


@dataclass(frozen=True, eq=False)
class BeatScore:
    """Hold the comparison of the beats of one recording.

    matrix  : [7, 7], beats by reference class and by test class, in ORDER
    error_s : test minus reference of each pair
    delay_s : of each test beat, from its time to when it was said; empty where that is not known
    rr_s    : [n, 2], intervals between neighbours that are pairs on both sides: reference, test
    """

    matrix: NDArray[np.int64]
    error_s: Times
    delay_s: Times
    rr_s: Times


def compare(
    reference: Marks,
    test: Marks,
    classes: Mapping[str, str],
    start_s: float,
    end_s: float = np.inf,
    window_s: float = WINDOW_S,
) -> BeatScore:
    """Compare the beats from start_s to end_s.

    All beats are paired first; a pair counts where its reference beat lies in the period and outside ventricular
    fibrillation, a beat without a partner where it does so itself.

    Source: ANSI/AAMI EC57, beat-by-beat comparison.
    """
    pairs = pair(reference.t_s, test.t_s, window_s)
    theirs, ours = _coded(reference, classes), _coded(test, classes)
    their_count = _counted(reference.t_s, reference, start_s, end_s)
    our_count = _counted(test.t_s, reference, start_s, end_s)
    alone_theirs, alone_ours = their_count.copy(), our_count.copy()
    alone_theirs[pairs[:, 0]] = False
    alone_ours[pairs[:, 1]] = False
    both = pairs[their_count[pairs[:, 0]]]
    matrix = np.zeros((7, 7), np.int64)
    np.add.at(matrix, (theirs[both[:, 0]], ours[both[:, 1]]), 1)
    missed = np.where(inside(reference.t_s, test.shutdown), X, O)
    np.add.at(matrix, (theirs[alone_theirs], missed[alone_theirs]), 1)
    invented = np.where(inside(test.t_s, reference.shutdown), X, O)
    np.add.at(matrix, (invented[alone_ours], ours[alone_ours]), 1)
    delay_s = np.empty(0) if test.t_known_s is None else (test.t_known_s - test.t_s)[our_count]
    return BeatScore(
        matrix, test.t_s[both[:, 1]] - reference.t_s[both[:, 0]], delay_s, _intervals(reference, test, both)
    )


def ratios(matrix: NDArray[np.int64]) -> dict[tuple[str, str], tuple[int, int]]:
    """Give sensitivity and positive predictivity of QRS, V and S: how many of how many.

    A ventricular call on a fusion or unclassifiable beat is no false one, nor is a supraventricular call on an
    unclassifiable one.
    """
    paired = int(matrix[:5, :5].sum())
    found = {
        ("QRS", "Se"): (paired, int(matrix[:5].sum())),
        ("QRS", "+P"): (paired, int(matrix[:, :5].sum())),
    }
    for name, k, forgiven in (("V", V, (F, Q)), ("S", S, (Q,))):
        right = int(matrix[k, k])
        said = int(matrix[:, k].sum()) - sum(int(matrix[other, k]) for other in forgiven)
        found[name, "Se"] = right, int(matrix[k].sum())
        found[name, "+P"] = right, said
    return found


def _coded(side: Marks, classes: Mapping[str, str]) -> NDArray[np.int64]:
    return np.array([CLASSES.index(classes[symbol]) for symbol in side.symbols.tolist()], np.int64)


def _counted(t_s: Times, reference: Marks, start_s: float, end_s: float) -> NDArray[np.bool_]:
    return (t_s >= start_s) & (t_s <= end_s) & ~inside(t_s, reference.uncounted)


def _intervals(reference: Marks, test: Marks, pairs: NDArray[np.int64]) -> Times:
    """Pair the intervals whose both ends are pairs, with no fibrillation or shutdown between."""
    next_to = (np.diff(pairs, axis=0) == 1).all(axis=1)
    out = []
    for (i, j), (i_next, j_next) in zip(pairs[:-1][next_to], pairs[1:][next_to], strict=True):
        begin, end = reference.t_s[i], reference.t_s[i_next]
        if not any(a < end and b > begin for a, b in (*reference.uncounted, *reference.shutdown, *test.shutdown)):
            out.append((end - begin, test.t_s[j_next] - test.t_s[j]))
    return np.array(out, float).reshape(-1, 2)
