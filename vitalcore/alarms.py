"""Limits of the alarms: presets, files of limits, and the parameters that kernels take."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore import catalogue
from vitalcore.errors import ParameterError, ReadError
from vitalcore.findings import Findings
from vitalcore.kernels.alarms import alarms, witness
from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.finding import FINDING
from vitalcore.operator import check_range

PRIORITIES = {"high": finding.HIGH, "medium": finding.MEDIUM, "low": finding.LOW, "off": 0}
NAMES = {code: catalogue.by_id()[code].name for code in alarms.CODES}
STATES = {
    finding.RAISED: "raised",
    finding.ACKNOWLEDGED: "acknowledged",
    finding.ENDED: "ended",
    finding.ASSERTED: "asserted",
}
# least, most and unit of each number
RANGES = {
    "asystole_s": (2.0, 10.0, "s"),
    "fibrillation_s": (3.0, 10.0, "s"),
    "ventricular_beats": (3, 15, "beats"),
    "ventricular_per_min": (60.0, 200.0, "/min"),
    "extreme_bradycardia_per_min": (15.0, 120.0, "/min"),
    "extreme_bradycardia_beats": (3, 12, "beats"),
    "extreme_tachycardia_per_min": (100.0, 340.0, "/min"),
    "extreme_tachycardia_beats": (5, 32, "beats"),
    "pause_s": (1.2, 8.0, "s"),
    "heart_rate_low_per_min": (15.0, 200.0, "/min"),
    "heart_rate_high_per_min": (60.0, 340.0, "/min"),
    "heart_rate_delay_s": (1, 30, "s"),
    "lead_delay_s": (1, 10, "s"),
    "noise_delay_s": (1, 60, "s"),
}
# of each pair the first lies below the second
ORDERED = (
    ("heart_rate_low_per_min", "heart_rate_high_per_min"),
    ("extreme_bradycardia_per_min", "extreme_tachycardia_per_min"),
    ("pause_s", "asystole_s"),
)


@dataclass(frozen=True)
class Limits:
    """State when alarms are raised; `alarms.toml` says where the numbers of the presets come from.

    asystole_s, fibrillation_s, pause_s : how long it must last
    *_beats                             : how many beats in a row
    heart_rate_delay_s                  : whole seconds that the averaged rate must lie outside
    lead_delay_s, noise_delay_s         : whole seconds of it
    priority                            : of each alarm, high, medium, low or off
    latching                            : alarms that stand after their end until they are acknowledged

    Errors: ParameterError
    """

    asystole_s: float
    fibrillation_s: float
    ventricular_beats: int
    ventricular_per_min: float
    extreme_bradycardia_per_min: float
    extreme_bradycardia_beats: int
    extreme_tachycardia_per_min: float
    extreme_tachycardia_beats: int
    pause_s: float
    heart_rate_low_per_min: float
    heart_rate_high_per_min: float
    heart_rate_delay_s: int
    lead_delay_s: int
    noise_delay_s: int
    priority: tuple[tuple[str, str], ...]
    latching: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, (low, high, unit) in RANGES.items():
            check_range(name, getattr(self, name), low, high, unit)
        for below, above in ORDERED:
            if getattr(self, below) >= getattr(self, above):
                raise ParameterError(
                    f"{below} is {getattr(self, below):g}; it must lie below {above}, {getattr(self, above):g}"
                )

    def changed(self, changes: Mapping[str, Any], where: str = "limits") -> "Limits":
        """Return these limits with some of them changed, as TOML or CONFIG name them.

        changes : numbers by the names of the fields; `priority` {alarm: high, medium, low or off}; `latching` {alarm:
                  true or false}; `preset` begins with another preset
        where   : begins the message of an error

        Errors: ParameterError
        """
        rest = dict(changes)
        limits = preset(_text(rest.pop("preset"), where)) if "preset" in rest else self
        new: dict[str, Any] = {}
        if "priority" in rest:
            ranks = dict(limits.priority)
            for name, rank in _table(rest.pop("priority"), "priority", where):
                if not isinstance(rank, str) or rank not in PRIORITIES:
                    raise ParameterError(f"{where}: priority of {name} is {rank!r}; it is {', '.join(PRIORITIES)}")
                ranks[name] = rank
            new["priority"] = tuple(ranks.items())
        if "latching" in rest:
            latched = set(limits.latching)
            for name, yes in _table(rest.pop("latching"), "latching", where):
                if not isinstance(yes, bool):
                    raise ParameterError(f"{where}: latching of {name} is {yes!r}; it is true or false")
                latched = latched | {name} if yes else latched - {name}
            new["latching"] = tuple(name for name in NAMES.values() if name in latched)
        for name, value in rest.items():
            if name not in RANGES:
                raise ParameterError(f"{where}: there is no limit {name}; there are {', '.join(RANGES)}")
            whole = isinstance(RANGES[name][0], int)
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                raise ParameterError(f"{where}: {name} is {value!r}; it must be a {'whole ' if whole else ''}number")
            new[name] = value
        try:
            return replace(limits, **new)
        except ParameterError as error:
            raise ParameterError(f"{where}: {error}") from None

    def spelled(self) -> dict[str, Any]:
        """Spell these limits as `changed` takes them."""
        numbers = {name: getattr(self, name) for name in RANGES}
        latching = {name: name in self.latching for name in NAMES.values()}
        return numbers | {"priority": dict(self.priority), "latching": latching}

    def params(self, fs_hz: float) -> NDArray[np.void]:
        """Design the alarms of a stream: one row of kernels.alarms.PARAMS."""
        made = np.zeros(1, alarms.PARAMS)
        row = made[0]
        rank = dict(self.priority)
        of_code = {
            codes.ASYSTOLE: self.asystole_s,
            codes.VENTRICULAR_FIBRILLATION: self.fibrillation_s,
            codes.VENTRICULAR_TACHYCARDIA: self.ventricular_per_min,
            codes.EXTREME_BRADYCARDIA: self.extreme_bradycardia_per_min,
            codes.EXTREME_TACHYCARDIA: self.extreme_tachycardia_per_min,
            codes.PAUSE: self.pause_s,
            codes.HEART_RATE_HIGH: self.heart_rate_high_per_min,
            codes.HEART_RATE_LOW: self.heart_rate_low_per_min,
        }
        delays = {
            codes.HEART_RATE_HIGH: self.heart_rate_delay_s,
            codes.HEART_RATE_LOW: self.heart_rate_delay_s,
            codes.LEAD_DISCONNECTED: self.lead_delay_s,
            codes.NOISY_SIGNAL: self.noise_delay_s,
        }
        for i, code in enumerate(alarms.CODES):
            row["priority"][i] = PRIORITIES[rank[NAMES[code]]]
            row["latching"][i] = NAMES[code] in self.latching
            row["limit"][i] = of_code.get(code, np.nan)
            row["delay_s"][i] = delays.get(code, 0)
        row["burst"]["n_beats"] = self.ventricular_beats
        row["burst"]["longest_s"] = 60.0 / self.ventricular_per_min
        row["witness"]["fs_hz"] = fs_hz
        row["witness"]["bradycardia"] = self.extreme_bradycardia_per_min
        row["witness"]["tachycardia"] = self.extreme_tachycardia_per_min
        row["witness"]["ventricular"] = self.ventricular_per_min
        return made


@dataclass(frozen=True)
class Book:
    """Hold a file of limits: presets, and what differs for streams whose keys begin so.

    presets : by name
    preset  : of streams for which nothing else is said
    streams : changes by the beginning of a key; the longest that fits counts
    """

    presets: Mapping[str, Limits]
    preset: str
    streams: Mapping[str, Limits]

    def of(self, key: str = "") -> Limits:
        """Return the limits of a stream."""
        fitting = [prefix for prefix in self.streams if key.startswith(prefix)]
        return self.streams[max(fitting, key=len)] if fitting else self.presets[self.preset]


@cache
def shipped() -> Book:
    """Return the limits that come with vitalcore."""
    content = tomllib.loads(files("vitalcore").joinpath("alarms.toml").read_text(encoding="utf-8"))
    ranks, latching = tuple(content.pop("priority").items()), content.pop("latching")
    latched = tuple(name for name in latching if latching[name])
    default = content.pop("preset")
    presets = {name: Limits(**numbers, priority=ranks, latching=latched) for name, numbers in content.items()}
    return Book(presets, default, {})


def preset(name: str = "adult") -> Limits:
    """Return the limits of a preset.

    Errors: ParameterError
    """
    presets = shipped().presets
    if name not in presets:
        raise ParameterError(f"there is no preset {name!r}; there are {', '.join(presets)}")
    return presets[name]


def with_witnesses(
    found: Findings, fs_hz: float, limits: Limits, witnesses: Sequence[tuple[Findings, float]]
) -> Findings:
    """Judge the alarms of an ECG once more, hearing the pulses of the subject's other signals; return ALARM rows.

    found     : what an ECG chain said, in its order
    witnesses : what the chain of each other signal said, and its rate in Hz; all begin with the ECG. Two are heard
    """
    heard = []
    for slot, (said, hz) in enumerate(witnesses[: witness.N_WITNESSES], 1):
        rows = said[(said["what"] == finding.BEAT) & (said["code"] == codes.PULSE)].copy()
        rows["slot"] = slot
        rows["t"] *= fs_hz / hz
        rows["t_known"] *= fs_hz / hz
        heard.append(rows)
    rows = np.concatenate([*heard, found[found["what"] != finding.ALARM]])
    rows = rows[np.argsort(rows["t_known"], kind="stable")]
    state = np.zeros(1, alarms.STATE)
    alarms.begin(state[0])
    n_told = int((rows["code"] == codes.HEART_RATE).sum()) + int((rows["what"] == finding.EVENT).sum())
    out = np.zeros(3 * alarms.N * n_told + int((rows["what"] == finding.BEAT).sum()), FINDING)
    return out[: alarms.step(limits.params(fs_hz)[0], state[0], rows, out)]


def limits_of(limits: Limits | str) -> Limits:
    """Return limits given as themselves or by the name of a preset.

    Errors: ParameterError
    """
    return preset(limits) if isinstance(limits, str) else limits


def read(path: str | Path) -> Book:
    """Read a file of limits: the form of `alarms.toml`, and `[streams."key prefix"]` for what differs there.

    Errors: ReadError, ParameterError naming the file, the table and the limit.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{path}: can't be read ({getattr(error, 'strerror', None) or error})") from None
    except tomllib.TOMLDecodeError as error:
        raise ReadError(f"{path}: this is no TOML ({error})") from None
    known = shipped()
    allowed = ("preset", *known.presets, "priority", "latching", "streams")
    unknown = [name for name in content if name not in allowed]
    if unknown:
        raise ParameterError(f"{path}: there is no {unknown[0]}; there are {', '.join(allowed)}")
    common: dict[str, Any] = {name: content[name] for name in ("priority", "latching") if name in content}
    presets = {
        name: limits.changed(common, str(path)).changed(dict(_content(content, name, str(path))), f"{path}, {name}")
        for name, limits in known.presets.items()
    }
    default = _text(content.get("preset", known.preset), str(path))
    if default not in presets:
        raise ParameterError(f"{path}: there is no preset {default!r}; there are {', '.join(presets)}")
    streams: dict[str, Limits] = {}
    for prefix, changes in _content(content, "streams", str(path)):
        where = f"{path}, streams {prefix!r}"
        if not isinstance(changes, dict):
            raise ParameterError(f"{where}: this is {changes!r}; it must be a table of limits")
        mine = dict(changes)
        base = _text(mine.pop("preset", default), where)
        if base not in presets:
            raise ParameterError(f"{where}: there is no preset {base!r}; there are {', '.join(presets)}")
        streams[prefix] = presets[base].changed(mine, where)
    return Book(presets, default, streams)


def _content(content: Mapping[str, Any], name: str, where: str) -> Iterator[tuple[str, Any]]:
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise ParameterError(f"{where}: {name} is {table!r}; it must be a table")
    yield from table.items()


def _table(table: object, what: str, where: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(table, dict):
        raise ParameterError(f"{where}: {what} is {table!r}; it must map alarms to values")
    for name, value in table.items():
        if name not in NAMES.values():
            raise ParameterError(f"{where}: there is no alarm {name}; there are {', '.join(NAMES.values())}")
        yield name, value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ParameterError(f"{where}: preset is {value!r}; it must be the name of a preset")
    return value
