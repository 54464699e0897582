"""What a disk can do to a journal: fill up, fail at any call, become read-only, flip a bit anywhere.

Nothing that was acknowledged may be lost without being named, and no engine may crash, hang or stay away for ever.
"""

import contextlib
import ctypes
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.faults.engine import FS_HZ, LIGHT, Served
from benchmarks.faults.rows import Row
from tests.streams import kept
from tests.streams.chain import Peaks
from vitalcore.errors import JournalError
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.engine.recovery import recover
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.journal import entries, inventory, journal, wal
from vitalcore.streams.journal.archive import Archive, Page, Save
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.journal.salvage import salvage
from vitalcore.streams.subscriber import Subscriber

ANY = "tcp://127.0.0.1:*"
KEY = "icu/p1/monitor/ecg"
PATIENCE_S = 60.0
SAID = "nothing acknowledged is lost, or it is said which"


@contextmanager
def small_disk(folder: Path, size: str = "2m") -> Iterator[Path | None]:
    """Mount a disk of its own; None where that is not permitted."""
    place = folder / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], capture_output=True)
    if made.returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def full(n: int) -> Row:
    """Fill the disk under a running engine, make room again, kill the engine, and see what the next one has."""
    bad = 0
    degraded = 0
    slowest_s = 0.0
    for _ in range(n):
        with tempfile.TemporaryDirectory() as folder, small_disk(Path(folder)) as disk:
            if disk is None:
                return Row("disk full", 0, "not tried: mounting is not permitted here", 0, SAID)
            engine = Served(disk / "j.db", LIGHT)
            engine.start()
            where = engine.endpoints
            with Gateway(where["ingest"], 1) as gateway, Subscriber(where["live"], where["control"], KEY) as watcher:
                stream = gateway.open(KEY, "ecg", FS_HZ)
                sent = 0

                def more(gateway: Gateway = gateway, stream: int = stream) -> int:
                    gateway.send(stream, np.zeros(500, np.float32))
                    gateway.drain(PATIENCE_S)
                    return 500

                sent += more()
                with contextlib.suppress(OSError), (disk / "filler").open("wb") as filler:
                    while True:
                        filler.write(bytes(1 << 12))
                        filler.flush()
                end = time.monotonic() + PATIENCE_S
                while watcher.status()["storage"] == "ok" and time.monotonic() < end:
                    sent += more()
                said = watcher.status()
                degraded += said["storage"] != "ok" and said["ack"] == "received"
                sent += more()  # acknowledged as received only
                (disk / "filler").unlink()
                begun = time.monotonic()
                while watcher.status()["storage"] != "ok" and time.monotonic() < begun + PATIENCE_S:
                    time.sleep(0.02)
                slowest_s = max(slowest_s, time.monotonic() - begun)
                sent += more()
            engine.kill()
            engine.start()
            with Subscriber(where["live"], where["control"], KEY) as watcher:
                status = watcher.status(prefix="")["keys"].get(KEY, {"samples": 0})
            bad += abs(sent - status["samples"])
            engine.kill()
    said_so = f"said {degraded} times; healed in {slowest_s:.1f} s, all samples there after kill -9"
    return Row("disk full", n, said_so, bad + n - degraded, SAID)


def read_only() -> Row:
    """Start an engine on a disk that has become read-only, and again when it is writable."""
    with tempfile.TemporaryDirectory() as folder, small_disk(Path(folder), "16m") as disk:
        if disk is None:
            return Row("read-only remount", 0, "not tried: mounting is not permitted here", 0, SAID)
        path = kept.killed(disk / "j.db")

        def remount(mode: str) -> None:
            subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True)

        remount("ro")
        try:
            refused = False
            Journal(path).close()
        except JournalError:
            refused = True
        remount("rw")
        found = _start(path)
        whole = found == "whole"
        said = f"an engine is {'refused by name' if refused else 'let on'}, then goes on {found}"
        return Row("read-only remount", 1, said, 2 - refused - whole, SAID)


def failing_calls(last: int) -> list[Row]:
    """Let each call that changes the file fail, once and for good, in a process with the shim."""
    compiler = shutil.which("cc")
    if compiler is None:
        return [Row("I/O error at each call", 0, "not tried: there is no C compiler here", 0, SAID)]
    with tempfile.TemporaryDirectory() as folder:
        shim = Path(folder) / "shim.so"
        source = Path(__file__).with_suffix(".c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.faults.disk", str(last)],
            env=os.environ | {"LD_PRELOAD": str(shim)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        return [Row("I/O error at each call", last, f"crashed: {done.stderr[-300:]}", 1, SAID)]
    return [Row(**fields) for fields in json.loads(done.stdout)]


def _calls(last: int) -> list[Row]:
    """Do the runs of `failing_calls`; last 0: as many as a run has calls."""
    shim = ctypes.CDLL(None)
    journal.RETRY_S = 0.002
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for stays in (False, True):
            total = last or _run(Path(folder) / "calm.db", 0, stays, shim)[2]
            bad = refused = 0
            for n in range(1, total + 1):
                lost, was_refused, _ = _run(Path(folder) / f"{n}.db", n, stays, shim)
                bad += lost
                refused += was_refused
            name = f"I/O error at each call, {'for good, then kill -9' if stays else 'once'}"
            rows.append(Row(name, total, f"{refused} refused at the start, by name", bad, SAID))
    return rows


def _run(path: Path, n: int, stays: bool, shim: ctypes.CDLL) -> tuple[int, bool, int]:
    """Write with the n-th call failing.

    Returns how many acknowledged entries are lost, whether the start was refused, and how many calls there were.
    """
    refused = False
    shim.fault_arm(n, stays)
    try:
        made = Journal(path, "fsynced")
    except JournalError:
        refused = True
        shim.fault_arm(0, 0)
        made = Journal(path, "fsynced")
    acked = 0
    for k in range(12):
        made.append(entries.ACKNOWLEDGED, 5, entries.spell(key=KEY, code=k, more=bytes(3000)))
        if k % 3 == 2:
            made.save(Save(KEY, made.last_id, bytes(5000)), [Page(f"{KEY}/beat/", k - 2, k, 5, b"results")])
        if k == 6:
            made.erase("icu/p9/")  # with a checkpoint
        number = made.commit(0)
        end = time.monotonic() + PATIENCE_S
        while made.done < number and not (stays and made.failure) and time.monotonic() < end:
            time.sleep(0.0005)
        if made.done < number:
            break
        acked = k + 1
    killed = path.with_name(f"killed-{path.name}")
    for end_ in ("", "-wal"):
        if Path(f"{path}{end_}").exists():
            shutil.copyfile(f"{path}{end_}", f"{killed}{end_}")
    calls = int(shim.fault_calls())
    shim.fault_arm(0, 0)
    lost = 0 if stays else 12 - acked
    again = Journal(killed)
    there = {entry.id for entry in again.archive.entries()}
    lost += len(set(range(1, acked + 1)) - there) + len(again.archive.damage) + len(again.archive.check())
    again.close()
    written = made.close()
    whole = Archive(path)
    expected = acked if stays else made.last_id  # what nobody has acknowledged may be given up at the end
    there = {entry.id for entry in whole.entries()}
    lost += (not written and not stays) + len(set(range(1, expected + 1)) - there) + len(whole.check())
    whole.close()
    for left in path.parent.glob(f"*{path.name}*"):
        left.unlink()
    return lost, refused, calls


def flips(n: int, seed: int = 3) -> list[Row]:
    """Flip a bit anywhere in a file of a journal and start an engine on it."""
    rng = random.Random(seed)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        images = {"database": kept.stopped(place / "stopped.db"), "write-ahead log": kept.killed(place / "killed.db")}
        for name, image in images.items():
            counts: Counter[str] = Counter()
            bad: list[int] = []
            target = image if name == "database" else wal.beside(image)
            for _ in range(n // 2):
                at = rng.randrange(target.stat().st_size)
                path = place / "try.db"
                for end in ("", "-wal"):
                    if Path(f"{image}{end}").exists():
                        shutil.copyfile(f"{image}{end}", f"{path}{end}")
                kept.flip(path if name == "database" else wal.beside(path), at, rng.randrange(8))
                came = _judge(path)
                counts[came] += 1
                if came == "lost":
                    bad.append(at)
                for left in place.glob("try*"):
                    left.unlink()
            said = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
            where = f" (bytes {bad[:8]})" if bad else ""
            rows.append(Row(f"a bit flipped in the {name}", n // 2, said + where, len(bad), SAID))
    return rows


def _judge(path: Path) -> str:
    """Start an engine on a journal: is everything there (whole), or is it said what is not (named, refused)?"""
    copy = path.with_name("try-verify.db")
    for end in ("", "-wal"):
        if Path(f"{path}{end}").exists():
            shutil.copyfile(f"{path}{end}", f"{copy}{end}")
    started = _start(path)
    if started == "refused":
        new = path.with_name("try-new.db")
        _, lost = salvage(copy, new)
        return "refused and salvaged" if lost or _all_there(new) else "lost"
    if started != "whole":
        return started
    try:
        reader = Archive(copy)
        found = [*wal.torn(copy), *inventory.verify(reader)]
        reader.close()
    except JournalError as error:
        found = [str(error)]
    if not found:
        return "whole" if _all_there(copy) else "lost"
    return "whole for the engine, named by verify"


def _start(path: Path) -> str:
    """Let an engine recover from a journal; tell how that went."""
    try:
        kept_ = Journal(path)
    except JournalError as error:
        return "refused" if path.name in str(error) else "lost"
    engine = Engine(ANY, ANY, ANY, {"ecg": Peaks()}, journal=kept_)
    try:
        found = recover(kept_, engine._streams, engine._ingest, engine._live, engine._keeper)
    except JournalError:
        return "refused"
    finally:
        engine.close()
        kept_.close()
    if found.damage:
        return "named"
    rows = engine._streams.rows
    samples = [int(rows["samples"][stream.row]) for stream in engine._streams.by_key.values()]
    return "whole" if samples == [kept.SAMPLES] * len(kept.KEYS) else "lost"


def _all_there(path: Path) -> bool:
    reader = Archive(path)
    found: dict[str, list[bytes]] = {}
    for session, record, _ in inventory.walk(reader, {}):
        found.setdefault(session.opened.name, []).append(record.values.tobytes())
    reader.close()
    sent = {key: kept.signal(seed).astype("<f4").tobytes() for seed, key in enumerate(kept.KEYS)}
    return {key: b"".join(parts) for key, parts in found.items()} == sent


def run(long: bool) -> list[Row]:
    """Do it all; `bad` of each row must be 0."""
    rows = [full(20 if long else 3), read_only()]
    return [*rows, *failing_calls(0 if long else 200), *flips(5000 if long else 300)]


if __name__ == "__main__":  # in the process with the shim
    print(json.dumps([vars(row) for row in _calls(int(sys.argv[1]))]))
