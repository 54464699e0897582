"""Payloads of live messages: the catalogue's names, and nil for what is not known."""

from typing import Any, cast

import msgpack
import numpy as np
import pytest

from vitalcore.kernels.core import codes, finding
from vitalcore.kernels.core.finding import ALARM, BEAT, EVENT, FEATURE, FINDING, WAVES
from vitalcore.streams.protocol import messages
from vitalcore.streams.protocol.messages import Row


def row(what: int, code: int, **body: float) -> Row:
    made = np.zeros(1, FINDING)
    made["what"], made["code"], made["channel"], made["t"], made["t_known"] = what, code, -1, 10.5, 12
    made["quality"], made["reasons"], made["body"] = 0.5, codes.NOISE | codes.MOTION, np.nan
    for place, value in body.items():
        made["body"][0, getattr(finding, place)] = value
    rows: list[Any] = made.tolist()
    return cast(Row, rows[0])


def test_a_beat_has_its_class_as_a_letter_and_nil_for_what_is_not_known() -> None:
    said = msgpack.unpackb(messages.beat(row(BEAT, codes.HEART_BEAT, LABEL=ord("V"), ONSET=3.0), 100, 5))
    assert (said["code"], said["class"], said["t"], said["onset"]) == ("heart_beat", "V", 110.5, 103.0)
    assert said["interval_s"] is said["end"] is said["amplitude"] is None
    assert (said["reasons"], said["t_arrival_ns"]) == (["noise", "motion"], 5)


def test_an_event_without_an_end_lasts() -> None:
    said = msgpack.unpackb(messages.event(row(EVENT, codes.NO_USABLE_SIGNAL, EVIDENCE_FROM=1, EVIDENCE_TO=9), 0, 5))
    assert (said["code"], said["t_end"], said["evidence"]) == ("no_usable_signal", None, [1.0, 9.0])


def test_a_value_that_the_signal_can_not_carry_is_nil() -> None:
    rows = [row(FEATURE, codes.HEART_RATE), row(FEATURE, codes.SIGNAL_QUALITY, VALUE=0.25)]
    said = msgpack.unpackb(messages.features(rows, 0, 5))["features"]
    assert [(one["code"], one["value"]) for one in said] == [("heart_rate", None), ("signal_quality", 0.25)]


def test_a_code_outside_the_catalogue_is_spelled_as_its_number() -> None:
    assert messages.name(999) == "999"


def test_an_alarm_says_its_state_priority_and_what_was_measured_against_which_limit() -> None:
    places = {
        "STATE": 4,
        "PRIORITY": 2,
        "LATCHING": 0,
        "MEASURED": 130,
        "LIMIT": 120,
        "EVIDENCE_FROM": 1,
        "EVIDENCE_TO": 9,
    }
    said = msgpack.unpackb(messages.alarm(row(ALARM, codes.HEART_RATE_HIGH, **places), 100, 5))
    assert (said["code"], said["state"], said["priority"], said["latching"]) == (
        "heart_rate_high",
        "asserted",
        "medium",
        False,
    )
    assert (said["measured"], said["limit"], said["t"], said["t_end"]) == (130, 120, 110.5, None)
    assert (said["evidence"], said["reasons"]) == ([101, 109], ["noise", "motion"])


def test_the_waves_of_a_beat_in_all_leads_are_one_message_with_their_intervals() -> None:
    first = row(WAVES, codes.HEART_BEAT, CLASS=ord("N"), RR_S=0.81, QRS_ON=10, QRS_OFF=30, P_ON=-30, T_OFF=100)
    second = row(WAVES, codes.HEART_BEAT, RR_S=9.0, QRS_ON=10, T_OFF=100)
    said = msgpack.unpackb(messages.delineation([first, second], 100, 250.0, 5))
    assert (said["class"], said["rr_s"], said["t"]) == ("N", 0.81, 110.5)
    one, other = said["leads"]
    assert (one["qrs_on"], one["p_on"], one["t_peak"]) == (110.0, 70.0, None)
    assert (one["pr_s"], one["qrs_s"], one["qt_s"]) == (0.16, 0.08, 0.36)
    assert one["qtc_bazett_s"] == pytest.approx(0.4)
    assert (other["qt_s"], other["pr_s"], other["qtc_bazett_s"]) == (0.36, None, None)
