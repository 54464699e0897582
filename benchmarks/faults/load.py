"""A ward on an engine that journals all, before and after it on one that journals nothing: delay, loss, memory."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.engines import CHUNK, FS_HZ, LSB_MV, PPG_CHUNK, PPG_HZ, ecg, engine, ppg
from benchmarks.faults.rows import Row
from benchmarks.load import Load
from benchmarks.ward import Lane, Outcome, feed
from vitalcore.streams.journal.retention import Keep

PATIENTS = 1000
PACK = 50  # records to a message, as a ward's gateway sends them
LIMIT_MS = 25.0  # p99, from receipt to publishing
# the last 64 messages of each topic are kept, and what they weigh settles once the windows of 5 minutes are full
FULL_S = 600.0
KEEP = Keep(size_bytes=2 << 30)  # of journal: full before that, so that what is too old goes while the rest comes in
GROWTH = 0.01  # of memory an hour from then on
SLACK_MB = 4.0  # that the allocator itself comes and goes by


def ward(patients: int, seconds: float, journal: Path | None, memory_at_s: tuple[float, ...] = ()) -> Outcome:
    """Feed an ECG of 250 Hz and a PPG of 100 Hz of each patient, in chunks of 40 ms."""
    ack = "received" if journal is None else "journaled"
    with ExitStack() as stack:
        endpoints, process = stack.enter_context(engine(journal=journal, keep=KEEP))
        lanes = {}
        for kind, x, chunk, fs_hz in (("ecg", ecg(), CHUNK, FS_HZ), ("ppg", ppg(), PPG_CHUNK, PPG_HZ)):
            load = stack.enter_context(Load(endpoints["ingest"], patients, PACK, fs_hz, LSB_MV, kind, ack))
            lanes[kind] = Lane(load, x, chunk, patients)
        return feed(lanes, patients, seconds, endpoints, process, memory_at_s)


def load(patients: int, seconds: float, plain_s: float) -> Row:
    """Compare an engine with a journal with one without, which has its turn before and after."""
    before = ward(patients, plain_s, None)
    times_s = (10.0, FULL_S) if seconds > FULL_S else (min(10.0, seconds / 2),)
    with tempfile.TemporaryDirectory() as folder:
        kept = ward(patients, seconds, Path(folder) / "journal.db", times_s)
        size_mb = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
    after = ward(patients, plain_s, None)
    growing = kept.memory_mb[-1] - kept.memory_mb[-2]
    flat = seconds <= FULL_S or growing <= SLACK_MB + GROWTH * kept.memory_mb[-2] * (seconds - FULL_S) / 3600
    ratio = 2 * kept.own_ms[1] / (before.own_ms[1] + after.own_ms[1])
    lost = before.lost + kept.lost + after.lost
    result = (
        f"{lost} lost; from receipt p50 / p99 / p99.9 {_ms(kept.own_ms)} ms, without a journal before and after "
        f"{_ms(before.own_ms)} and {_ms(after.own_ms)} ms: p99 {ratio:.1f} times; from the load's send {_ms(kept.ms)}, "
        f"{_ms(before.ms)}, {_ms(after.ms)} ms; memory {' / '.join(f'{mb:.0f}' for mb in kept.memory_mb)} MB at "
        f"{' / '.join(f'{at:g}' for at in (*times_s, seconds))} s; {kept.core:.0%} of a core ({before.core:.0%}, "
        f"{after.core:.0%}); journal {size_mb:.0f} MB; {kept.beats:,} beats heard; load late by "
        f"{1e3 * kept.behind_s:.0f} ms, samples held for want of credit {kept.held_s:.1f} s at most"
    )
    bad = lost + (kept.own_ms[1] > LIMIT_MS) + (not flat) + (kept.beats == 0)
    what = f"load: {patients:,} ECG of 250 Hz and {patients:,} PPG of 100 Hz, journaled, {seconds:g} s"
    return Row(what, 2 * patients, result, bad, f"0 lost, p99 at most {LIMIT_MS:g} ms from receipt, memory flat")


def _ms(values: tuple[float, float, float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def run(long: bool) -> Iterator[Row]:
    """Do it."""
    yield load(PATIENTS, 3600.0 if long else 60.0, 30.0)
