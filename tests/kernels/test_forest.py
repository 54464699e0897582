"""Forests in kernels say what scikit-learn says."""

from pathlib import Path

import numpy as np
import pytest

from vitalcore.kernels import forest

sklearn = pytest.importorskip("sklearn.ensemble")


def test_a_written_model_gives_what_its_trainer_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import training.forest

    rng = np.random.default_rng(3)
    x = rng.normal(size=(600, 5))
    y = np.where(x[:, 0] + x[:, 1] ** 2 > 1, 2, np.where(x[:, 2] > 0.5, 1, 0))
    model = sklearn.HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=9).fit(x, y)
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(training.forest, "MODELS", tmp_path / "models")
    monkeypatch.setattr(forest, "__file__", str(tmp_path / "forest.py"))
    training.forest.write("one", list("abcde"), training.forest.outputs(model, ["0", "1", "2"]), {"data": "random"})
    loaded = forest.load("one")
    expected = model.decision_function(x)
    for k in range(3):
        scores = [forest.score(*loaded, k, row) for row in x]
        np.testing.assert_allclose(scores, expected[:, k], atol=1e-4)  # six digits a number


def test_nan_goes_to_the_right() -> None:
    one = forest.Forest(
        roots=np.array([0]),
        ends=np.array([0, 1]),
        base=np.array([10.0]),
        feature=np.array([0, -1, -1]),
        threshold=np.array([0.5, 1.0, 2.0]),
        left=np.array([1, 0, 0]),
    )
    scores = [forest.score(*one, 0, np.array([v])) for v in (0.4, 0.5, 0.6, np.nan)]
    assert scores == [11.0, 11.0, 12.0, 12.0]
