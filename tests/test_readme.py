"""The README's examples run as they stand."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitalcore import samples
from vitalcore.streams import Engine

ROOT = Path(__file__).resolve().parent.parent


def blocks(heading: str, language: str) -> list[str]:
    """List the examples in a language under a heading."""
    text = (ROOT / "README.md").read_text()
    section = re.search(rf"^## {heading}.*?(?=^## |\Z)", text, re.M | re.S)
    assert section is not None
    return re.findall(rf"^```{language}\n(.*?)^```", section[0], re.M | re.S)


def ports_are_taken() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", 7401)) == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay out the file that the examples speak of."""
    np.savetxt(tmp_path / "my-ecg.csv", samples.ecg().values[: 360 * 30], "%.3f", header="ecg_mV", comments="")
    return tmp_path


def run(script: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shell = ["bash", "-euo", "pipefail", "-c", script]
    started = subprocess.Popen(
        shell, cwd=folder, env=os.environ | {"PATH": path}, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        said, _ = started.communicate(timeout=120)
    finally:
        os.killpg(started.pid, signal.SIGKILL) if started.poll() is None else None
    assert started.returncode == 0, said
    return said


@pytest.mark.skipif(ports_are_taken(), reason="another engine listens on the ports of the README")
def test_the_commands_for_gateways_run(folder: Path) -> None:
    (script,) = blocks("Pipe samples in", "sh")
    run("vitalcore warmup", folder)  # a first start compiles, which takes longer than a reader is let wait here
    # an engine needs a moment before a reader can knock
    said = run(script.replace("vitalcore replay", "sleep 8\nvitalcore replay", 1), folder)
    assert "0 samples lost" in said
    assert "heart rate" in said


@pytest.mark.skipif(ports_are_taken(), reason="another engine listens on the ports of the README")
def test_the_program_for_gateways_runs() -> None:
    (program,) = blocks("Pipe samples in", "python")
    engine, stop = Engine(), threading.Event()
    thread = threading.Thread(target=engine.run, args=(stop,))
    thread.start()
    try:
        assert engine.ready.wait(120)
        ecg = samples.ecg().values[: 360 * 30, 0].astype(np.float32)
        names: dict[str, Any] = {"chunks": np.array_split(ecg, 300)}
        exec(program, names)  # the reader's own words
    finally:
        stop.set()
        thread.join(10)
    assert len(names["beats"]) > 40


def test_the_commands_for_researchers_run(folder: Path) -> None:
    (script,) = blocks("Analyse a folder", "sh")
    named = ["alarms.parquet", "beats.parquet", "events.parquet", "features.parquet", "report.html", "waves.parquet"]
    assert run(script, folder).split()[-6:] == named


def test_the_commands_that_judge_run(folder: Path) -> None:
    (script,) = blocks("Judge it", "sh")
    said = run(script, folder)
    assert "bigeminy" in said
    assert (folder / "scores" / "score.html").is_file()


def test_the_program_for_developers_runs() -> None:
    (program,) = blocks("Embed", "python")
    recording = samples.ecg().values[: 360 * 30, 0]
    names: dict[str, Any] = {"chunks": np.array_split(recording, 100), "recording": recording}
    exec(program, names)  # the reader's own words
    assert len(names["times_s"]) > 40


def test_the_two_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    (commands,) = blocks("Try it", "")
    makefile = (ROOT / "Makefile").read_text()
    for command in commands.split("\n")[:-1]:
        assert re.search(rf"^{command.removeprefix('make ')}:", makefile, re.M)
