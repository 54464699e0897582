"""Findings of a recording as Parquet tables."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitalcore import catalogue, intervals
from vitalcore import findings as named
from vitalcore.alarms import PRIORITIES, STATES
from vitalcore.analyze import Result, Results
from vitalcore.errors import VitalcoreError
from vitalcore.version import version

if TYPE_CHECKING:
    import pyarrow as pa

BEATS_OF = {"ecg": "beats", "ppg": "pulses", "abp": "pulses", "face": "blinks", "ear": "blinks"}
NAMES = ("beats", "waves", "pacer_pulses", "pulses", "blinks", "features", "events", "alarms")

_BEAT = [
    ("stream", "string"),
    ("channel", "string"),
    ("sample_index", "int64"),  # nearest sample of the recording, at its own rate
    ("t_s", "float64"),  # since the recording began, sub-sample
    ("t_known_s", "float64"),  # when it could be said
    ("class", "string"),
    ("quality", "float32"),
    ("reasons", "string"),  # names in the catalogue, blanks between them
]
_MEASURED = {
    "beats": ["rr_s", "amplitude", "width_s"],
    "pulses": ["interval_s", "amplitude", "width_s", "foot_s"],
    "pacer_pulses": ["amplitude", "width_s"],
    "blinks": ["interval_s", "amplitude", "width_s", "onset_s", "end_s", "completeness"],
}
_FIELDS = {  # column -> field of findings.BEATS, and whether it is a time
    "rr_s": ("interval_s", False),
    "interval_s": ("interval_s", False),
    "amplitude": ("amplitude", False),
    "width_s": ("width_s", False),
    "foot_s": ("onset", True),
    "onset_s": ("onset", True),
    "end_s": ("end", True),
    "completeness": ("completeness", False),
}
_BOUNDARIES = ("p_on", "p_peak", "p_off", "qrs_on", "qrs_off", "t_on", "t_peak", "t_off")
_WAVES = [  # one row a heart beat and lead
    ("stream", "string"),
    ("channel", "string"),
    ("t_s", "float64"),  # R peak
    ("t_known_s", "float64"),
    ("class", "string"),  # final
    ("quality", "float32"),
    ("reasons", "string"),
    *((f"{name}_s", "float64") for name in _BOUNDARIES),  # NaN: the wave is not there, or can't be seen
    ("rr_s", "float64"),
    *((name, "float64") for name in ("pr_s", "qrs_s", "qt_s", *(f"qtc_{each}_s" for each in intervals.FORMULAS))),
    ("st_60", "float64"),  # in the signal's unit, 60 and 80 ms after the J point against the level before QRS
    ("st_80", "float64"),
]
_FEATURE = [
    ("stream", "string"),
    ("channel", "string"),
    ("t_s", "float64"),
    ("t_known_s", "float64"),
    ("code", "string"),
    ("value", "float64"),  # NaN where the signal can't carry one
    ("unit", "string"),  # UCUM
    ("window_s", "float64"),
    ("n_used", "float64"),  # of heart rate variability: intervals in the window, and those left out of it
    ("n_left_out", "float64"),
    ("quality", "float32"),
    ("reasons", "string"),
    ("method", "string"),  # operator and version
]
_EVENT = [
    ("stream", "string"),
    ("channel", "string"),
    ("code", "string"),
    ("t_onset_s", "float64"),
    ("t_end_s", "float64"),  # NaN while it lasts
    ("t_known_s", "float64"),
    ("evidence", "list<int64>"),  # first and last sample
    ("reasons", "string"),
]
_ALARM = [
    ("stream", "string"),
    ("channel", "string"),
    ("code", "string"),
    ("t_condition_s", "float64"),  # what it is about began, or had lasted as long as its rule asks
    ("t_decided_s", "float64"),  # when it was raised; the difference is the alarm condition delay
    ("t_end_s", "float64"),  # of the condition; NaN while it lasts
    ("state", "string"),  # as last said
    ("priority", "string"),
    ("latching", "bool"),
    ("evidence", "list<int64>"),
    ("measured", "float64"),
    ("limit", "float64"),
    ("reasons", "string"),
]


def tables(results: Results) -> dict[str, "pa.Table"]:
    """Make the tables of a recording: beats, pulses or blinks for the signals that it has, the others always.

    Pacer pulses have a table where there are some. Each is sorted by time within its stream; without rows it still has
    its columns.
    """
    made: dict[str, Any] = {}
    for name in ("beats", "pulses", "blinks"):
        of_kind = [result for result in results.analysed if BEATS_OF[result.track.kind] == name]
        if of_kind:
            columns = _BEAT + [(column, "float64") for column in _MEASURED[name]]
            made[name] = _table(columns, (_beats(result, result.beats, name) for result in of_kind))
    hearts = [result for result in results.analysed if result.track.kind == "ecg"]
    if hearts:
        made["waves"] = _table(_WAVES, map(_waves, hearts))
    paced = [result for result in hearts if len(result.pacer_pulses)]
    if paced:
        columns = _BEAT + [(column, "float64") for column in _MEASURED["pacer_pulses"]]
        made["pacer_pulses"] = _table(
            columns, (_beats(result, result.pacer_pulses, "pacer_pulses") for result in paced)
        )
    made["features"] = _table(_FEATURE, map(_features, results.analysed))
    made["events"] = _table(_EVENT, map(_events, results.analysed))
    made["alarms"] = _table(_ALARM, map(_alarms, results.analysed))
    return made


def write(results: Results, folder: Path) -> list[Path]:
    """Write the tables of a recording into its folder, each complete or not at all; those of an earlier run go.

    Errors: VitalcoreError where the folder can't be written.
    """
    import pyarrow.parquet as pq

    made = tables(results)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            path = folder / f"{name}.parquet"
            if name not in made:
                path.unlink(missing_ok=True)
                continue
            draft = path.with_suffix(".part")
            pq.write_table(made[name], draft, compression="zstd")
            os.replace(draft, path)
    except OSError as error:
        raise VitalcoreError(f"{folder}: can't be written ({error.strerror or error})") from None
    return [folder / f"{name}.parquet" for name in made]


def channel_name(result: Result, channel: int) -> str:
    """Name the channel of a finding: a lead, a wavelength, a side of the face, or `all`."""
    if result.track.kind in ("face", "ear"):
        return {0: "left", 1: "right"}.get(channel, "all")
    channels = result.track.channels
    if 0 <= channel < len(channels):
        return channels[channel]
    return channels[0] if len(channels) == 1 else "all"


def letters(labels: NDArray[np.float64]) -> list[str]:
    """Turn the classes of beats from code points into letters; "" where there is none."""
    return [chr(int(label)) if np.isfinite(label) and label > 0 else "" for label in labels]


def _table(columns: list[tuple[str, str]], parts: Iterable[dict[str, Any]]) -> "pa.Table":
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "float32": pa.float32(),
        "bool": pa.bool_(),
        "list<int64>": pa.list_(pa.int64()),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in columns])
    made = [pa.table([pa.array(part[field.name], field.type) for field in schema], schema=schema) for part in parts]
    return pa.concat_tables(made) if made else schema.empty_table()


def _common(result: Result, found: NDArray[Any]) -> dict[str, Any]:
    channels = {int(c): channel_name(result, int(c)) for c in np.unique(found["channel"])}
    reasons = {int(r): " ".join(catalogue.reasons(int(r))) for r in np.unique(found["reasons"])}
    return {
        "stream": [result.track.stream] * len(found),
        "channel": [channels[c] for c in found["channel"].tolist()],
        "t_known_s": result.track.seconds(found["t_known"]),
        "quality": found["quality"].astype(np.float32),
        "reasons": [reasons[r] for r in found["reasons"].tolist()],
    }


def _beats(result: Result, found: NDArray[Any], name: str) -> dict[str, Any]:
    track = result.track
    part = _common(result, found)
    part["sample_index"] = track.index(found["t"])
    part["t_s"] = track.seconds(found["t"])
    part["class"] = letters(found["label"])
    for column in _MEASURED[name]:
        field, is_time = _FIELDS[column]
        part[column] = track.seconds(found[field]) if is_time else found[field]
    return part


def _waves(result: Result) -> dict[str, Any]:
    track = result.track
    found = named.waves(result.findings)
    found = found[np.lexsort((found["channel"], found["t"]))]
    part = _common(result, found)
    part["t_s"] = track.seconds(found["t"])
    part["class"] = letters(found["label"])
    for name in _BOUNDARIES:
        part[f"{name}_s"] = track.seconds(found[name])
    assert track.fs_hz is not None  # an ECG has a rate
    part |= intervals.intervals_s(found, float(track.fs_hz))
    for name in ("rr_s", "st_60", "st_80"):
        part[name] = found[name]
    return part


def _features(result: Result) -> dict[str, Any]:
    found = named.features(result.findings)
    found = found[np.argsort(found["t"], kind="stable")]
    part = _common(result, found)
    codes = catalogue.by_id()
    part["t_s"] = result.track.seconds(found["t"])
    part["code"] = [codes[c].name for c in found["code"].tolist()]
    part["unit"] = [codes[c].ucum for c in found["code"].tolist()]
    for column in ("value", "window_s", "n_used", "n_left_out"):
        part[column] = found[column]
    part["method"] = [method(result)] * len(found)
    return part


def _events(result: Result) -> dict[str, Any]:
    found, track = result.events, result.track
    found = found[np.argsort(found["t"], kind="stable")]
    part = _common(result, found)
    codes = catalogue.by_id()
    part["code"] = [codes[c].name for c in found["code"].tolist()]
    part["t_onset_s"], part["t_end_s"] = track.seconds(found["t"]), track.seconds(found["t_end"])
    part["evidence"] = _evidence(result, found)
    return part


def _alarms(result: Result) -> dict[str, Any]:
    found, track = result.alarms, result.track
    found = found[np.argsort(found["t_known"], kind="stable")]
    part = _common(result, found)
    codes, words = catalogue.by_id(), {number: name for name, number in PRIORITIES.items()}
    part["code"] = [codes[c].name for c in found["code"].tolist()]
    part["t_condition_s"], part["t_decided_s"] = track.seconds(found["t"]), part.pop("t_known_s")
    part["t_end_s"] = track.seconds(found["t_end"])
    part["state"] = [STATES[int(state)] for state in found["state"]]
    part["priority"] = [words[int(priority)] for priority in found["priority"]]
    part["latching"] = found["latching"] > 0
    part["evidence"] = _evidence(result, found)
    part["measured"], part["limit"] = found["measured"], found["limit"]
    return part


def _evidence(result: Result, found: NDArray[Any]) -> list[list[int] | None]:
    ranges = np.stack([found["evidence_from"], found["evidence_to"]], axis=1)
    return [result.track.index(each).tolist() if np.isfinite(each).all() else None for each in ranges]


def method(result: Result) -> str:
    """Name what computed a value: the operator and its version."""
    return f"vitalcore {version()} {type(result.operator).__name__}"
