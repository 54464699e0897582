"""Forests in kernels say what scikit-learn says."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vitalcore.kernels.models import forest

sklearn = pytest.importorskip("sklearn.ensemble")


def test_a_written_model_gives_what_its_trainer_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import training.forest

    rng = np.random.default_rng(3)
    x = rng.normal(size=(600, 5))
    y = np.where(x[:, 0] + x[:, 1] ** 2 > 1, 2, np.where(x[:, 2] > 0.5, 1, 0))
    model = sklearn.HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=9).fit(x, y)
    monkeypatch.setattr(training.forest, "MODELS", tmp_path)
    monkeypatch.setattr(forest, "__file__", str(tmp_path / "forest.py"))
    training.forest.write("one", list("abcde"), training.forest.outputs(model, ["0", "1", "2"]), {"data": "random"})
    loaded = forest.load("one")
    expected = model.decision_function(x)
    for k in range(3):
        scores = [forest.verdict(*loaded, k, row, np.inf) for row in x]
        np.testing.assert_allclose(scores, expected[:, k], atol=1e-4)  # six digits a number
        assert sifted(loaded, x, k) == scores


def sifted(model: forest.Forest, x: NDArray[np.float64], output: int) -> list[float]:
    """Ask all trees at once."""
    sieve, leaves = forest.sieve(model), np.zeros(forest.MOST_TREES, np.uint16)
    scores = []
    for row in x:
        forest.sift(sieve, row, leaves)
        scores.append(forest.total(sieve, leaves, output))
    return scores


@pytest.mark.parametrize("name", ["beat_first", "beat_final", "af", "fibrillation"])
def test_all_trees_at_once_say_the_same_as_one_after_the_other(name: str) -> None:
    model = forest.load(name)
    rng = np.random.default_rng(4)
    inner = model.feature >= 0
    x = np.empty((300, model.feature.max() + 1))
    for k in range(x.shape[1]):
        at = model.threshold[inner & (model.feature == k)]
        some = [*at, *(at + 1e-9), *(at - 1e-9), -np.inf, np.inf, np.nan]
        x[:, k] = rng.choice(some, len(x))
    for output in range(len(model.base)):
        assert sifted(model, x, output) == [forest.verdict(*model, output, row, np.inf) for row in x]


def test_a_forest_too_large_for_its_bits_is_refused() -> None:
    leaf = {"feature": [-1], "threshold": [1.0], "left": [0]}
    with pytest.raises(ValueError, match="256 at most"):
        forest.sieve(forest.from_outputs([{"base": 0.0, "trees": [leaf] * 257}]))
    deep = {"feature": [0, -1] * 16 + [-1], "threshold": [0.0] * 33, "left": [*range(1, 33), 0]}
    with pytest.raises(ValueError, match="more than 16 leaves"):
        forest.sieve(forest.from_outputs([{"base": 0.0, "trees": [deep]}]))


def test_nan_goes_to_the_right() -> None:
    one = forest.Forest(
        roots=np.array([0], np.uint64),
        ends=np.array([0, 1]),
        base=np.array([10.0]),
        feature=np.array([0, -1, -1]),
        threshold=np.array([0.5, 1.0, 2.0]),
        left=np.array([1, 0, 0], np.uint64),
    )
    values = np.array([[0.4], [0.5], [0.6], [np.nan]])
    assert [forest.verdict(*one, 0, v, np.inf) for v in values] == [11.0, 11.0, 12.0, 12.0]
    assert sifted(one, values, 0) == [11.0, 11.0, 12.0, 12.0]
