"""Recordings, configs and command lines that are damaged: each is taken for what it says, or refused in one line."""

import contextlib
import random
import re
import resource
import string
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil

from benchmarks.faults.rows import Row
from vitalcore.errors import VitalcoreError

REFUSED = "read, or refused in one line"
ROOM = 2 << 30  # bytes of memory that a damaged file may ask for before it is refused
SLOW_S = 5.0  # for a file of some kB: it hangs
EXTREMES = (b"0", b"-1", b"1", b"7", b"65536", b"2147483648", b"99999999999999999999", b"1e308", b"nan", b"inf", b"")
WORDS = ("", "-1", "0", "nan", "1e400", "9" * 30, "ä€😀", "a\nb", "x" * 5000, "[", "{}", "ecg", "250")
# these would run until they are stopped, or wait for an engine: they get an option that there is not
LASTING = ("demo", "serve", "gateway", "replay", "watch", "alarms", "warmup")
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """Damage bytes in one to three places: bits, numbers in words, pieces lost, doubled or made up."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 3)):
        a = rng.randrange(len(data) + 1)
        if rng.random() < 0.5:
            a = min(a, rng.randrange(512))  # headers are in front
        b = min(a + rng.choice((1, 2, 8, 64, 1024)), len(data))
        how = rng.randrange(7)
        if how == 0 and a < len(data):
            data[a] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[a:b] = rng.randbytes(b - a)
        elif how == 2:
            del data[a:b]
        elif how == 3:
            data[a:a] = data[a:b]
        elif how == 4:
            del data[a:]
        elif how == 5:
            data[a:b] = bytes(b - a)
        else:
            numbers = list(_NUMBER.finditer(bytes(data[:4096])))
            if numbers:
                place = rng.choice(numbers)
                data[place.start() : place.end()] = rng.choice(EXTREMES)
    return bytes(data)


def _formats(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Write a short recording in every format: the file to be read, the file to be damaged."""
    import pandas as pd

    from vitalcore.fixtures import files, scenarios

    made = scenarios.scenario("normal").make(4, Fraction(100), 2, 0)
    for suffix in (".hea", ".edf", ".csv", ".parquet"):
        files.write(made, folder / f"ecg{suffix}")
    points = np.random.default_rng(0).normal(0, 1, (20, 68, 3))
    np.savez(folder / "face.npz", points=points, t_s=np.arange(20) / 30)
    frame = pd.DataFrame({f"{axis}{k}": points[:, k, i] for k in range(68) for i, axis in enumerate("xyz")})
    frame.insert(0, "t_s", np.arange(20) / 30)
    frame.to_csv(folder / "face.csv", index=False, float_format="%.4f")
    frame.to_parquet(folder / "face.parquet")
    named = {
        path.name: (path, path) for path in folder.iterdir() if path.suffix in (".edf", ".csv", ".npz", ".parquet")
    }
    return named | {f"ecg{end}": (folder / "ecg.hea", folder / f"ecg{end}") for end in (".hea", ".dat")}


def recordings(n: int, seed: int = 0) -> Iterator[Row]:
    """Damage a recording of each format n times, and read it."""
    from vitalcore.readers import read

    rng = random.Random(seed)
    held = resource.getrlimit(resource.RLIMIT_AS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        formats = _formats(folder)
        for opened, _ in formats.values():
            read(opened)  # undamaged, and everything is imported
        resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + ROOM, held[1]))
        try:
            for what, (opened, spoiled) in sorted(formats.items()):
                whole = spoiled.read_bytes()

                def attempt(opened: Path = opened, spoiled: Path = spoiled, whole: bytes = whole) -> None:
                    spoiled.write_bytes(damaged(whole, rng))
                    for track in read(opened).tracks:
                        assert track.values.shape == (track.n_samples, len(track.channels))
                        assert not np.isinf(track.values).any()

                yield _tried(f"damaged recordings: {what}", n, attempt)
                spoiled.write_bytes(whole)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, held)


def configs(n: int, seed: int = 0) -> Iterator[Row]:
    """Damage each of the files that an engine or a gateway is started with n times, and read it."""
    from importlib.resources import files

    from vitalcore import alarms
    from vitalcore.streams.gateway import device
    from vitalcore.streams.security import rights
    from vitalcore.streams.service import config

    rng = random.Random(seed)
    engine = re.sub(r"^# (\w+ = )", r"\1", config.example(), flags=re.M)
    clients = "".join(
        f'[[client]]\nname = "bed-{k}"\nkey = "{"".join(rng.choices(string.ascii_letters, k=40))}"\nwrite = ["icu/"]\n'
        for k in range(3)
    )
    limits = files("vitalcore").joinpath("alarms.toml").read_text(encoding="utf-8")
    kinds: dict[str, tuple[str, Callable[[Path], object]]] = {
        "engine.toml": (engine, lambda path: config.read(path, {})),
        "gateway.toml": (device.example(), device.read),
        "rights.toml": (clients, lambda path: rights.parse(rights.read(path), path)),
        "limits.toml": (limits + '\n[streams."icu/"]\npreset = "child"\n', alarms.read),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, (text, read) in kinds.items():
            path = Path(folder) / name
            path.write_text(text)
            path.chmod(0o600)
            read(path)

            def attempt(path: Path = path, text: str = text, read: Callable[[Path], object] = read) -> None:
                path.write_bytes(damaged(text.encode(), rng))
                read(path)

            yield _tried(f"damaged configs: {name}", n, attempt)


def arguments(n: int, seed: int = 0) -> Row:
    """Call every command with options and words that mean nothing."""
    import click
    from click.testing import CliRunner

    from vitalcore.cli.main import COMMANDS, main

    rng = random.Random(seed)
    commands = []
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        below = command.commands if isinstance(command, click.Group) else {}
        commands += [(name, each, of) for each, of in below.items()] or [(name, "", command)]

    def attempt() -> None:
        name, below, command = rng.choice(commands)
        words = [name, below] if below else [name]
        for _ in range(rng.randint(0, 4)):
            options = [option for each in command.params for option in each.opts if option.startswith("-")]
            words += [rng.choice(options), rng.choice(WORDS)] if options and rng.random() < 0.5 else [rng.choice(WORDS)]
        if name in LASTING:
            words.append("--no-such-option")
        done = CliRunner().invoke(main, words, input="")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise RuntimeError(f"{[word[:40] for word in words]}: {repr(done.exception)[:200]}") from done.exception
        if done.exit_code:
            raise VitalcoreError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "")

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return _tried("command lines that mean nothing", n, attempt)


def _tried(what: str, n: int, attempt: Callable[[], None]) -> Row:
    """Count what n attempts came to: read, refused in one line, or wrong: another error, several lines, too slow."""
    came: Counter[str] = Counter()
    wrong: list[str] = []
    longest_s = 0.0
    for _ in range(n):
        begun = time.monotonic()
        try:
            attempt()
            came["read"] += 1
        except VitalcoreError as error:
            came["refused"] += 1
            if not str(error) or "\n" in str(error):
                wrong.append(f"refused with {str(error)!r}")
        except Exception as error:  # what nobody has foreseen, which is what is looked for
            wrong.append(f"{type(error).__name__}: {error}")
        longest_s = max(longest_s, time.monotonic() - begun)
    if longest_s > SLOW_S:
        wrong.append(f"one took {longest_s:.1f} s")
    said = f"{came['read']} read, {came['refused']} refused, {longest_s:.2f} s at most"
    return Row(what, n, "; ".join([said, *sorted(set(wrong))[:5]]), len(wrong), REFUSED)


def run(long: bool) -> Iterator[Row]:
    """Do it all."""
    yield from recordings(20_000 if long else 1000)
    yield from configs(20_000 if long else 500)
    yield arguments(5000 if long else 200)
