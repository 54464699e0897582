"""Write boosted trees of scikit-learn as a model that `vitalcore.kernels.models.forest` reads."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

Booster: TypeAlias = "HistGradientBoostingClassifier | HistGradientBoostingRegressor"
MODELS = Path(__file__).resolve().parents[1] / "kernels" / "models"


def balanced(x: Any, y: Any, weight: Any, n_rounds: int) -> HistGradientBoostingClassifier:
    """Fit small trees for two classes, 0 and 1, that count the same."""
    share = weight[y == 1].sum() / weight.sum()
    model = HistGradientBoostingClassifier(
        max_iter=n_rounds,
        max_leaf_nodes=8,
        learning_rate=0.12,
        l2_regularization=5,
        min_samples_leaf=40,
        early_stopping=False,
        random_state=0,
    )
    return model.fit(x, y, sample_weight=weight * np.where(y == 1, 0.5 / share, 0.5 / (1 - share)))


def outputs(model: Booster, names: Sequence[str]) -> list[dict[str, Any]]:
    """Spell the trees of a model, one output a name; it must have been trained on features without NaN."""
    per_round: list[list[Any]] = model._predictors
    base = np.ravel(model._baseline_prediction)
    return [
        {"name": name, "base": float(base[k]), "trees": [_tree(trees[k].nodes) for trees in per_round]}
        for k, name in enumerate(names)
    ]


def _tree(nodes: Any) -> dict[str, list[Any]]:
    """Number the nodes so that the right child follows the left one."""
    order, place = [0], {0: 0}
    for old in order:
        if not nodes[old]["is_leaf"]:
            for child in (int(nodes[old]["left"]), int(nodes[old]["right"])):
                place[child] = len(order)
                order.append(child)
    leaf = [bool(nodes[old]["is_leaf"]) for old in order]
    return {
        "feature": [-1 if end else int(nodes[old]["feature_idx"]) for old, end in zip(order, leaf, strict=True)],
        "threshold": [_short(nodes[old], end) for old, end in zip(order, leaf, strict=True)],
        "left": [0 if end else place[int(nodes[old]["left"])] for old, end in zip(order, leaf, strict=True)],
    }


def _short(node: Any, leaf: bool) -> float:
    """Round what a leaf adds to six digits; a threshold may be a value of the data itself and stays as it is."""
    return float(f"{node['value']:.6g}") if leaf else float(node["num_threshold"])


def write(name: str, features: Sequence[str], outputs: Sequence[Any], provenance: Mapping[str, Any]) -> Path:
    """Write a model file: where it comes from first, then its features and trees."""
    path = MODELS / f"{name}.json"
    model = {"name": name, "provenance": dict(provenance), "features": list(features), "outputs": list(outputs)}
    path.write_text(json.dumps(model, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")
    return path
