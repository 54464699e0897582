"""Train the nets of `vitalcore.kernels.beats.delineate` on the boundaries that cardiologists set in the LUDB records.

    python -m training.delineation [--data DIR] [--folds N]

DIR holds ludb/ (default: VITALCORE_DATA, or ../shared/data beside the repository). Every lead of every record trains,
each record with the same weight, in versions whose segments are stretched and to which noise, wander and mains are
added. The nets are trained five times, each time without a fifth of the records, on which they are tried; what they say
there trains the judgement whether there is a P wave. Then they are trained on all. With --folds only so many are tried.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import wfdb
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.accuracy.reading import data_folder
from training.perceptron import Net, fit, write
from vitalcore.kernels.beats import delineate as d
from vitalcore.kernels.beats import waves as stage_of_waves
from vitalcore.kernels.models import perceptron

Array = NDArray[np.float32]
Times = NDArray[np.float64]

LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
FS_HZ = 500.0
GRID = (np.arange(d.N_SNIP) - d.R_AT) * d.GRID_S
USUAL_S = np.array([-0.19, -0.14, -0.09, -0.05, 0.05, 0.19, 0.27, 0.33])  # against R, where a wave is not there
PARTS = {"qrs": (d.QRS_ON, d.QRS_OFF), "t": (d.T_ON, d.T_PEAK, d.T_OFF), "p": (d.P_ON, d.P_PEAK, d.P_OFF)}
UNIT = {"qrs": 5.0, "t": 10.0, "p": 7.5}  # of what a net says, in places of the grid
CENTRE = {"qrs": (-12.0, 12.0), "t": (-20.0, 0.0, 15.0), "p": (-12.0, 0.0, 12.0)}
WHOLE_UNIT = 12.5
JITTER_S = (  # of what the nets before have said, at the wide and the near look
    np.array([0.03, 0.03, 0.03, 0.014, 0.018, 0.035, 0.03, 0.04]),
    np.array([0.012, 0.012, 0.012, 0.008, 0.010, 0.018, 0.014, 0.020]),
)


class Beats(NamedTuple):
    """Hold the annotated beats of all leads.

    record, lead : whose
    r_s          : the QRS complex' peak
    times_s      : of d.P_ON … d.T_OFF, NaN where there is none, [n, 8]
    has_p, has_t : 1, 0; -1 where annotation begins or ends before it could be known
    before_s, after_s : to the neighbours, NaN where they are not annotated
    """

    record: NDArray[np.int64]
    lead: NDArray[np.int64]
    r_s: Times
    times_s: Times
    has_p: NDArray[np.int64]
    has_t: NDArray[np.int64]
    before_s: Times
    after_s: Times


class Looks(NamedTuple):
    """Hold snips and what is known of them, in places of the grid.

    x, y      : snip and its smoothed form, [n, d.N_SNIP]
    amplitude : [n]
    times     : [n, 8], NaN where a wave is not there
    before, after : intervals, after is 0 where it shall not be known
    beat      : row of Beats
    """

    x: Times
    y: Times
    amplitude: Times
    times: Times
    before: Times
    after: Times
    beat: NDArray[np.int64]


def waves(note: Any) -> list[tuple[str, float, float, float]]:
    """Read the marks ( p ) ( N ) ( t ) as kind, begin, peak, end in s; NaN where a bracket is missing."""
    found: list[list[Any]] = []
    begin, is_open = np.nan, False
    for sample, symbol in zip(note.sample, note.symbol, strict=True):
        if symbol == "(":
            begin, is_open = sample / FS_HZ, False
        elif symbol == ")":
            if is_open:
                found[-1][3] = sample / FS_HZ
            is_open = False
        else:
            found.append([symbol, begin, sample / FS_HZ, np.nan])
            begin, is_open = np.nan, True
    return [(w[0], w[1], w[2], w[3]) for w in found]


def read(folder: Path) -> tuple[list[str], list[Times], Beats]:
    """Read names, signals in mV at 500 Hz as means of two samples, and beats of all records."""
    names = sorted((path.stem for path in folder.glob("*.hea")), key=int)
    signals, rows = [], []
    for k, name in enumerate(names):
        record = wfdb.rdrecord(str(folder / name))
        order = [[n.lower() for n in record.sig_name].index(lead) for lead in LEADS]
        x = record.p_signal[:, order]
        signals.append(0.5 * (x[:-1] + x[1:]))
        for c, lead in enumerate(LEADS):
            found = waves(wfdb.rdann(str(folder / name), lead))
            at = [i for i, wave in enumerate(found) if wave[0] == "N"]
            for n, i in enumerate(at):
                begin = at[n - 1] + 1 if n else 0
                end = at[n + 1] if n + 1 < len(at) else len(found)
                p = [w[1:] for w in found[begin:i] if w[0] == "p"][-1:]
                t = [w[1:] for w in found[i + 1 : end] if w[0] == "t"][:1]
                times = [*(p[0] if p else 3 * [np.nan]), found[i][1], found[i][3], *(t[0] if t else 3 * [np.nan])]
                before = found[i][2] - found[at[n - 1]][2] if n else np.nan
                after = found[at[n + 1]][2] - found[i][2] if n + 1 < len(at) else np.nan
                has_p = 1 if p else -1 if i == 0 else 0
                has_t = 1 if t else -1 if i + 1 == len(found) else 0
                rows.append((k, c, found[i][2], times, has_p, has_t, before, after))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return names, signals, Beats(*columns)


def sampled(x: Times, at_s: Times) -> Times:
    """Read a signal between its samples; beyond its ends they are held."""
    at = at_s * FS_HZ - 0.5
    return np.interp(at, np.arange(len(x)), x)


def plain(signals: Sequence[Times], beats: Beats, rows: NDArray[np.int64]) -> Looks:
    """Cut snips as the chain does, at R."""
    x = np.array([sampled(signals[int(beats.record[j])][:, beats.lead[j]], beats.r_s[j] + GRID) for j in rows.tolist()])
    times = (beats.times_s[rows] - beats.r_s[rows, None]) / d.GRID_S + d.R_AT
    before = np.nan_to_num(beats.before_s[rows] / d.GRID_S, nan=d.UNKNOWN_RR)
    after = np.nan_to_num(beats.after_s[rows] / d.GRID_S)
    return smoothed(x, times, before, after, rows)


def smoothed(x: Times, times: Times, before: Times, after: Times, beat: NDArray[np.int64]) -> Looks:
    """Add what the kernel makes of snips."""
    y, amplitude = np.empty_like(x), np.empty(len(x))
    _smooth(x, np.zeros(1, d.SCRATCH)[0], y, amplitude)
    return Looks(x, y, amplitude, times, before, after, beat)


def varied(signals: Sequence[Times], beats: Beats, seed: int) -> Looks:
    """Cut each beat's snip with its segments stretched, R misplaced and disturbances added."""
    rng = np.random.default_rng(seed)
    n = len(beats.r_s)
    x, times, before, after = np.empty((n, d.N_SNIP)), np.empty((n, 8)), np.empty(n), np.zeros(n)
    for j in range(n):
        r_s = beats.r_s[j]
        at = np.where(np.isnan(beats.times_s[j]), r_s + USUAL_S, beats.times_s[j])
        on, off = at[d.QRS_ON], max(at[d.QRS_OFF], at[d.QRS_ON] + 0.03)
        p_off, t_off = min(at[d.P_OFF], on - 0.01), max(at[d.T_OFF], off + 0.1)
        knots = np.array([p_off - 1.0, p_off, on, off, t_off, t_off + 1.5])
        pace = np.exp(0.08 * rng.normal())
        stretch = pace * np.exp(np.array([0.0, 0.25, 0.08, 0.12, 0.15]) * rng.normal(size=5))
        to = np.concatenate([[0.0], np.cumsum(np.diff(knots) * stretch)])
        middle = r_s if rng.random() < 0.8 else 0.5 * (on + off) + rng.uniform(-0.03, 0.03)
        r_new = np.interp(middle, knots, to) + rng.uniform(-0.012, 0.012)
        wave = sampled(signals[int(beats.record[j])][:, beats.lead[j]], np.interp(r_new + GRID, to, knots))
        x[j] = disturbed(wave, rng)
        times[j] = (np.interp(beats.times_s[j], knots, to) - r_new) / d.GRID_S + d.R_AT
        before[j] = np.nan_to_num(beats.before_s[j] / d.GRID_S, nan=d.UNKNOWN_RR)
        if np.isfinite(beats.after_s[j]) and rng.random() < 0.8:
            after[j] = (np.interp(r_s + beats.after_s[j], knots, to) - r_new) / d.GRID_S
            known = int(d.R_AT + after[j] + rng.uniform(0.1, 0.4) / d.GRID_S)
            x[j, known:] = x[j, min(known, d.N_SNIP) - 1]
    times[np.isnan(beats.times_s)] = np.nan
    return smoothed(x, times, before, after, np.arange(n))


def disturbed(x: Times, rng: np.random.Generator) -> Times:
    """Add white and muscle noise, mains and wander, take away what slow recorders don't keep; or turn upside down."""
    range_mv = np.ptp(x[d.R_AT - 40 : d.R_AT + 40]) + 1e-3
    if rng.random() < 0.5:
        x = x + 0.02 * range_mv * rng.random() * rng.normal(size=len(x))
    if rng.random() < 0.3:
        muscle = np.convolve(rng.normal(size=len(x) + 4), np.ones(5) / 5, "valid")
        x = x + 0.03 * range_mv * rng.random() * muscle
    if rng.random() < 0.2:
        x = x + 0.02 * range_mv * rng.random() * np.sin(
            2 * np.pi * rng.choice([50, 60]) * GRID + rng.uniform(0, 2 * np.pi)
        )
    wander_hz = rng.uniform(0.05, 0.5)
    x = x + 0.15 * range_mv * rng.random() * np.sin(2 * np.pi * wander_hz * GRID + rng.uniform(0, 2 * np.pi))
    if rng.random() < 0.3:
        x = np.convolve(np.pad(x, 1, "edge"), [0.25, 0.5, 0.25], "valid")
    return -x if rng.random() < 0.1 else x


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def _smooth(x: Times, s: np.void, y: Times, amplitude: Times) -> None:
    for k in range(len(x)):
        s["x"][:] = x[k]
        d.smooth(s)
        y[k] = s["y"]
        amplitude[k] = s["amplitude"]


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # as above
def _look(
    net: int,
    x: Times,
    y: Times,
    amplitude: Times,
    before: Times,
    after: Times,
    times: Times,
    centre: Times,
    s: np.void,
    out: Array,
) -> None:
    """Fill out with what a net looks at when the nets before have said `times`, and for a choosing net `centre`."""
    for k in range(len(x)):
        s["x"][:] = x[k]
        s["y"][:] = y[k]
        s["amplitude"] = amplitude[k]
        s["before"] = before[k]
        s["after"] = after[k]
        s["times"][:] = times[k]
        if net == d.WHOLE:
            d.look_whole(s)
        else:
            d.look_near(s, net, centre[k])
        out[k] = s["look"][: out.shape[1]]


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # as above
def _pick(net: int, y: Times, after: Times, times: Times, draw: Times, s: np.void, out: Times) -> None:
    """Draw one of the peaks that a choosing net would be asked about."""
    for k in range(len(y)):
        s["y"][:] = y[k]
        s["after"] = after[k]
        s["times"][:] = times[k]
        n = d.list_peaks(s, net)
        out[k] = s["peaks"][int(draw[k] * n)]


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # as above
def _recall(
    record: NDArray[np.int64],
    lead: NDArray[np.int64],
    times: Times,
    sure: Times,
    order: NDArray[np.int64],
    state: np.void,
    out: Array,
) -> None:
    """Fill out with what the judgement looks at, beat by beat of each lead."""
    last = -1
    for k in order:
        if last < 0 or record[k] != record[last] or lead[k] != lead[last]:
            state["n_p"][0] = 0
        last = k
        state["scratch"]["times"][:] = times[k]
        state["scratch"]["sure"][:] = sure[k]
        stage_of_waves.recall(state, 0)
        out[k] = state["scratch"]["look"][:7]


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # as above
def _find(
    weights: Array,
    shape: NDArray[np.int64],
    x: Times,
    before: Times,
    after: Times,
    s: np.void,
    times: Times,
    sure: Times,
) -> None:
    for k in range(len(x)):
        s["x"][:] = x[k]
        s["before"] = before[k]
        s["after"] = after[k]
        d.find(weights, shape, s)
        times[k] = s["times"]
        sure[k] = s["sure"]


def look(net: int, looks: Looks, times: Times, centre: Times) -> Array:
    """Return what a net looks at, [n, inputs]."""
    out = np.empty((len(looks.x), d.INPUTS[net]), np.float32)
    scratch = np.zeros(1, d.SCRATCH)[0]
    _look(net, *looks[:3], looks.before, looks.after, times, centre, scratch, out)
    return out


def find(nets: Sequence[Net], looks: Looks) -> tuple[Times, Times]:
    """Run the kernel: times in places of the grid, [n, 8], and log-odds, [n, 4]."""
    laid = perceptron.lay([net.shape for net in nets], [net.parts() for net in nets])
    times, sure = np.empty((len(looks.x), 8)), np.empty((len(looks.x), 4))
    _find(laid.weights, laid.shape, looks.x, looks.before, looks.after, np.zeros(1, d.SCRATCH)[0], times, sure)
    return times, sure


def train(looks: Looks, beats: Beats, rounds: int, hidden: Sequence[int]) -> list[Net]:
    """Train the nets one after the other; looks hold the records that train."""
    beat, n = looks.beat, len(looks.beat)
    share = np.bincount(beats.record[beat])
    weight = (n / share[beats.record[beat]] / np.count_nonzero(share))[:, None].astype(np.float32)
    known = np.isfinite(looks.times)
    has = np.column_stack([beats.has_p[beat], beats.has_t[beat]])
    nets: list[Net] = []

    usual = USUAL_S / d.GRID_S
    target = np.nan_to_num((looks.times - d.R_AT - usual) / WHOLE_UNIT)
    labels = (has == 1).astype(np.float32)
    batch = (look(d.WHOLE, looks, np.zeros((n, 8)), np.zeros(n)), target, known * weight, labels, (has >= 0) * weight)
    whole = fit(lambda _: batch, hidden[d.WHOLE], rounds, 1)
    nets.append(whole.scaled(np.append(np.full(8, WHOLE_UNIT), [1, 1]), np.append(usual, [0, 0])))
    rough = d.R_AT + nets[0].answer(batch[0])[:, :8].astype(float)
    best = np.where(known, looks.times, rough)

    def jittered(rng: np.random.Generator, stage: int) -> Times:
        times = best.copy()
        sd = JITTER_S[stage] / d.GRID_S
        for columns in PARTS.values():
            common = rng.normal(size=(n, 1)) * np.where(rng.random((n, 1)) < 0.15, 2.0, 1.0)
            times[:, columns] += sd[columns[-2]] * common + 0.6 * sd[list(columns)] * rng.normal(size=(n, len(columns)))
        return times

    def moving(part: str, stage: int, net: int) -> Callable[[int], Any]:
        columns = list(PARTS[part])

        def batch(e: int) -> Any:
            times = jittered(np.random.default_rng(7 * e + stage), stage)
            centre = times[:, columns].mean(axis=1) if part == "qrs" else times[:, columns[1]]
            unit = UNIT[part] / (1 + stage)
            target = np.nan_to_num((looks.times[:, columns] - centre[:, None] - np.array(CENTRE[part])) / unit)
            answers = labels[:, :1] if part == "p" else labels[:, :0]
            asked = ((has >= 0) * weight)[:, : answers.shape[1]]
            return look(net, looks, times, centre), target, (known * weight)[:, columns], answers, asked

        return batch

    def choosing(part: str, net: int) -> Callable[[int], Any]:
        peak = PARTS[part][1]
        truth = looks.times[:, peak]

        def batch(e: int) -> Any:
            rng = np.random.default_rng(3 * e + 5)
            times = jittered(rng, 1)
            times[:, peak] = rough[:, peak] + 7.5 * rng.normal(size=n)
            anywhere = (
                times[:, d.QRS_OFF] + 12 + 125 * rng.random(n)
                if part == "t"
                else times[:, d.QRS_ON] - 5 - 80 * rng.random(n)
            )
            listed = np.empty(n)
            times = np.clip(times, 1, d.N_SNIP - 2)
            _pick(net, looks.y, looks.after, times, rng.random(n), np.zeros(1, d.SCRATCH)[0], listed)
            near = np.nan_to_num(truth) + 3 * rng.normal(size=n)
            draw = rng.random(n)
            centre = np.where(draw < 0.7, listed, anywhere)
            centre = np.where((draw > 0.75) & np.isfinite(truth), near, centre)
            centre = np.clip(centre, 0, d.N_SNIP - 1)
            right = np.exp(-0.5 * (np.nan_to_num(centre - truth, nan=99.0) / 5) ** 2)[:, None]
            column = 0 if part == "p" else 1
            asked = (has[:, column] >= (0 if part == "p" else 1))[:, None] * weight
            none = np.zeros((n, 0))
            return look(net, looks, times, centre), none, none, right, asked

        return batch

    for net, part, stage in (
        (d.QRS_WIDE, "qrs", 0),
        (d.QRS_NEAR, "qrs", 1),
        (d.T_CHOICE, "t", -1),
        (d.P_CHOICE, "p", -1),
        (d.T_WIDE, "t", 0),
        (d.T_NEAR, "t", 1),
        (d.P_WIDE, "p", 0),
        (d.P_NEAR, "p", 1),
    ):
        batches = choosing(part, net) if stage < 0 else moving(part, stage, net)
        made = fit(batches, hidden[net], rounds if stage >= 0 else 2 * rounds, net + 1)
        if stage >= 0:
            units = np.full(len(PARTS[part]), UNIT[part] / (1 + stage))
            centres = np.array(CENTRE[part])
            rest = made.shape[2] - len(units)
            made = made.scaled(np.append(units, np.ones(rest)), np.append(centres, np.zeros(rest)))
        nets.append(made)
    return nets


def judgement(beats: Beats, times: Times, sure: Times) -> tuple[Net, Times]:
    """Train the judgement whether there is a P wave; also returns its log-odds, each fold's from the other folds."""
    rows = np.flatnonzero(np.isfinite(times[:, 0]))
    order = rows[np.lexsort((beats.r_s[rows], beats.lead[rows], beats.record[rows]))]
    x = np.empty((len(times), 7), np.float32)
    _recall(beats.record, beats.lead, times, sure, order, np.zeros(1, stage_of_waves.STATE)[0], x)
    known = np.isfinite(times[:, 0]) & (beats.has_p >= 0)
    share = np.bincount(beats.record)

    def model(rows: NDArray[np.bool_]) -> Any:
        made = LogisticRegression(C=0.1, max_iter=500)
        return made.fit(x[rows], beats.has_p[rows] == 1, sample_weight=100 / share[beats.record[rows]])

    odds = np.full(len(times), np.nan)
    fold = folds(len(share))[beats.record]
    for f in range(5):
        there = known & (fold == f)
        if there.any() and (known & (fold != f)).any():
            odds[there] = model(known & (fold != f)).decision_function(x[there])
    whole = model(known)
    net = Net(7, 2, 1, np.random.default_rng(0))  # two rectified halves make a line
    net.w1 = np.column_stack([whole.coef_[0], -whole.coef_[0]]).astype(np.float32)
    net.b1 = np.array([whole.intercept_[0], -whole.intercept_[0]], np.float32)
    net.w2 = np.array([[1], [-1]], np.float32)
    return net, odds


def folds(n: int) -> NDArray[np.int64]:
    """Deal n records into five folds."""
    fold = np.empty(n, int)
    fold[np.random.default_rng(0).permutation(n)] = np.arange(n) % 5
    return fold


def errors(times: Times, looks: Looks) -> str:
    """Summarise found - true in ms: mean, SD and how many lie beyond 150 ms."""
    parts = []
    for e in (1e3 * d.GRID_S * (times - looks.times)).T:
        e = e[np.isfinite(e)]
        far = np.abs(e) > 150
        parts.append(f"{e[~far].mean():+.1f}±{e[~far].std():.1f}({100 * far.mean():.1f})")
    return " ".join(parts)


def presence(sure: Times, has: NDArray[np.int64], limit: float) -> str:
    """Say sensitivity and precision of a wave in %."""
    said = sure > limit
    right = (said & (has == 1)).sum()
    return f"{100 * right / max(1, (has == 1).sum()):.1f}/{100 * right / max(1, (said & (has >= 0)).sum()):.1f}"


def part_of(looks: Looks, rows: NDArray[np.bool_]) -> Looks:
    """Pick snips."""
    return Looks._make(each[rows] for each in looks)


def main(arguments: Sequence[str] = ()) -> None:
    """Train, and write the model or print what cross-validation says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--folds", type=int, help="try so many of the five folds and write nothing")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--versions", type=int, default=4)
    parser.add_argument("--hidden", type=int, nargs=9, default=(48, 32, 32, 40, 24, 32, 32, 24, 24))
    parser.add_argument("--keep", type=Path, help="where to keep what the folds have said")
    given = parser.parse_args(arguments)
    names, signals, beats = read(Path(given.data) / "ludb")
    versions = [varied(signals, beats, 100 + k) for k in range(given.versions)]
    looks = Looks._make(np.concatenate(each) for each in zip(*versions, strict=True))
    fold = folds(len(names))
    tried = plain(signals, beats, np.arange(len(beats.r_s)))
    times, sure = np.full(tried.times.shape, np.nan), np.full((len(tried.x), 4), np.nan)
    for f in range(5 if given.folds is None else given.folds):
        nets = train(part_of(looks, fold[beats.record[looks.beat]] != f), beats, given.rounds, given.hidden)
        rows = fold[beats.record] == f
        times[rows], sure[rows] = find(nets, part_of(tried, rows))
        seen = part_of(tried, (fold[beats.record] != f) & (beats.lead == LEADS.index("ii")))
        print(f"fold {f} II, seen", errors(find(nets, seen)[0], seen), flush=True)
        rows &= beats.lead == LEADS.index("ii")
        print(f"fold {f} II, new ", errors(times[rows], part_of(tried, rows)), flush=True)
    judge, odds = judgement(beats, times, sure)
    scores = {}
    for name, rows in (("all leads", np.isfinite(times[:, 0])), ("lead II", beats.lead == LEADS.index("ii"))):
        rows &= np.isfinite(times[:, 0])
        limits = (stage_of_waves.P_LIMIT - 1, stage_of_waves.P_LIMIT, stage_of_waves.P_LIMIT + 1)
        said = [presence(odds[rows], beats.has_p[rows], limit) for limit in limits]
        scores[name] = f"{errors(times[rows], part_of(tried, rows))}; P {said[1]}"
        print(name, scores[name], said)
    if given.keep:
        np.savez(given.keep, times=times, sure=sure, odds=odds, truth=tried.times, **beats._asdict())
    if given.folds is None:
        provenance = {
            "data": "LUDB (PhysioNet, ODC-By 1.0), every lead",
            "records": " ".join(names),
            "script": "training/delineation.py",
            "date": datetime.now(UTC).date().isoformat(),
            "scores": "five folds by record; found - true in ms, mean and SD (% beyond 150 ms) of P begin, peak, end, "
            "QRS begin, end, T begin, peak, end; Se/+P of P in %",
        } | scores
        nets = [*train(looks, beats, given.rounds, given.hidden), judge]
        print(write("delineation", nets, provenance))


if __name__ == "__main__":
    main(sys.argv[1:])
