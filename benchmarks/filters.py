"""Table (a): filters on chunks and on an hour, vitalcore beside scipy."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt, sosfilt_zi

from benchmarks.sidebyside import seconds, table
from vitalcore.kernels.filters import sos
from vitalcore.operators.filters import Bandpass, Fir
from vitalcore.plan import Plan, source

FS_HZ = 250
HOUR = 3600 * FS_HZ
STREAMS = 1000
BAR = 20

Wave = NDArray[np.float64]


def main() -> None:
    """Print the tables."""
    x = np.random.default_rng(0).normal(size=HOUR)
    rows: list[tuple[object, ...]] = []
    for order in (2, 4):
        for n in (10, 50, 250, HOUR):
            rows += one_size(x, order, n)
    bar = f"bar: {BAR}x on chunks of 10"
    head = ("work", "chunk", "vitalcore ns/sample", "scipy ns/sample", "times scipy's speed")
    table(f"(a) Bandpass 0.5 to 40 Hz at {FS_HZ} Hz beside scipy.signal.sosfilt, one thread; {bar}", head, rows)
    table(
        "(a) FIR of 101 taps beside scipy.signal.lfilter",
        head,
        [row for n in (10, 50, 250, HOUR) for row in convolution(x, n)],
    )


def one_size(x: Wave, order: int, n: int) -> list[tuple[object, ...]]:
    """Time chunks of n samples: the operator's kernel, a whole session, and a table of streams."""
    sections = butter(order, [0.5, 40], "bandpass", fs=FS_HZ, output="sos")
    chunks = [x[a : a + n] for a in range(0, max(1, min(HOUR, 1000 * n) - n + 1), n)][:1000]
    columns = [np.ascontiguousarray(chunk[:, None]) for chunk in chunks]
    out = np.empty((n, 1))
    zi = np.full((1, len(sections), 2), np.nan)
    session = Plan(y=source("ecg", FS_HZ) | Bandpass(0.5, 40, order)).open()

    def scipys() -> None:
        theirs = sosfilt_zi(sections) * x[0]
        for chunk in chunks:
            _, theirs = sosfilt(sections, chunk, zi=theirs)

    def kernels() -> None:
        for chunk in columns:
            sos.step(sections, zi, chunk, out)

    def sessions() -> None:
        for chunk in columns:
            session.push(ecg=chunk)

    rivals: dict[str, Callable[[], object]] = {"scipy": scipys, "kernel": kernels, "session": sessions}
    samples = dict.fromkeys(rivals, len(chunks) * n)
    if n < HOUR:
        soses, zis = np.tile(sections, (STREAMS, 1, 1)), np.full((STREAMS, 1, len(sections), 2), np.nan)
        slots, offsets = np.arange(STREAMS), np.arange(STREAMS + 1) * n
        flat = x[: STREAMS * n, None].copy()
        wide = np.empty_like(flat)
        rivals["table"] = lambda: sos.step_many(soses, zis, slots, offsets, flat, wide)
        samples["table"] = STREAMS * n
    best = seconds(rivals)
    ns = {name: best[name] / samples[name] * 1e9 for name in rivals}
    words = {"kernel": "one stream, kernel", "session": "one stream, session", "table": f"table of {STREAMS} streams"}
    size = "1 h" if n == HOUR else n
    return [
        (f"{len(sections)} biquads, {words[name]}", size, ns[name], ns["scipy"], ns["scipy"] / ns[name])
        for name in words
        if name in ns
    ]


def convolution(x: Wave, n: int) -> list[tuple[object, ...]]:
    """Time chunks of n samples through a FIR filter."""
    taps = np.hanning(103)[1:-1] / 51
    chunks = [x[a : a + n] for a in range(0, max(1, min(HOUR, 100 * n) - n + 1), n)][:100]
    columns = [np.ascontiguousarray(chunk[:, None]) for chunk in chunks]
    design = Fir(tuple(taps)).design(source("ecg", FS_HZ).signal)
    out = np.empty((n, 1))

    def scipys() -> None:
        theirs = np.zeros(len(taps) - 1)
        for chunk in chunks:
            _, theirs = lfilter(taps, 1.0, chunk, zi=theirs)

    def kernels() -> None:
        for chunk in columns:
            design.kernel(design.params, *design.memory, chunk, out)

    best = seconds({"scipy": scipys, "kernel": kernels})
    ns = {name: best[name] / (len(chunks) * n) * 1e9 for name in best}
    size = "1 h" if n == HOUR else n
    return [("one stream, kernel", size, ns["kernel"], ns["scipy"], ns["scipy"] / ns["kernel"])]


if __name__ == "__main__":
    main()
