"""The decorator of kernels: where machine code is kept, and what it forbids."""

from pathlib import Path

import numpy as np
import pytest
from numba.core import config
from numba.core.errors import TypingError

from vitalcore.kernels.core.kernel import cache_dir, kernel


@kernel
def allocates(n: int) -> float:
    return float(np.zeros(n).sum())


def test_a_kernel_that_allocates_does_not_compile() -> None:
    with pytest.raises(TypingError):
        allocates(3)


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VITALCORE_CACHE", str(tmp_path))
    assert cache_dir().parent == tmp_path
    assert cache_dir().name.startswith("kernels-")


def test_an_edit_of_any_kernel_or_model_gives_another_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel_file, other, model = (tmp_path / name for name in ("core/kernel.py", "beats/other.py", "models/one.json"))
    for path in (kernel_file, other, model):
        path.parent.mkdir()
        path.write_text("1\n")
    monkeypatch.setattr("vitalcore.kernels.core.kernel.__file__", str(kernel_file))
    before = cache_dir()
    assert cache_dir() == before
    other.write_text("2\n")
    edited = cache_dir()
    model.write_text("2\n")
    assert len({before, edited, cache_dir()}) == 3


def test_other_users_of_numba_keep_their_own_place() -> None:
    theirs = getattr(config, "CACHE_DIR", "")

    @kernel
    def mine(x: float) -> float:
        return x

    assert getattr(config, "CACHE_DIR", "") == theirs
    assert "vitalcore" not in str(theirs)


def test_a_kernel_is_compiled_once_for_all_the_constants_that_others_give_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("vitalcore.kernels.core.kernel._CACHE_DIR", str(tmp_path))  # what is kept is not compiled

    @kernel
    def double(n: int) -> int:
        return 2 * n

    @kernel
    def doubled(x: int) -> int:
        return double(3) + double(4) + double(x)

    assert doubled(5) == 24
    assert len(vars(double)["overloads"]) == 1
