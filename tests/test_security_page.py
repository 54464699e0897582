"""What docs/security.md tells an installer to type works as it stands, on other ports."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.faults.engine import free_ports
from vitalcore import samples

ROOT = Path(__file__).resolve().parent.parent


def test_the_commands_lead_from_keys_to_a_subscriber_and_out_again(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    (script,) = re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S)
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    np.savetxt(tmp_path / "my-ecg.csv", samples.ecg().values[: 360 * 30], "%.3f", header="ecg_mV", comments="")
    # an engine needs a moment, or a minute if its kernels are to be compiled
    wait = "until grep -q ready: said; do sleep 0.2; kill -0 %1; done\nvitalcore replay"
    script = script.replace(" &\n", " > said 2>&1 &\n", 1).replace("vitalcore replay", wait, 1)
    script = script.replace("vitalcore keys revoke", f"python - <<'END'\n{program}END\nvitalcore keys revoke", 1)
    script += "tail -1 audit.jsonl"
    for port, free in zip((7401, 7402, 7403), free_ports(3), strict=True):
        script = script.replace(f":{port}", f":{free}")
    # `watch` takes the port after that of live to be control
    script = script.replace(
        "--prefix icu/",
        "--control " + re.findall(r"--control (\S+)", script)[0].replace("0.0.0.0", "127.0.0.1") + " --prefix icu/",
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    started = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = started.communicate(timeout=180)
    finally:
        os.killpg(started.pid, signal.SIGKILL) if started.poll() is None else None
    assert started.returncode == 0, said
    assert "0 samples lost" in said
    assert "heart rate" in said
    assert "vitalcore 0" in said
    assert "viewer has lost 1 key" in said
    assert re.search(r"audit.jsonl: \d+ lines hold", said)
    assert '"what":"stop"' in said
