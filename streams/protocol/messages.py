"""The payloads of live messages: findings in the catalogue's words."""

import math
from typing import Any

import msgpack

from vitalcore import catalogue
from vitalcore.alarms import PRIORITIES, STATES
from vitalcore.intervals import RR_RANGE_S, measured_s
from vitalcore.kernels.core import codes
from vitalcore.kernels.core import finding as raw

Row = tuple[int, int, int, int, float, float, float, int, list[float]]  # a row of FINDING
_pack = msgpack.Packer(autoreset=True).pack
_WAVES = {
    "p_on": raw.P_ON,
    "p_peak": raw.P_PEAK,
    "p_off": raw.P_OFF,
    "qrs_on": raw.QRS_ON,
    "qrs_off": raw.QRS_OFF,
    "t_on": raw.T_ON,
    "t_peak": raw.T_PEAK,
    "t_off": raw.T_OFF,
}
_ranks = {number: name for name, number in PRIORITIES.items()}
_names = {number: code.name for number, code in catalogue.by_id().items()}


def name(code: int) -> str:
    """Return the catalogue's name of a code."""
    return _names.get(code) or str(code)


def _number(value: float) -> float | None:
    return value if value == value else None


def beat(row: Row, base: int, arrival_ns: int) -> bytes:
    """Spell a beat; what is not known is nil.

    base : position of the finding's sample 0, added to every position
    """
    _, _, code, channel, t, _, quality, reasons, body = row
    label = body[raw.LABEL]
    packed: bytes = _pack(
        {
            "code": name(code),
            "channel": channel,
            "t": t + base,
            "class": chr(int(label)) if 0 < label < 0x110000 else None,
            "interval_s": _number(body[raw.INTERVAL_S]),
            "amplitude": _number(body[raw.AMPLITUDE]),
            "width_s": _number(body[raw.WIDTH_S]),
            "onset": _number(body[raw.ONSET] + base),
            "end": _number(body[raw.END] + base),
            "completeness": _number(body[raw.COMPLETENESS]),
            "quality": _number(quality),
            "reasons": catalogue.reasons(reasons),
            "t_arrival_ns": arrival_ns,
        }
    )
    return packed


def alarm(row: Row, base: int, arrival_ns: int) -> bytes:
    """Spell what is said of an alarm."""
    _, _, code, channel, t, _, quality, reasons, body = row
    packed: bytes = _pack(
        {
            "code": name(code),
            "channel": channel,
            "t": t + base,
            "t_end": _number(body[raw.T_END] + base),
            "state": STATES[int(body[raw.STATE])],
            "priority": _ranks[int(body[raw.PRIORITY])],
            "latching": bool(body[raw.LATCHING]),
            "measured": _number(body[raw.MEASURED]),
            "limit": _number(body[raw.LIMIT]),
            "evidence": [_number(body[raw.EVIDENCE_FROM] + base), _number(body[raw.EVIDENCE_TO] + base)],
            "quality": _number(quality),
            "reasons": catalogue.reasons(reasons),
            "t_arrival_ns": arrival_ns,
        }
    )
    return packed


def storage(state: int, refused: str, t_ns: int) -> bytes:
    """Spell the engine's own alarm: samples are taken and analysed, and not stored.

    refused : why
    """
    return plain(
        {
            "code": name(codes.STORAGE_FAILED),
            "channel": -1,
            "t": 0.0,
            "t_end": None,
            "state": STATES[state],
            "priority": "medium",
            "latching": False,
            "measured": None,
            "limit": None,
            "evidence": [None, None],
            "quality": None,
            "reasons": (),
            "message": refused,
            "t_arrival_ns": t_ns,
        }
    )


def delineation(rows: list[Row], base: int, fs_hz: float, arrival_ns: int) -> bytes:
    """Spell the waves of a heart beat in each of its leads, and the intervals between them; what is absent is nil."""
    beat = rows[0]
    packed: bytes = _pack(
        {
            "code": name(beat[2]),
            "t": beat[4] + base,
            "class": chr(int(beat[8][raw.CLASS])),
            "rr_s": _number(beat[8][raw.RR_S]),
            "leads": [
                {
                    "channel": row[3],
                    **{place: _number(row[8][at] + base) for place, at in _WAVES.items()},
                    **_intervals(row[8], fs_hz),
                    "st_60": _number(row[8][raw.ST_60]),
                    "st_80": _number(row[8][raw.ST_80]),
                    "quality": _number(row[6]),
                    "reasons": catalogue.reasons(row[7]),
                }
                for row in rows
            ],
            "t_arrival_ns": arrival_ns,
        }
    )
    return packed


def event(row: Row, base: int, arrival_ns: int) -> bytes:
    """Spell an event; an end that is not known yet is nil."""
    _, _, code, channel, t, _, quality, reasons, body = row
    packed: bytes = _pack(
        {
            "code": name(code),
            "channel": channel,
            "t": t + base,
            "t_end": _number(body[raw.T_END] + base),
            "evidence": [_number(body[raw.EVIDENCE_FROM] + base), _number(body[raw.EVIDENCE_TO] + base)],
            "quality": _number(quality),
            "reasons": catalogue.reasons(reasons),
            "t_arrival_ns": arrival_ns,
        }
    )
    return packed


def _intervals(body: list[float], fs_hz: float) -> dict[str, float | None]:
    low, high = RR_RANGE_S
    rr_s = body[raw.RR_S] if low <= body[raw.RR_S] <= high else math.nan
    measured = measured_s(body[raw.P_ON], body[raw.QRS_ON], body[raw.QRS_OFF], body[raw.T_OFF], rr_s, fs_hz)
    return {name: _number(value) for name, value in measured.items()}


def features(rows: list[Row], base: int, arrival_ns: int) -> bytes:
    """Spell all features known with one sample, each with its own time; a value that the signal can't carry is nil."""
    packed: bytes = _pack(
        {
            "t": rows[0][4] + base,
            "features": [
                {
                    "code": name(row[2]),
                    "channel": row[3],
                    "t": row[4] + base,
                    "value": _number(row[8][raw.VALUE]),
                    "window_s": _number(row[8][raw.WINDOW_S]),
                    "quality": _number(row[6]),
                    "reasons": catalogue.reasons(row[7]),
                }
                for row in rows
            ],
            "t_arrival_ns": arrival_ns,
        }
    )
    return packed


def gap(start: int, resume: int | None, cause: str, arrival_ns: int) -> bytes:
    """Spell a gap: samples start to resume - 1 are lost; resume is nil at the end of a stream.

    cause : declared, undeclared, discontinuity or end
    """
    return plain({"from": start, "to": resume, "cause": cause, "t_arrival_ns": arrival_ns})


def clock_step(index: int, step_ns: int, arrival_ns: int) -> bytes:
    """Spell the event of a stepped clock."""
    fields: dict[str, Any] = {"code": "clock_step", "channel": -1, "t": index, "t_end": index, "step_ns": step_ns}
    return plain(fields | {"quality": None, "reasons": (), "t_arrival_ns": arrival_ns})


def plain(fields: dict[str, Any]) -> bytes:
    """Spell any payload map."""
    packed: bytes = _pack(fields)
    return packed
