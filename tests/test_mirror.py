"""Compiled and interpreted kernels give the same bytes, and go on from each other's snapshots."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mirror import SEEDS, Said, speak
from tests.operators import CASES, Case, feed

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Said]:
    path = tmp_path_factory.mktemp("mirror") / "said"
    env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "tests.mirror", str(path)], cwd=ROOT, env=env, check=True)
    said: dict[tuple[str, int], Said] = pickle.loads(path.read_bytes())
    return said


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_compiled_is_interpreted_bit_for_bit(case: Case, seed: int, interpreted: dict[tuple[str, int], Said]) -> None:
    snapshot, said = interpreted[case.name, seed]
    ours, ours_said = speak(case, seed)
    assert ours_said == said
    assert ours == snapshot
    assert any(said.values())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_compiled_session_goes_on_where_an_interpreted_one_in_another_process_was(
    case: Case, interpreted: dict[tuple[str, int], Said]
) -> None:
    snapshot, said = interpreted[case.name, SEEDS[0]]
    session = case.plan().open()
    session.restore(snapshot)
    x = case.input(SEEDS[0], case.few)
    assert feed(session, case.root, x[len(x) // 2 :], []) == said
