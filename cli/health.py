"""What vitalcore needs of a machine, looked at one by one."""

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NEEDED = (
    "numpy",
    "scipy",
    "numba",
    "pyarrow",
    "pyzmq",
    "msgpack",
    "wfdb",
    "edfio",
    "pandas",
    "matplotlib",
    "click",
    "rich",
)


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and if it isn't well, what to do."""

    name: str
    found: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Tell whether nothing has to be done."""
        return not self.remedy


def python() -> Check:
    """Look at the interpreter."""
    found = f"{platform.python_implementation()} {platform.python_version()} on {platform.machine()}"
    fine = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info < (3, 14)
    return Check("Python", found, "" if fine else "install CPython 3.11, 3.12 or 3.13")


def packages() -> Check:
    """Look for the packages that vitalcore stands on."""
    have, missing = [], []
    for name in NEEDED:
        try:
            have.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    return Check("packages", ", ".join(have), f"install {', '.join(missing)}" if missing else "")


def compiler() -> Check:
    """Compile and run a kernel."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return Check("numba", "switched off", "unset NUMBA_DISABLE_JIT: interpreted kernels are a hundred times slower")
    try:
        import numba
        import numpy as np

        from vitalcore.kernels.filters import sos

        sections, memory, x = np.array([[1.0, 0, 0, 1, 0, 0]]), np.zeros((1, 1, 2)), np.ones((3, 1))
        sos.step(sections, memory, x, np.empty_like(x))
        return Check("numba", f"{numba.__version__} compiles for {_processor()}")
    except Exception as error:  # whatever numba says is what the user must read
        return Check("numba", f"{type(error).__name__}: {error}".splitlines()[0], "install numba and llvmlite again")


def _processor() -> str:
    import llvmlite.binding

    return str(llvmlite.binding.get_host_cpu_name())


def kernel_cache() -> Check:
    """Look whether compiled kernels can be kept."""
    from vitalcore.kernels.core.kernel import cache_dir

    folder = cache_dir()
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(parent, os.W_OK):
        return Check("kernel cache", f"{parent} can't be written", "set VITALCORE_CACHE to a folder that can")
    n = len(list(folder.rglob("*.nbc"))) if folder.is_dir() else 0
    return Check("kernel cache", f"{folder}: {n} compiled" if n else f"{folder}: empty, `vitalcore warmup` fills it")


def zmq() -> Check:
    """Look at libzmq."""
    try:
        import zmq as pyzmq

        from vitalcore.streams.protocol.sockets import MIN_ZMQ
    except ImportError as error:
        return Check("libzmq", str(error), "install pyzmq")
    fine = pyzmq.zmq_version_info() >= MIN_ZMQ
    curve = "with CURVE" if pyzmq.has("curve") else "without CURVE"
    wanted = ".".join(map(str, MIN_ZMQ))
    return Check(
        "libzmq", f"{pyzmq.zmq_version()} {curve}", "" if fine else f"install pyzmq with libzmq {wanted} or newer"
    )


def disk() -> Check:
    """Look whether there is room for results."""
    import shutil

    free = shutil.disk_usage(Path.cwd()).free
    return Check("disk here", f"{free / 1e9:.1f} GB free", "" if free > 1e8 else "less than 0.1 GB is left: make room")


CHECKS: tuple[Callable[[], Check], ...] = (python, packages, compiler, kernel_cache, zmq, disk)


def checks() -> Iterator[Check]:
    """Look at everything, one after the other."""
    for check in CHECKS:
        yield check()
