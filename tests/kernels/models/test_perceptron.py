"""Nets say what numpy says, and what their file says."""

import json

import numpy as np
import pytest

from vitalcore.kernels.models import perceptron


def test_a_net_agrees_with_numpy() -> None:
    rng = np.random.default_rng(1)
    sizes = [(7, 5, 2), (116, 48, 10)]
    parts = [
        [rng.normal(size=each).astype(np.float32) for each in ((n_in, n_hidden), n_hidden, (n_hidden, n_out), n_out)]
        for n_in, n_hidden, n_out in sizes
    ]
    weights, shape = perceptron.lay(sizes, parts)
    for net, (w1, b1, w2, b2) in enumerate(parts):
        x = rng.normal(size=sizes[net][0]).astype(np.float32)
        room = np.append(x, np.full(8, np.nan, np.float32))
        out = np.zeros(sizes[net][2])
        perceptron.run(weights, shape, net, room, np.zeros(64, np.float32), out)
        np.testing.assert_allclose(out, np.maximum(x @ w1 + b1, 0) @ w2 + b2, rtol=2e-5, atol=2e-5)


def test_a_model_s_file_holds_whole_numbers_of_a_unit(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    net = {
        "inputs": 1,
        "hidden": 2,
        "outputs": 1,
        "parts": [
            {"unit": 0.5, "values": [2, -2]},
            {"unit": 1, "values": [0, 0]},
            {"unit": 0.25, "values": [4, 8]},
            {"unit": 1, "values": [3]},
        ],
    }
    (tmp_path / "tiny.json").write_text(json.dumps({"nets": [net, net]}))
    monkeypatch.setattr(perceptron, "__file__", str(tmp_path / "perceptron.py"))
    weights, shape = perceptron.load("tiny")
    assert shape.tolist() == [[0, 1, 2, 1], [21, 1, 2, 1]]  # 2 to the hidden units, 14 of no weight, 2, 2, 1
    out = np.zeros(1)
    for x, said in ((2.0, 5.0), (-2.0, 7.0)):  # 3 + 1 * max(0, x) + 2 * max(0, -x)
        perceptron.run(weights, shape, 1, np.full(8, x, np.float32), np.zeros(2, np.float32), out)
        assert out[0] == pytest.approx(said)
