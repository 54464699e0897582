"""What stands of a stream."""

from dataclasses import replace

from tests.cli.test_board import event, said
from vitalcore.cli.standing import Standing
from vitalcore.streams.protocol import wire


def test_an_older_message_of_a_snapshot_brings_no_alarm_back() -> None:
    standing = Standing()
    alarm = {"code": "pause", "priority": "medium", "measured": None, "limit": 3.0}
    ended = said("alarm", alarm | {"state": "ended"})
    standing.take(replace(ended, header=replace(ended.header, topic_seq=9)))
    raised = said("alarm", alarm | {"state": "raised"})
    standing.take(replace(raised, header=replace(raised.header, topic_seq=7, flags=wire.REPLAYED)))
    assert not standing.alarms
    standing.take(raised)  # an engine that began anew counts from below
    assert len(standing.alarms) == 1


def test_events_that_are_no_rhythm_are_left_to_others() -> None:
    standing = Standing()
    assert not standing.take(event("no_usable_signal", 3.0))
    assert standing.rhythm == ""
    assert standing.take(event("asystole", 3.0))
    assert standing.rhythm == "asystole"
