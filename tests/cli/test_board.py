"""What a watcher sees."""

from typing import Any

import numpy as np
from rich.console import Console

from vitalcore.cli.board import Board, spell
from vitalcore.streams.protocol.live import Message
from vitalcore.streams.protocol.wire import LiveHeader

SECOND = 1_000_000_000


def said(what: str, payload: dict[str, Any], t_ns: int = 0, samples: Any = None, signal: str = "ecg") -> Message:
    header = LiveHeader(what, 0, 0, t_ns, t_ns, t_ns + 3_000_000)
    return Message(f"a/b/c/{signal}/{what}/", f"a/b/c/{signal}", what, header, payload, samples)


def beat(t_ns: int, code: str = "heart_beat", channel: int = 0) -> Message:
    return said("beat", {"code": code, "channel": channel, "t_arrival_ns": t_ns + 1_000_000}, t_ns)


def feature(code: str, value: float | None, reasons: tuple[str, ...] = (), channel: int = -1) -> dict[str, Any]:
    return {"code": code, "value": value, "reasons": reasons, "channel": channel}


def wave(t_ns: int, x: np.ndarray) -> Message:
    samples = x.astype(np.float32)[:, None]
    return said("wave", {"channels": ["II"], "unit": "mV", "rate": [100, 1]}, t_ns, samples)


def picture(board: Board) -> str:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115  # nobody reads it
    console.print(board)
    return console.export_text()


def test_beats_are_counted_and_marked_under_the_strip() -> None:
    board = Board("test")
    board.take(wave(0, np.sin(np.arange(600) / 10)))
    for k in range(3):
        board.take(beat((k + 1) * SECOND))
    seen = picture(board)
    assert "a/b/c/ecg (II)" in seen
    assert "beats 3" in seen
    assert seen.count("▲") == 3


def test_a_number_that_is_not_there_is_dashes_and_its_reason() -> None:
    assert spell(feature("heart_rate", None, ("lead_off",)), "/min", 0) == "-- (lead off)"
    assert spell(feature("heart_rate", 71.6), "/min", 0) == "72 /min"
    assert spell(feature("signal_quality", 0.5, ("noise", "baseline_wander")), "", 2) == "0.50 (noise, baseline wander)"


def test_blinks_are_told_apart_by_side() -> None:
    board = Board("test")
    for channel in (0, 1, 1):
        board.take(beat(0, "blink", channel))
    assert "blinks left 1" in board.line()
    assert "blinks right 2" in board.line()


def test_latency_is_from_arrival_to_publication() -> None:
    board = Board("test")
    assert board.latency() == "no messages yet"
    board.take(beat(SECOND))
    assert board.latency() == "engine latency p50 2.00 ms, p99 2.00 ms"


def test_an_old_wave_moves_out_of_the_strip() -> None:
    board = Board("test")
    for k in range(20):
        board.take(wave(k * SECOND, np.ones(100)))
    assert len(board.lanes["a/b/c/ecg"].t_ns) == 600


def test_events_and_gaps_are_told_in_words() -> None:
    board = Board("test")
    board.take(said("event", {"code": "no_usable_signal", "reasons": ["lead_off"], "t_end": None, "channel": -1}))
    assert "no usable signal: lead off" in board.line()
    board.take(said("event", {"code": "no_usable_signal", "reasons": ["lead_off"], "t_end": 5.0, "channel": -1}))
    assert "no usable signal is over" in board.line()
    board.take(said("gap", {"from": 10, "to": 20, "cause": "declared"}))
    assert "gap (declared): samples 10 to 20" in board.line()


def test_the_summary_has_counts_and_medians() -> None:
    board = Board("test")
    board.take(beat(0))
    for value in (70.0, 72.0, 99.0, None):
        board.take(said("feature", {"features": [feature("heart_rate", value)]}))
    assert list(board.lanes["a/b/c/ecg"].summary()) == ["1 beats", "heart rate 72 /min"]


def event(code: str, t: float, t_end: float | None = None) -> Message:
    return said("event", {"code": code, "t": t, "t_end": t_end, "reasons": ()})


def test_the_rhythm_that_began_last_is_shown_while_it_lasts() -> None:
    board = Board("test")
    board.take(event("sinus_rhythm", 100.0))
    assert "rhythm sinus rhythm" in picture(board)
    board.take(event("atrial_fibrillation", 900.0))
    assert "rhythm atrial fibrillation" in picture(board)
    board.take(event("atrial_fibrillation", 900.0, 1500.0))
    assert "rhythm sinus rhythm" in board.line()


def test_alarms_stand_in_the_order_of_their_urgency_until_they_end() -> None:
    board = Board("test")
    fast = {"code": "heart_rate_high", "priority": "medium", "state": "raised", "measured": 131.2, "limit": 120.0}
    arrest = {"code": "asystole", "priority": "high", "state": "raised", "measured": None, "limit": 4.0}
    board.take(said("alarm", fast))
    board.take(said("alarm", arrest))
    seen = picture(board)
    assert seen.index("*** asystole, since") < seen.index("** heart rate above its limit, 131 (limit 120), since")
    board.take(said("alarm", arrest | {"state": "acknowledged", "t_end": 30.0}))
    assert "over, acknowledged" in board.line()
    board.take(said("alarm", arrest | {"state": "ended"}))
    assert "asystole" not in picture(board)
    board.take(said("gap", {"cause": "end"}))
    assert "heart rate above" not in picture(board)


def test_a_stream_that_is_quarantined_says_so_and_has_no_alarm_that_stands() -> None:
    board = Board("test")
    board.take(
        said("alarm", {"code": "asystole", "priority": "high", "state": "raised", "measured": None, "limit": 4.0})
    )
    board.take(said("gap", {"cause": "quarantined", "from": 7, "to": None}))
    assert "asystole" not in board.line()
    assert "closed for a while: its input kept failing" in board.line()
