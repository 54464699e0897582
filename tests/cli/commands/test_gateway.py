"""A device without code: lines, frames and files sent as a config says, and what is said when it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import VITALCORE, vitalcore
from tests.streams.conftest import Running, wait_for
from tests.streams.gateway.test_device import STREAM
from vitalcore.streams.gateway.device import parse
from vitalcore.streams.protocol import keys
from vitalcore.streams.security.guard import Security


@pytest.fixture(scope="module")
def engine() -> Iterator[Running]:
    made = Running()
    yield made
    made.stop()


def config(folder: Path, engine: str, input_: str, stream: str = STREAM, spool: bool = True) -> str:
    path = folder / "my.toml"
    kept = '[spool]\npath = "spool.db"\n' if spool else ""
    path.write_text(f'engine = "{engine}"\n{kept}[input]\n{input_}\n{stream}')
    return str(path)


def taken(engine: Running, key: str = "home/p1/chest/ecg") -> dict[str, int]:
    stream = engine.engine._streams.by_key.get(key)
    row = None if stream is None else engine.engine._streams.rows[stream.row]
    return {} if row is None else {name: int(row[name]) for name in ("samples", "lost", "ended", "next_index")}


def test_lines_on_standard_input_reach_the_engine_and_bad_ones_are_told(engine: Running, tmp_path: Path) -> None:
    lines = "".join(f"{k}\n" for k in range(1000)) + "x\n,\n7\n"
    done = vitalcore("gateway", config(tmp_path, engine.ingest, 'from = "stdin"'), input=lines)
    assert done.returncode == 0, done.stderr
    assert "input: 'x' holds what is no number" in done.stderr
    assert "held 0 records | lost 0 samples | 1 bad in the input" in done.stderr.splitlines()[-1]
    assert taken(engine) == {"samples": 1003, "lost": 0, "ended": 1, "next_index": 1003}


def test_what_an_absent_engine_did_not_get_is_kept_and_sent_at_the_next_start(engine: Running, tmp_path: Path) -> None:
    stream = STREAM.replace("p1", "p2")
    path = config(tmp_path, "tcp://127.0.0.1:9", 'from = "stdin"', stream)
    away = subprocess.Popen([*VITALCORE, "gateway", path, "--every", "0.1"], stdin=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert away.stdin is not None
    assert away.stderr is not None
    away.stdin.write("".join(f"{k}\n" for k in range(500)))
    away.stdin.flush()
    line = ""
    while "held 0" in line or "no engine" not in line:
        line = away.stderr.readline()
    away.send_signal(signal.SIGTERM)
    said = away.stderr.read()
    assert away.wait(20) == 0
    assert "spool.db and will be sent at the next start" in said
    assert "Traceback" not in said
    again = vitalcore("gateway", config(tmp_path, engine.ingest, 'from = "stdin"', stream), input="1\n2\n")
    assert again.returncode == 0, again.stderr
    assert "records of former runs are sent first" in again.stderr
    assert taken(engine, "home/p2/chest/ecg")["samples"] == 2  # of the new session
    assert taken(engine, "home/p2/chest/ecg")["lost"] > 0  # the time between


def test_without_a_spool_what_was_not_acknowledged_is_named_as_lost(tmp_path: Path) -> None:
    path = config(tmp_path, "tcp://127.0.0.1:9", 'from = "stdin"', spool=False)
    lost = subprocess.Popen([*VITALCORE, "gateway", path], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _, said = lost.communicate("1\n2\n", timeout=60)
    assert lost.returncode == 1
    assert said.splitlines()[-1] == "vitalcore: 2 records were not acknowledged and are lost"


def test_a_serial_line_is_read_until_sigterm(engine: Running, tmp_path: Path) -> None:
    pytest.importorskip("serial")
    device, line = os.openpty()
    stream = 'channels = 1\ndtype = "i16"\nscale = 0.005\n'.join(STREAM.replace("p1", "p3").split("columns = [1]\n"))
    input_ = f'from = "serial"\nport = "{os.ttyname(line)}"\nformat = "binary"\nsync = "a5 5a"'
    path = config(tmp_path, engine.ingest, input_, stream)
    running = subprocess.Popen([*VITALCORE, "gateway", path], stderr=subprocess.PIPE, text=True)
    frames = np.zeros(500, [("sync", "u1", (2,)), ("x", "<i2")])
    frames["sync"], frames["x"] = (0xA5, 0x5A), np.arange(500)
    opened = wait_for(lambda: bool(taken(engine, "home/p3/chest/ecg")), 30)  # the port is open before the stream is
    assert opened
    for k in range(0, 500, 10):
        os.write(device, frames[k : k + 10].tobytes())
        time.sleep(0.002)
    assert wait_for(lambda: taken(engine, "home/p3/chest/ecg")["samples"] >= 499)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 0, said
    assert taken(engine, "home/p3/chest/ecg") == {"samples": 500, "lost": 0, "ended": 0, "next_index": 500}
    os.close(device)
    os.close(line)


def test_a_recording_is_played_as_fast_as_the_engine_takes_it(engine: Running, tmp_path: Path, ecg_csv: Path) -> None:
    input_ = f'from = "file"\npath = "{ecg_csv}"\nplace = "home/p4/file"\nspeed = 0\nsignal = "ecg"\nfs_hz = 250'
    done = vitalcore("gateway", config(tmp_path, engine.ingest, input_, ""))
    assert done.returncode == 0, done.stderr
    assert taken(engine, "home/p4/file/ecg") == {"samples": 2500, "lost": 0, "ended": 1, "next_index": 2500}


def test_the_example_can_be_run(engine: Running, tmp_path: Path) -> None:
    done = vitalcore("gateway", "--example")
    assert parse(done.stdout, tmp_path / "x").engine == "tcp://127.0.0.1:7401"
    path = tmp_path / "my.toml"
    path.write_text(done.stdout.replace("tcp://127.0.0.1:7401", engine.ingest))
    done = vitalcore("gateway", str(path), input="t,II\n0.000,0.1\n0.004,0.2\n")
    assert done.returncode == 0, done.stderr
    assert taken(engine, "home/p17/chest/ecg")["samples"] == 2


@pytest.mark.parametrize(
    ("input_", "words"),
    [('from = "usb"', "line 5: [input] from is 'usb'"), ('from = "serial"\nport = "/dev/no"', "can't open /dev/no")],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, input_: str, words: str) -> None:
    pytest.importorskip("serial")
    done = vitalcore("gateway", config(tmp_path, "tcp://127.0.0.1:9", input_))
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_the_page_for_the_person_with_a_device_can_be_followed(engine: Running, tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "gateway.md").read_text()
    (board,) = re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S)
    (trial,) = re.findall(r"^```sh\n(sed.*?)^```", page, re.M | re.S)
    (tmp_path / "my.toml").write_text(board.replace("tcp://127.0.0.1:7401", engine.ingest))
    assert parse(board, tmp_path / "my.toml").source.port == "/dev/ttyUSB0"
    script = trial.replace("vitalcore gateway", " ".join([*VITALCORE, "gateway"]))
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert taken(engine, "home/p17/chest/ecg")["ended"] == 1
    assert "lost 0 samples" in done.stderr


def test_keys_let_it_in_to_an_engine_that_asks_for_them(tmp_path: Path) -> None:
    for name in ("engine", "device"):
        keys.write(keys.make(), tmp_path, name)
    rights = tmp_path / "rights.toml"
    public = keys.read_public(tmp_path / "device.pub")
    rights.write_text(f'[[client]]\nname = "device"\nkey = "{public}"\nwrite = ["home/"]\n')
    guarded = Running(security=Security(tmp_path / "engine.key", rights))
    try:
        given = '[keys]\nown = "device.key"\nengine = "engine.pub"\n[input]'
        path = Path(config(tmp_path, guarded.ingest, 'from = "stdin"'))
        path.write_text(path.read_text().replace("[input]", given))
        done = vitalcore("gateway", str(path), input="1\n2\n")
        assert done.returncode == 0, done.stderr
        assert taken(guarded)["samples"] == 2
    finally:
        guarded.stop()


def test_a_refused_stream_ends_it_with_its_reason(engine: Running, tmp_path: Path) -> None:
    stream = STREAM.replace("p1", "p5").replace("mV", "mmHg")
    path = config(tmp_path, engine.ingest, 'from = "stdin"', stream)
    code = "import sys,time\nwhile True:\n print(1, flush=True); time.sleep(0.01)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as device:
        done = subprocess.run([*VITALCORE, "gateway", path], stdin=device.stdout, capture_output=True, text=True,
                              timeout=60, check=False)  # fmt: skip
        device.kill()
    assert done.returncode == 1
    assert "home/p5/chest/ecg is refused: all channels of an ecg must have one unit" in done.stderr.splitlines()[-1]
