"""Train small nets with one hidden layer and write them as a model that `vitalcore.kernels.models.perceptron` reads."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.forest import MODELS

Array = NDArray[np.float32]
Batch = tuple[Any, Any, Any, Any, Any]

N_BATCH = 256
RATE = 2e-3  # of learning, at first
DECAY = 1e-4
CAPPED = 0.5  # error from which a number's gradient grows no more
STEPS = 1000  # a weight is kept as one of so many to each side


class Net:
    """Be a net: inputs to rectified hidden units to outputs."""

    def __init__(self, n_in: int, n_hidden: int, n_out: int, rng: np.random.Generator) -> None:
        """Start with random weights."""
        self.shape = (n_in, n_hidden, n_out)
        self.w1 = (rng.normal(size=(n_in, n_hidden)) * np.sqrt(2 / n_in)).astype(np.float32)
        self.b1 = np.zeros(n_hidden, np.float32)
        self.w2 = (rng.normal(size=(n_hidden, n_out)) * np.sqrt(1 / n_hidden)).astype(np.float32)
        self.b2 = np.zeros(n_out, np.float32)

    def parts(self) -> list[Array]:
        """List weights and biases as the kernel reads them."""
        return [self.w1, self.b1, self.w2, self.b2]

    def answer(self, x: Array) -> Array:
        """Answer inputs, [n, n_in]."""
        return np.asarray(np.maximum(x @ self.w1 + self.b1, 0) @ self.w2 + self.b2)

    def scaled(self, unit: Any, centre: Any) -> "Net":
        """Let the outputs be centre + unit * output."""
        self.w2 = (self.w2 * unit).astype(np.float32)
        self.b2 = (self.b2 * unit + centre).astype(np.float32)
        return self


def fit(batch: Callable[[int], Batch], n_hidden: int, rounds: int, seed: int) -> Net:
    """Train by Adam with a learning rate that sinks as a half cosine.

    batch : of each round: inputs, numbers to be said and their weights, labels 0 to 1 to be said as log-odds and theirs
    """
    rng = np.random.default_rng(seed)
    net: Net | None = None
    moments: list[tuple[Array, Array]] = []
    steps = 0
    for e in range(rounds):
        x, target, weight, label, asked = (np.asarray(each, np.float32) for each in batch(e))
        n, n_numbers = target.shape
        if net is None:
            net = Net(x.shape[1], n_hidden, n_numbers + label.shape[1], rng)
            moments = [(np.zeros_like(p), np.zeros_like(p)) for p in net.parts()]
        order = rng.permutation(n)
        for first in range(0, n - N_BATCH + 1, N_BATCH):
            rows = order[first : first + N_BATCH]
            seen = x[rows]
            hidden = np.maximum(seen @ net.w1 + net.b1, 0)
            said = hidden @ net.w2 + net.b2
            numbers = np.clip(said[:, :n_numbers] - target[rows], -CAPPED, CAPPED) * weight[rows]
            odds = (1 / (1 + np.exp(-np.clip(said[:, n_numbers:], -30, 30))) - label[rows]) * asked[rows]
            slope = np.concatenate([numbers, odds], axis=1) / N_BATCH
            back = (slope @ net.w2.T) * (hidden > 0)
            steps += 1
            rate = 0.5 * RATE * (1 + np.cos(np.pi * steps / (rounds * (n // N_BATCH))))
            slopes = (seen.T @ back, back.sum(0), hidden.T @ slope, slope.sum(0))
            for part, (mean, square), g in zip(net.parts(), moments, slopes, strict=True):
                mean += 0.1 * (g - mean)
                square += 0.001 * (g * g - square)
                move = (mean / (1 - 0.9**steps)) / (np.sqrt(square / (1 - 0.999**steps)) + 1e-8)
                part -= (rate * (move + DECAY * part * (part.ndim > 1))).astype(np.float32)
    assert net is not None
    return net


def write(name: str, nets: Sequence[Net], provenance: Mapping[str, Any]) -> Path:
    """Write a model file: where it comes from first, then its nets with weights as whole numbers of a unit."""
    path = MODELS / f"{name}.json"
    model = {"name": name, "provenance": dict(provenance), "nets": [_spelt(net) for net in nets]}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(model, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _spelt(net: Net) -> dict[str, Any]:
    n_in, n_hidden, n_out = net.shape
    parts = []
    for part in net.parts():
        unit = float(f"{max(float(np.abs(part).max()), 1e-9) / STEPS:.6g}")
        parts.append({"unit": unit, "values": np.rint(part.ravel() / unit).astype(int).tolist()})
    return {"inputs": n_in, "hidden": n_hidden, "outputs": n_out, "parts": parts}
