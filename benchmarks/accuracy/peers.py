"""Beat detectors of others, each a function of one lead in mV and its rate that gives beats as samples.

They work on the whole record at once, at their documented defaults; ours works as the signal arrives.
"""

import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

Detector = Callable[[NDArray[np.float64], float], NDArray[np.float64]]


def _neurokit(method: str, cleaned: bool = True) -> Detector:
    """Make a detector of neurokit2.

    cleaned : by its own method for this detector, where it has one
    """

    def detect(x: NDArray[np.float64], fs_hz: float) -> NDArray[np.float64]:
        import neurokit2 as nk

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clean = nk.ecg_clean(x, sampling_rate=int(fs_hz), method=method) if cleaned else x
            _, found = nk.ecg_peaks(clean, sampling_rate=int(fs_hz), method=method)
        return np.asarray(found["ECG_R_Peaks"], np.float64)

    return detect


def _sleepecg(x: NDArray[np.float64], fs_hz: float) -> NDArray[np.float64]:
    import sleepecg

    return np.asarray(sleepecg.detect_heartbeats(x, fs_hz), np.float64)  # type: ignore[attr-defined]  # not in its __all__


def _gqrs(x: NDArray[np.float64], fs_hz: float) -> NDArray[np.float64]:
    from wfdb import processing

    return np.asarray(processing.gqrs_detect(sig=x, fs=fs_hz), np.float64)


def _xqrs(x: NDArray[np.float64], fs_hz: float) -> NDArray[np.float64]:
    from wfdb import processing

    return np.asarray(processing.xqrs_detect(sig=x, fs=fs_hz, verbose=False), np.float64)


def detectors(which: str) -> Mapping[str, Detector]:
    """Choose the detectors: none, quick (well under a second per half hour of signal) or all."""
    if which == "none":
        return {}
    quick = {
        "sleepecg": _sleepecg,
        "neurokit2 default": _neurokit("neurokit"),
        "neurokit2 pantompkins": _neurokit("pantompkins1985"),
    }
    slow = {
        "neurokit2 khamis": _neurokit("khamis2016", cleaned=False),
        "wfdb gqrs": _gqrs,
        "wfdb xqrs": _xqrs,
    }
    return quick if which == "quick" else quick | slow


def versions() -> str:
    """Say which versions are compared with."""
    return ", ".join(f"{name} {version(name)}" for name in ("neurokit2", "sleepecg", "wfdb"))
