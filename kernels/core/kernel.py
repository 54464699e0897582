"""The one decorator under which every kernel is compiled, and where its machine code is kept."""

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config, types

F = TypeVar("F", bound=Callable[..., Any])


def cache_dir() -> Path:
    """Name the folder that keeps compiled kernels: one per state of the kernels' sources and models.

    numba does not notice an edit in another file that a kernel calls, and leaves its files beside the sources when a
    package is uninstalled; a folder named by the hash of all of them has neither fault. `VITALCORE_CACHE`
    (or `XDG_CACHE_HOME`) moves it.
    """
    sources = hashlib.sha256()
    kernels = Path(__file__).parent.parent
    for path in sorted([*kernels.rglob("*.py"), *kernels.rglob("*.json")]):  # a model is a constant of machine code
        sources.update(path.relative_to(kernels).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    root = os.environ.get("VITALCORE_CACHE")
    base = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vitalcore"
    return base / f"kernels-{sources.hexdigest()[:16]}"


_CACHE_DIR = str(cache_dir())
_CONFIG: Any = config  # numba's stubs know neither its settings nor _nrt
_NJIT: Any = numba.njit
_TYPES: Any = types


def kernel(function: F) -> F:
    """Compile a kernel: no interpreter lock, numpy's error model, cached on disk, no memory manager, never fastmath.

    `_nrt=False` takes numba's allocator away, so a kernel that allocates does not compile.
    """
    theirs = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = _CACHE_DIR  # read while decorating only: other users of numba keep their own place
    try:
        compiled = _NJIT(nogil=True, cache=True, error_model="numpy", _nrt=False)(function)
    finally:
        _CONFIG.CACHE_DIR = theirs
    if not _CONFIG.DISABLE_JIT:
        compiled.get_call_template = partial(_template, compiled.get_call_template)
    return cast(F, compiled)


def _template(resolve: Callable[..., Any], args: Any, kws: Any) -> Any:
    """Compile a kernel that another calls once for a number, not once more for each constant that it is given."""
    plain = _TYPES.unliteral
    return resolve(tuple(plain(arg) for arg in args), {name: plain(arg) for name, arg in kws.items()})
