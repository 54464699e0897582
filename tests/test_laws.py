"""The laws, on every operator there is."""

import importlib
import pkgutil
from types import ModuleType

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError
from numpy.typing import NDArray

import vitalcore.kernels
from tests.operators import CASES, Array, Case, feed
from vitalcore.kernels.core import codes
from vitalcore.kernels.core.finding import ALARM, BEAT, EVENT, EVIDENCE_TO, FEATURE, FINDING, RAISED, STATE, VALUE
from vitalcore.kernels.core.kernel import kernel

SPLITS = 500
INPUTS = 20

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=INPUTS, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def some_cuts(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Cut n rows anywhere: few cuts or many, equal ones for empty chunks, a run of one-sample chunks."""
    cuts = rng.integers(0, n + 1, int(np.exp(rng.uniform(0, 5))))
    a = int(rng.integers(0, n + 1))
    return np.sort(np.concatenate([cuts, np.arange(a, min(n, a + int(rng.integers(0, 20))))]))


@every_case
@quick
@given(seed=seeds)
def test_cut_any_split_gives_the_same_bytes(case: Case, seed: int) -> None:
    x, rng = case.input(seed), np.random.default_rng(seed)
    plan = case.plan()
    whole = feed(plan.open(), case.root, x, [])
    assert any(whole.values())
    for _ in range(SPLITS // INPUTS):
        cuts = some_cuts(rng, len(x))
        assert feed(plan.open(), case.root, x, cuts) == whole, cuts


@every_case
def test_silence_an_empty_chunk_changes_nothing(case: Case) -> None:
    x = case.input(1)
    session = case.plan().open()
    for chunk in (x[:0], x[:100], x[100:]):
        session.push(**{case.root: chunk})
        before = session.snapshot()
        said = session.push(**{case.root: x[:0]})
        assert all(len(out) == 0 for out in said.values())
        assert session.snapshot() == before


@every_case
@quick
@given(seed=seeds)
def test_restore_a_session_from_a_snapshot_has_the_same_future(case: Case, seed: int) -> None:
    x, rng = case.input(seed), np.random.default_rng(seed)
    first = case.plan().open()
    at = int(rng.integers(0, len(x) + 1))
    first.push(**{case.root: x[:at]})
    second = case.plan().open()
    second.push(**{case.root: case.input(seed + 1)})  # restoring replaces whatever was there
    second.restore(first.snapshot())
    assert second.snapshot() == first.snapshot()
    cuts = some_cuts(rng, len(x) - at)
    assert feed(second, case.root, x[at:], cuts) == feed(first, case.root, x[at:], cuts)


@every_case
def test_purity_inputs_are_unchanged_and_not_kept(case: Case) -> None:
    x = case.input(2)
    copy = x.copy()
    x.flags.writeable = False
    expected = feed(case.plan().open(), case.root, x, [1000])
    assert x.tobytes() == copy.tobytes()
    session = case.plan().open()
    said = [session.push(**{case.root: copy[:1000]})]
    assert not any(np.shares_memory(out, copy) for out in said[0].values())
    copy[:1000] = 0  # the caller's buffer is the caller's
    said.append(session.push(**{case.root: copy[1000:]}))
    said.append(session.finish())
    assert {name: b"".join(out[name].tobytes() for out in said) for name in said[0]} == expected


@every_case
def test_purity_what_was_said_belongs_to_the_caller(case: Case) -> None:
    x = case.input(3)
    expected = feed(case.plan().open(), case.root, x, [1000])
    session = case.plan().open()
    said = session.push(**{case.root: x[:1000]})
    kept = {name: out.tobytes() for name, out in said.items()}
    before = session.snapshot()
    for out in said.values():
        out[:] = 0
    assert session.snapshot() == before
    rest = feed(session, case.root, x[1000:], [])
    assert {name: kept[name] + rest[name] for name in kept} == expected


@every_case
def test_purity_sessions_do_not_feel_each_other(case: Case) -> None:
    plan = case.plan()
    x, z = case.input(4), case.input(5)
    cuts = range(0, len(x), 97)
    alone = [feed(plan.open(), case.root, s, []) for s in (x, z)]
    sessions = [plan.open(), plan.open()]
    said: list[list[dict[str, Array]]] = [[], []]
    for a in cuts:
        for k, s in enumerate((x, z)):
            said[k].append(sessions[k].push(**{case.root: s[a : a + 97]}))
    for k in range(2):
        said[k].append(sessions[k].finish())
        assert {name: b"".join(out[name].tobytes() for out in said[k]) for name in said[k][0]} == alone[k]


@every_case
def test_latency_all_is_said_in_time_and_at_the_time_it_claims(case: Case) -> None:
    plan, x = case.plan(), case.input(6)
    signal, step = case.node.signal, case.node.step
    assert step is not None
    root_hz = step.root.fs_hz
    session = plan.open()
    latency_s = plan.latency_s("y")
    if signal.what == "wave":
        assert signal.delay_s <= latency_s + 1e-12
        assert signal.fs_hz is not None
        assert root_hz is not None
        rows = 0
        for i in range(len(x)):
            rows += len(session.push(**{case.root: x[i : i + 1]})["y"])
            assert (rows - 1) / signal.fs_hz - signal.delay_s >= i / root_hz - latency_s - 1 / signal.fs_hz
        return
    tick_s = 1e-9 if root_hz is None else 1 / float(root_hz)
    for i in range(len(x)):
        now = x[i, 0] if root_hz is None else i
        for row in session.push(**{case.root: x[i : i + 1]})["y"]:
            assert row["t_known"] == now
            assert row["t"] <= now
            if row["what"] == ALARM and row["body"][STATE] != RAISED:
                continue  # says again what was said
            # an event is about a stretch of time: what is said of it is as old as the end of its evidence
            about = row["body"][EVIDENCE_TO] if row["what"] in (EVENT, ALARM) else row["t"]
            assert (now - about) * tick_s <= latency_s + 1e-9, row


RATES = (
    codes.HEART_RATE,
    codes.HEART_RATE_INSTANT,
    codes.PULSE_RATE,
    codes.PULSE_RATE_INSTANT,
    codes.BLINK_RATE,
)


@every_case
@pytest.mark.parametrize("dead", [np.nan, np.inf, -np.inf, 0.0, 5.0, 32767.0, -1e6, 1e300])
def test_honesty_a_dead_sensor_has_no_beats_and_no_rate(case: Case, dead: float) -> None:
    x = case.input(7)
    first = 1 if case.node.step is not None and case.node.step.root.fs_hz is None else 0
    x[:, first:] = dead
    y = case.plan().run(**{case.root: x})["y"]
    if y.dtype != FINDING:
        assert not np.isinf(y).any()
        assert np.isfinite(dead) or np.isnan(y).all()
        return
    assert not (y["what"] == BEAT).any()
    rates = y[(y["what"] == FEATURE) & np.isin(y["code"], RATES)]
    assert np.isnan(rates["body"][:, VALUE]).all()
    assert (rates["reasons"] != 0).all()


@every_case
@pytest.mark.parametrize("dead", [np.nan, 0.0, "last", "rail"])
def test_honesty_when_a_sensor_dies_its_last_numbers_do_not_stay(case: Case, dead: float | str) -> None:
    step = case.node.step
    assert step is not None
    variable = step.root.fs_hz is None
    x = np.concatenate([case.signal(np.random.default_rng(8), case.n)] * 2)
    if variable:
        x[case.n :, 0] += x[case.n - 1, 0] + 1e7
    columns, died = slice(variable, None), case.n
    x[died:, columns] = {"last": x[died - 1, columns], "rail": np.nanmax(x[:, columns], axis=0)}.get(str(dead), dead)
    y = case.plan().run(**{case.root: x})["y"]
    t_died = x[died, 0] if variable else died
    per_s = 1e9 if step.root.fs_hz is None else float(step.root.fs_hz)
    if y.dtype != FINDING:
        return
    assert len(y) > 3
    assert not (y["t"][y["what"] == BEAT] > t_died + 0.3 * per_s).any()  # the edge itself may look like one
    rates = y[(y["what"] == FEATURE) & np.isin(y["code"], RATES) & (y["t"] > t_died + 6 * per_s)]
    assert np.isnan(rates["body"][:, VALUE]).all()


def kernel_modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(vitalcore.kernels.__path__, "vitalcore.kernels.")
    return [importlib.import_module(each.name) for each in found if not each.ispkg]


@pytest.mark.parametrize("module", kernel_modules(), ids=lambda module: module.__name__.rpartition(".")[2])
def test_thrift_every_compiled_function_is_without_an_allocator(module: ModuleType) -> None:
    if module.__name__ == "vitalcore.kernels.core.kernel":
        return
    for name, thing in vars(module).items():
        if isinstance(thing, Dispatcher):
            options = thing.targetoptions
            assert options.get("_nrt") is False, name
            assert options.get("nogil") is True, name
            assert options.get("error_model") == "numpy", name
            assert not options.get("fastmath"), name


def test_thrift_what_allocates_does_not_compile() -> None:
    def greedy(n: int) -> float:
        return float(np.zeros(n).sum())

    assert numba.njit(greedy)(3) == 0
    greedy = kernel(greedy)
    with pytest.raises(NumbaError, match=r"np_zeros|NRT"):
        greedy(3)
