"""Train the trees that judge peaks of QRS energy, `kernels/models/qrs.json`.

    python -m training.qrs [--data DIR] [--rounds N] [--cross-validate]

DIR is the folder of the real recordings (default: VITALCORE_DATA, or ../shared/data beside the repository); mitdb,
ludb and nstdb are used, and the scenarios of vitalcore.fixtures. Each round runs the detector itself over every
recording with the trees of the round before, so that it learns from the situations that it brings about.
`--cross-validate` only prints how the records of mitdb come out with trees that never saw them.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import wfdb
from numba.core.dispatcher import Dispatcher
from numpy.typing import NDArray
from scipy.signal import resample_poly
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.accuracy.reading import data_folder
from training.forest import outputs, write
from vitalcore.fixtures.scenarios import SCENARIOS
from vitalcore.kernels.core import finding
from vitalcore.kernels.models import forest
from vitalcore.kernels.qrs import qrs, qrs_score
from vitalcore.operators.ecg import qrs_params
from vitalcore.scoring.pairing import pair

Floats = NDArray[np.float64]

BEATS = "NLRBAaJSVrFejnE/fQ?"
WITHIN_S = 0.15
N_TRACE, N_NODES, N_TREES = 64, 1 << 14, 1 << 10
ABOUT = ("output", "w", "t", "energy", "score")
N_ABOUT = len(ABOUT)
EASY = 4.0  # log-odds
FOLDS = 4
SKIPPED_S = 300.0
SEEDS = range(101, 109)  # tests have others
UNASKED = 2  # beside the outputs AT_ONCE and LOOKING_BACK: a beat without a look at the trees

TRACED = np.dtype(
    [(name, qrs.STATE.fields[name][0]) for name in qrs.STATE.names]  # type: ignore[index,union-attr]  # it has fields
    + [
        ("n_trace", "i8"),
        ("trace", "f8", (N_TRACE, N_ABOUT + qrs_score.N_FEATURES)),
        ("roots", "u8", (N_TREES,)),
        ("ends", "i8", (3,)),
        ("base", "f8", (2,)),
        ("feature", "i8", (N_NODES,)),
        ("threshold", "f8", (N_NODES,)),
        ("left", "u8", (N_NODES,)),
    ],
    align=True,
)


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]  # numba has no types
def note(state: Any, peak: Any, output: int) -> float:
    """Score a peak with the trees of this round and note its features."""
    x = peak["x"]
    score: float
    if output == UNASKED:
        score = qrs_score.ENOUGH
    elif state["ends"][2] == 0:  # the first round knows a rule of thumb
        score = 3.0 * (x[0] + 0.9) if x[3] > 0.3 else 3.0 * (x[8] + 0.4)
        score -= 2.0 * output
    else:
        score = forest.verdict(
            state["roots"],
            state["ends"],
            state["base"],
            state["feature"],
            state["threshold"],
            state["left"],
            output,
            x,
            np.inf,
        )
    row = state["trace"][state["n_trace"] % N_TRACE]
    state["n_trace"] += 1
    row[0] = output
    row[1] = peak["w"]
    row[2] = peak["t"]
    row[3] = peak["energy"]
    row[4] = score
    for k in range(qrs_score.N_FEATURES):
        row[N_ABOUT + k] = x[k]
    return score


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]  # numba has no types
def at_once(params: Any, state: Any, peak: Any) -> float:
    """Stand in for qrs_score.at_once."""
    qrs_score.describe(params, state, peak)
    for k in range(qrs_score.N_AT_ONCE, qrs_score.N_FEATURES):
        peak["x"][k] = 0.0
    return note(state, peak, UNASKED if qrs_score.is_same(peak["x"]) else qrs_score.AT_ONCE)


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]  # numba has no types
def looking_back(params: Any, state: Any, peak: Any, next_w: int) -> float:
    """Stand in for qrs_score.looking_back."""
    qrs_score.place_in_gap(state, peak, next_w)
    return note(state, peak, qrs_score.LOOKING_BACK)


@dataclass(frozen=True)
class Material:
    """A recording with its true beats.

    group   : the record it comes from
    x       : mV, [n, n_leads]
    truth   : samples
    skipped : spans in which nothing counts, samples
    """

    group: str
    kind: str
    fs_hz: float
    x: Floats
    truth: Floats
    skipped: tuple[tuple[float, float], ...] = ()


def run(material: Material, model: forest.Forest | None) -> tuple[Floats, NDArray[np.void]]:
    """Run the detector with trees: what it noted and the beats it said."""
    fs_hz, x = material.fs_hz, material.x
    params = qrs_params(fs_hz, x.shape[1])[0]
    state = np.zeros(1, TRACED)[0]
    if model is not None:
        for name in ("roots", "feature", "threshold", "left"):
            values = getattr(model, name)
            state[name][: len(values)] = values
        state["ends"], state["base"] = model.ends, model.base
    buffer = np.zeros(int(params["energy"]["stride"]) * x.shape[1])
    qrs.begin(params, state, buffer)
    out = np.zeros(100, finding.FINDING)
    noted, said = [], []
    pace = int(fs_hz)
    for i in range(0, len(x), pace):
        n = qrs.step(params, state, buffer, x[i : i + pace], out)
        said.append(out[:n].copy())
        if state["n_trace"] > N_TRACE:
            raise RuntimeError("more peaks in a second than are noted")
        noted.append(state["trace"][: state["n_trace"]].copy())
        state["n_trace"] = 0
    return np.concatenate(noted), np.concatenate(said)


def label(material: Material, noted: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which noted peaks are beats, and which count at all.

    Of the peaks within 150 ms of a beat with at least 0.3 of the largest's energy, the nearest is it.
    """
    within = WITHIN_S * material.fs_hz
    true = np.zeros(len(noted), bool)
    t, energy = noted[:, 2], noted[:, 3]
    order = np.argsort(t, kind="stable")
    for beat in material.truth:
        near = order[np.searchsorted(t[order], beat - within) : np.searchsorted(t[order], beat + within, "right")]
        if len(near):
            large = near[energy[near] >= 0.3 * energy[near].max()]
            w = noted[large[np.argmin(np.abs(t[large] - beat))], 1]
            true[near[noted[near, 1] == w]] = True
    counts = np.ones(len(noted), bool)
    for a, b in material.skipped:
        counts &= (t < a) | (t > b)
    return true, counts


def mixed(material: Material, noises: dict[str, Floats], rng: np.random.Generator) -> Floats:
    """Add noise of changing kind and size in every other minute, each lead its own.

    The stretches of the noises in the noisy segments of the noise stress test's records are not used.
    """
    y = material.x.copy()
    minute = int(60 * material.fs_hz)
    for c in range(y.shape[1]):
        swings = [np.ptp(y[int(max(0, t - 18)) : int(t + 18), c]) for t in material.truth]
        power = np.median(swings) ** 2 / 8
        for a in range(minute, len(y) - minute, 2 * minute):
            n = noises[str(rng.choice(["em", "em", "em", "ma", "bw", "all"]))][:, int(rng.integers(2))]
            spans = [0, 300, *(420 + 240 * k for k in range(6))]
            at = int((rng.choice(spans) + rng.uniform(0, 60)) * material.fs_hz)
            piece = n[at : at + minute] * rng.choice([-1, 1])
            seconds = n[: len(n) // 360 * 360].reshape(-1, 360).var(axis=1)
            snr_db = rng.choice([18, 12, 6, 6, 0, 0, -6])
            y[a : a + minute, c] += piece * np.sqrt(power / (0.317 * seconds.mean()) / 10 ** (snr_db / 10))
    return y


def jumping(x: Floats, fs_hz: float, rng: np.random.Generator) -> Floats:
    """Change gain and sign now and then, as when electrodes are moved."""
    y = x.copy()
    at = 0
    while at < len(x):
        n = int(rng.uniform(20, 90) * fs_hz)
        y[at : at + n] *= np.exp(rng.uniform(-1.3, 1.3)) * rng.choice([-1, 1], p=[0.3, 0.7])
        at += n
    return y


def complexes(fs_hz: float, rate: float, mv: float, width_s: float, t_ratio: float) -> Material:
    """Make the QRS and T wave of IEC 60601-2-27's test signals."""
    t_s = np.arange(int(40 * fs_hz)) / fs_hz
    onsets_s = np.arange(0.4, 39.5, 60 / rate)
    x = np.zeros_like(t_s)
    for a in onsets_s:
        x += np.interp(t_s - a, np.array([0, 0.4375, 0.9375, 1]) * width_s, np.array([0, 0.875, -0.125, 0]) * mv)
        since = t_s - a - 0.17
        x += np.where((since > 0) & (since < 0.18), t_ratio * mv * np.sin(np.pi * since / 0.18), 0)
    return Material("shapes", "shapes", fs_hz, x[:, None], (onsets_s + 0.4375 * width_s) * fs_hz)


def resampled(material: Material, fs_hz: int) -> Material:
    """Bring a material to another rate."""
    factor = fs_hz / material.fs_hz
    common = int(np.gcd(fs_hz, int(material.fs_hz)))
    x = resample_poly(material.x, fs_hz // common, int(material.fs_hz) // common)
    spans = tuple((a * factor, b * factor) for a, b in material.skipped)
    return Material(material.group, material.kind, fs_hz, np.ascontiguousarray(x), material.truth * factor, spans)


def records(data: Path) -> Iterator[Material]:
    """Read the records of MIT-BIH with both leads."""
    for path in sorted(path.with_suffix("") for path in (data / "mitdb").glob("*.hea")):
        signal = wfdb.rdrecord(str(path))
        notes = wfdb.rdann(str(path), "atr")
        truth = np.array([t for t, s in zip(notes.sample, notes.symbol, strict=True) if s in BEATS], float)
        begins = [t for t, s in zip(notes.sample, notes.symbol, strict=True) if s == "["]
        ends = [t for t, s in zip(notes.sample, notes.symbol, strict=True) if s == "]"]
        yield Material(
            path.name, "both", float(signal.fs), signal.p_signal, truth, tuple(zip(begins, ends, strict=False))
        )


def tiled(data: Path, rng: np.random.Generator) -> Iterator[Material]:
    """Repeat what is delineated of LUDB's 10 s records, from beat to beat, in some leads of each."""
    for path in sorted(path.with_suffix("") for path in (data / "ludb").glob("*.hea")):
        signal = wfdb.rdrecord(str(path))
        for c in rng.choice(12, 4, replace=False):
            notes = wfdb.rdann(str(path), signal.sig_name[c])
            beats = np.array([t for t, s in zip(notes.sample, notes.symbol, strict=True) if s == "N"])
            if len(beats) < 4:
                continue
            early = min(125, int(0.3 * np.diff(beats).min()))
            first, last = beats[0] - early, beats[-1] - early
            x = signal.p_signal[first:last, c]
            x = x - np.linspace(0, x[-1] - x[0], len(x))
            n = math.ceil(40 * signal.fs / len(x))
            truth = np.concatenate([beats[:-1] - first + k * len(x) for k in range(n)]).astype(float)
            yield Material(f"ludb {path.name}", "tiled", float(signal.fs), np.tile(x, n)[:, None], truth)


def simulated() -> Iterator[Material]:
    """Make the scenarios by seeds that no test has, at any rate, with one lead or three."""
    rng = np.random.default_rng(3)
    for name, scenario in SCENARIOS.items():
        for seed in SEEDS:
            fs_hz = int(rng.choice([1000] if name.startswith("paced") else [125, 200, 250, 360, 500]))
            made = scenario.make(fs_hz=fs_hz, n_leads=int(rng.choice([1, 3])), seed=seed)
            spans = (*made.fibrillation, *made.unusable, *made.shaky)
            skipped = tuple((a * fs_hz, b * fs_hz) for a, b in spans)
            yield Material(name, "simulated", fs_hz, made.x, made.r_s * fs_hz, skipped)


def excerpt(material: Material, kind: str, length_s: float, rng: np.random.Generator) -> Material:
    """Cut a piece and look at it from a random direction: a weighted sum of its leads, a little faster or slower."""
    fs_hz = material.fs_hz
    n = min(len(material.x), int(length_s * fs_hz))
    at = int(rng.integers(0, len(material.x) - n + 1))
    angle = rng.uniform(0, 2 * np.pi)
    weights = np.array([np.cos(angle), np.sin(angle)]) if material.x.shape[1] == 2 else rng.choice([-1.0, 1.0], 1)
    x = np.ascontiguousarray((material.x[at : at + n] @ weights)[:, None])
    truth = material.truth - at
    truth = truth[(truth >= 0) & (truth < n)]
    spans = tuple((a - at, b - at) for a, b in material.skipped)
    return Material(material.group, kind, fs_hz, x, truth, spans)


def hurried(material: Material, rng: np.random.Generator) -> Material:
    """Bring a material to another rate, and claim a third one: everything in it is a little faster or slower."""
    fs_hz = int(rng.choice([120, 180, 250, 360, 500]))
    made = resampled(material, fs_hz)
    return replace(made, fs_hz=round(fs_hz * rng.uniform(0.87, 1.15)))


def materials(data: Path) -> Iterator[Material]:
    """Make all that is trained on."""
    noises = {name: wfdb.rdrecord(str(data / "nstdb" / name)).p_signal for name in ("em", "ma", "bw")}
    noises["all"] = sum(noise / noise.std(axis=0) for noise in noises.values())
    rng = np.random.default_rng(1)
    for both in records(data):
        group, fs_hz, truth, skipped = both.group, both.fs_hz, both.truth, both.skipped
        yield both
        yield Material(group, "first", fs_hz, np.ascontiguousarray(both.x[:, :1]), truth, skipped)
        for _ in range(4):
            yield hurried(excerpt(both, "turned", 600, rng), rng)
        for _ in range(2):
            piece = excerpt(both, "turned", 600, rng)
            yield hurried(replace(piece, kind="turned noisy", x=mixed(piece, noises, rng)), rng)
        noisy = replace(both, x=mixed(both, noises, rng))
        yield replace(noisy, kind="both noisy", x=noisy.x[:216000], truth=truth[truth < 216000])
        yield replace(noisy, kind="first noisy", x=np.ascontiguousarray(noisy.x[:, :1]))
        piece = excerpt(both, "jumping", 600, rng)
        yield hurried(replace(piece, x=jumping(piece.x, fs_hz, rng)), rng)
    for piece in tiled(data, rng):
        yield hurried(piece, rng)
    yield from simulated()
    for rate in (15, 30, 60, 80, 120, 180, 250, 300, 350):
        for width_s in (0.04, 0.07, 0.1, 0.12):
            if rate * width_s < 60 * 0.5:
                fs_hz = float(rng.choice([125, 250, 360, 500, 1000]))
                yield complexes(fs_hz, rate, float(rng.choice([0.5, 2, 5])), width_s, 0.0)
    for t_ratio in (0.25, 0.5, 0.75, 1.0, 1.2):
        for fs_hz in (125.0, 250.0, 500.0):
            yield complexes(fs_hz, 80, 1.0, 0.1, t_ratio)
            yield complexes(fs_hz, 60, 1.0, 0.08, t_ratio)


def weights_of(kind: str, true: NDArray[np.bool_]) -> Floats:
    """Tell how much the peaks of a material count: where there is no noise a missed beat is worse than one too many."""
    weight = {"both": 0.7, "shapes": 3.0, "tiled": 1.5}.get(kind, 0.5 if "noisy" in kind else 1.0)
    return weight * np.where(true & ("noisy" not in kind), 2.5, 1.0)


Table = tuple[Floats, NDArray[np.bool_], Floats]  # noted rows, whether each is a beat, how much it counts


def thinned(table: Table, rng: np.random.Generator) -> Table:
    """Keep one of six of the rows that were judged right with ease, and let it count for six."""
    noted, true, weights = table
    score = noted[:, 4]
    easy = (np.abs(score) > EASY) & ((score > 0) == true)
    kept = ~easy | (rng.random(len(noted)) < 1 / 6)
    return noted[kept], true[kept], np.where(easy, 6 * weights, weights)[kept]


def fit(tables: list[Table]) -> list[dict[str, Any]]:
    """Train the trees of both outputs."""
    noted, true, weights = (np.concatenate([table[k] for table in tables]) for k in range(3))
    spelt = []
    for output, name, n_trees in ((0, "at once", 90), (1, "looking back", 50)):
        rows = noted[:, 0] == output
        n = qrs_score.N_AT_ONCE if output == 0 else qrs_score.N_FEATURES
        model = HistGradientBoostingClassifier(
            max_iter=n_trees,
            learning_rate=0.12,
            max_leaf_nodes=12,
            min_samples_leaf=40,
            l2_regularization=5.0,
            max_bins=128,
            early_stopping=False,
            random_state=0,
        )
        model.fit(noted[rows][:, N_ABOUT : N_ABOUT + n], true[rows], weights[rows])
        spelt += outputs(model, [name])
    return spelt


def hooked() -> None:
    """Make the detector note what it judges, with trees that can be exchanged.

    Its kernels are compiled anew: those kept on disk may hold stand-ins of another day.
    """
    for name, each in list(vars(qrs).items()):
        if isinstance(each, Dispatcher):
            setattr(qrs, name, numba.njit(error_model="numpy")(each.py_func))
    for name, stand_in in (("at_once", at_once), ("looking_back", looking_back)):
        setattr(qrs, name, stand_in)


def table_of(material: Material, model: forest.Forest | None, rng: np.random.Generator) -> Table:
    """Run the detector over a material and tell which of the peaks that it judged are beats."""
    noted, _ = run(material, model)
    true, counts = label(material, noted)
    counts &= noted[:, 0] != UNASKED
    return thinned((noted[counts], true[counts], weights_of(material.kind, true[counts])), rng)


def trained(made: Sequence[Material], rounds: int) -> tuple[list[dict[str, Any]], int]:
    """Train on materials: what the model says, and how many rows it learnt from."""
    rng = np.random.default_rng(2)
    model: forest.Forest | None = None
    tables: list[Table] = []
    spelt: list[dict[str, Any]] = []
    for _ in range(rounds):
        tables += [table_of(material, model, rng) for material in made]
        spelt = fit(tables)
        model = forest.from_outputs(spelt)
    return spelt, sum(len(table[0]) for table in tables)


def counted(material: Material, model: forest.Forest) -> NDArray[np.int64]:
    """Count the beats of a material, those missed and those invented, the first 5 min skipped."""
    fs_hz = material.fs_hz
    said = run(material, model)[1]
    times = []
    for t in (material.truth, np.sort(said["t"][said["what"] == finding.BEAT])):
        kept = t >= SKIPPED_S * fs_hz
        for a, b in material.skipped:
            kept &= (t < a) | (t > b)
        times.append(t[kept] / fs_hz)
    found = len(pair(times[0], times[1], WITHIN_S))
    return np.array([len(times[0]), len(times[0]) - found, len(times[1]) - found])


def cross_validate(made: Sequence[Material], rounds: int) -> None:
    """Print how the recordings come out with trees that have not seen them."""
    groups = [material.group for material in made if material.kind == "first"]
    order = np.random.default_rng(7).permutation(len(groups))
    total = {"first": np.zeros(3, np.int64), "both": np.zeros(3, np.int64)}
    for k in range(FOLDS):
        held = {groups[i] for i in order[k::FOLDS]}
        model = forest.from_outputs(trained([each for each in made if each.group not in held], rounds)[0])
        for material in made:
            if material.group in held and material.kind in total:
                n, missed, invented = counts = counted(material, model)
                total[material.kind] += counts
                print(f"{material.group}, {material.kind}: {missed} of {n} missed, {invented} invented", flush=True)
    for kind, (n, missed, invented) in total.items():
        print(f"{kind}: Se {100 - 100 * missed / n:.2f}, +P {100 * (n - missed) / (n - missed + invented):.2f}")


def main(arguments: Sequence[str] = ()) -> None:
    """Train, and write the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--cross-validate", action="store_true")
    given = parser.parse_args(arguments)
    hooked()
    made = list(materials(given.data))
    if given.cross_validate:
        cross_validate(made, given.rounds)
        return
    spelt, n_rows = trained(made, given.rounds)
    groups = sorted({material.group for material in made if material.kind == "first"})
    provenance = {
        "made": "python -m training.qrs",
        "data": "PhysioNet mitdb 1.0.0, ludb 1.0.1 and nstdb 1.0.0 (noises, without the stretches in noisy records)",
        "records": "mitdb " + " ".join(groups) + "; ludb odd",
        "simulated": f"every scenario, seeds {SEEDS.start} to {SEEDS.stop - 1}",
        "rounds": given.rounds,
        "rows": n_rows,
    }
    write("qrs", qrs_score.FEATURES, spelt, provenance)


if __name__ == "__main__":
    main(sys.argv[1:])
