"""Many sample records at once, spelled into one block of bytes: how a gateway of a whole ward keeps up."""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel
from vitalcore.kernels.wire.records import HEADER, MAGIC, crc32


@kernel
def step(
    slices: NDArray[np.int64],
    fields: NDArray[np.int64],
    session: int,
    n: int,
    n_channels: int,
    dtype: int,
    payload: NDArray[np.uint8],
    words: NDArray[np.int64],
    halves: NDArray[np.uint32],
    out: NDArray[np.uint8],
) -> int:
    """Spell one DATA record a row of `fields`; return the bytes written.

    slices        : of kernels.wire.records.CRC_SLICES
    fields        : handle, seq, sample_index, t0_ns and flags of each record, [k, 5]
    n, n_channels : samples and channels of every record; dtype: as on the wire
    payload       : values of each record, [k, n_bytes]
    words, halves : `out` seen as int64 and uint32
    out           : zeros, [k * length], length a multiple of 8 that holds 64 bytes of header and n_bytes
    """
    k, size = payload.shape
    length = HEADER + ((size + 7) & ~7)
    for i in range(k):
        at = i * length
        w, h = at >> 3, at >> 2
        halves[h] = MAGIC
        out[at + 4], out[at + 5] = 1, fields[i, 4]
        out[at + 6] = HEADER
        words[w + 1] = session
        halves[h + 4], halves[h + 5] = fields[i, 0], n
        words[w + 3], words[w + 4], words[w + 5] = fields[i, 1], fields[i, 2], fields[i, 3]
        out[at + 48], out[at + 49], out[at + 50] = n_channels & 0xFF, n_channels >> 8, dtype
        halves[h + 13] = size
        for j in range(size):
            out[at + HEADER + j] = payload[i, j]
        crc = crc32(slices, out, at, at + 56, 0)
        halves[h + 14] = crc32(slices, out, at + HEADER, at + HEADER + size, crc)
    return k * length
