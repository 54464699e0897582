"""Records spelled many at once are those spelled one by one."""

import numpy as np
import pytest

from vitalcore.kernels.wire import spell
from vitalcore.kernels.wire.records import CRC_SLICES
from vitalcore.streams.protocol import wire
from vitalcore.streams.protocol.wire import Record


@pytest.mark.parametrize(("k", "n", "n_channels", "dtype"), [(1, 1, 1, "<i2"), (7, 10, 1, "<f4"), (3, 5, 300, "<f8")])
def test_many_records_at_once_have_the_bytes_of_each_alone(k: int, n: int, n_channels: int, dtype: str) -> None:
    rng = np.random.default_rng(5)
    values = rng.integers(-1000, 1000, (k, n, n_channels)).astype(dtype)
    fields = rng.integers(0, 1 << 31, (k, 5))
    fields[:, 1:4] = rng.integers(0, 1 << 52, (k, 3))
    fields[:, 4] = wire.DISCONTINUITY
    payload = values.reshape(k, -1).view(np.uint8)
    length = wire.RECORD.size + payload.shape[1] + -payload.shape[1] % 8
    block = np.zeros(k * length, np.uint8)
    words, halves = block.view(np.int64), block.view(np.uint32)
    code = wire.dtype_code(values.dtype)
    session = (1 << 63) - 1
    written = spell.step(CRC_SLICES, fields, session, n, n_channels, code, payload, words, halves, block)
    each = [
        Record(wire.DATA, session, f[0], f[1], f[2], values[i], f[3], None, f[4]) for i, f in enumerate(fields.tolist())
    ]
    assert written == len(block)
    assert block.tobytes() == b"".join(wire.encode_record(record) for record in each)
