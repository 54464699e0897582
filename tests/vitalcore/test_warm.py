"""Everything that can be waited for is compiled beforehand."""

import numpy as np

from vitalcore import Plan, warm
from vitalcore.kernels import ecg
from vitalcore.operators.ecg import Ecg


def test_every_part_runs() -> None:
    for _, compile_ in [*warm.wards(), *warm.sessions(), *warm.operators()]:
        compile_()


def test_after_warming_a_first_chunk_compiles_nothing() -> None:
    for _, compile_ in [*warm.wards(), *warm.sessions()]:
        compile_()
    before = len(ecg.step.signatures)  # type: ignore[attr-defined]  # a dispatcher of numba
    Plan(all=warm.ECG | Ecg()).run(ecg=np.zeros(1000))
    assert len(ecg.step.signatures) == before  # type: ignore[attr-defined]  # as above
