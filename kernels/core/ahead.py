"""Memory fetched before it is needed: in a table of thousands of rows the wait for it is longer than the arithmetic."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

LINE = 64  # bytes that come together
_CONFIG: Any = config  # numba's stubs don't know its settings


def _fetch(typing: Any, table: Any, row: Any, at: Any) -> Any:
    """Emit LLVM's prefetch of the byte `at` of a row, to be written too, to stay in all caches."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        where = context.make_array(signature.args[0])(context, builder, arguments[0])
        step = builder.mul(arguments[1], builder.extract_value(where.strides, 0))
        byte = builder.bitcast(where.data, ir.IntType(8).as_pointer())
        address = builder.gep(byte, [builder.add(step, arguments[2])])
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, word, word, word])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", fnty=kind)
        builder.call(prefetch, [address, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(table, types.intp, types.intp), emit


def _nothing(table: NDArray[Any], row: int, at: int) -> None:
    """Do nothing: the interpreter would not be faster."""


fetch: Any = _nothing if _CONFIG.DISABLE_JIT else intrinsic(_fetch)


@kernel
def fetch_lines(table: NDArray[Any], row: int, first: int, n: int) -> None:
    """Fetch the lines that n bytes of a row, from `first` on, lie in; nothing else happens."""
    for at in range(first, first + n, LINE):
        fetch(table, row, at)
    if n > 0:
        fetch(table, row, first + n - 1)
