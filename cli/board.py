"""What a watcher sees: a lane a stream, with its strip, beats, rhythm, numbers, quality and alarms."""

import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from vitalcore.cli import standing
from vitalcore.cli.standing import STYLES, Standing
from vitalcore.cli.strip import marks, strip

if TYPE_CHECKING:
    from vitalcore.streams.protocol.live import Message

WINDOW_NS = 6_000_000_000
HEIGHT = 5
SIDES = {0: "left", 1: "right"}
NAMES = {"heart_beat": "beats", "pulse": "pulses", "blink": "blinks"}
SIDED = ("blink", "blink_rate", "eye_aspect_ratio")
# what a lane says of itself, in this order, if the engine says it
SHOWN = {
    "heart_rate": ("heart rate", "/min", 0),
    "heart_rate_instant": ("beat to beat", "/min", 0),
    "pulse_rate": ("pulse rate", "/min", 0),
    "pulse_rate_instant": ("beat to beat", "/min", 0),
    "perfusion_index": ("perfusion", "%", 2),
    "blink_rate": ("blink rate", "/min", 0),
    "mouth_symmetry": ("mouth symmetry", "", 2),
    "lid_symmetry": ("lid symmetry", "", 2),
    "brow_symmetry": ("brow symmetry", "", 2),
    "signal_quality": ("quality", "", 2),
}


@dataclass
class Lane:
    """Remember what was last said of a stream."""

    key: str
    t_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    wave: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    labels: tuple[str, ...] = ()
    beats: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=200))  # time, channel
    counts: dict[tuple[str, int], int] = field(default_factory=dict)
    features: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    said: dict[tuple[str, int], list[float]] = field(default_factory=dict)  # all values of each feature
    standing: Standing = field(default_factory=Standing)
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=3))

    def take_wave(self, header_ns: int, payload: dict[str, Any], samples: NDArray[np.float32]) -> None:
        """Add samples to the strip and drop what has moved out of it."""
        if payload.get("t_ns") is not None:
            t_ns = np.asarray(payload["t_ns"], np.int64)
        else:
            num, den = payload["rate"]
            t_ns = header_ns + np.arange(len(samples)) * 1_000_000_000 * den // num
        self.labels = tuple(payload["channels"])
        if self.wave.shape[1] != samples.shape[1]:
            self.t_ns, self.wave = t_ns, samples
        else:
            self.t_ns, self.wave = np.concatenate([self.t_ns, t_ns]), np.concatenate([self.wave, samples])
        if len(self.t_ns):
            keep = self.t_ns > self.t_ns[-1] - WINDOW_NS
            self.t_ns, self.wave = self.t_ns[keep], self.wave[keep]

    def numbers(self) -> Iterator[tuple[str, str]]:
        """Spell the numbers: what, and its value or why there is none."""
        if self.standing.rhythm:
            yield "rhythm", self.standing.rhythm
        yield from self.counted()
        for code, (words, unit, digits) in SHOWN.items():
            of_code = [(channel, f) for (c, channel), f in sorted(self.features.items()) if c == code]
            for channel, feature in of_code:
                yield words + self._place(code, channel), spell(feature, unit, digits)

    def counted(self) -> Iterator[tuple[str, str]]:
        """Spell how many beats, pulses or blinks there were."""
        for (code, channel), count in sorted(self.counts.items()):
            yield NAMES.get(code, code) + self._place(code, channel), str(count)

    def summary(self) -> Iterator[str]:
        """Spell what was counted, and the median of each number."""
        for what, count in self.counted():
            yield f"{count} {what}"
        for code, (words, unit, digits) in SHOWN.items():
            for (c, channel), values in sorted(self.said.items()):
                if c == code and code != "heart_rate_instant" and code != "pulse_rate_instant":
                    value = f"{np.median(values):.{digits}f} {unit}".rstrip()
                    yield f"{words}{self._place(code, channel)} {value}"

    def _place(self, code: str, channel: int) -> str:
        several = len({c for what, c in (*self.features, *self.counts) if what == code}) > 1
        if not several or channel < 0:
            return ""
        return f" {SIDES[channel]}" if code in SIDED else f" {self.labels[channel] if self.labels else channel + 1}"

    def strip(self, width: int) -> list[str]:
        """Draw the strip with marks under its beats."""
        column = 0
        end = int(self.t_ns[-1]) if len(self.t_ns) else 0
        values = self.wave[:, column].astype(np.float64) if self.wave.size else np.empty(0)
        span = int(self.t_ns[-1] - self.t_ns[0]) if len(self.t_ns) > 1 else 0
        cells = max(1, round(width * min(1.0, span / WINDOW_NS))) if span else width
        rows = [line.rjust(width) for line in strip(values, cells, HEIGHT)]
        return [*rows, marks([t for t, _ in self.beats], end - WINDOW_NS, end, width)]


def spell(feature: dict[str, Any], unit: str, digits: int) -> str:
    """Spell a feature: its value, or why there is none."""
    value, reasons = feature.get("value"), ", ".join(feature.get("reasons") or ()).replace("_", " ")
    if value is None or math.isnan(value):
        return f"-- ({reasons})" if reasons else "--"
    text = f"{value:.{digits}f} {unit}".rstrip()
    return f"{text} ({reasons})" if reasons and feature.get("code") == "signal_quality" else text


class Board:
    """Collect what an engine says and draw it."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.lanes: dict[str, Lane] = {}
        self.latencies_ms: deque[float] = deque(maxlen=100_000)  # arrival at the engine to publication
        self.messages = 0
        self._began = time.monotonic()

    def take(self, message: "Message") -> None:
        """Add a message."""
        self.messages += 1
        lane = self.lanes.setdefault(message.key, Lane(message.key))
        payload, header = message.payload, message.header
        if message.what != "wave" and not message.replayed and payload.get("t_arrival_ns"):
            self.latencies_ms.append((header.t_pub_ns - payload["t_arrival_ns"]) / 1e6)
        if lane.standing.take(message):
            return
        if message.what == "wave" and message.samples is not None:
            lane.take_wave(header.t_event_ns, payload, message.samples)
        elif message.what == "beat":
            place = payload["code"], payload["channel"] if payload["code"] == "blink" else -1
            lane.counts[place] = lane.counts.get(place, 0) + 1
            lane.beats.append((header.t_event_ns, payload["channel"]))
        elif message.what == "feature":
            for feature in payload["features"]:
                place = feature["code"], feature["channel"]
                lane.features[place] = feature
                if feature["value"] is not None:
                    lane.said.setdefault(place, []).append(feature["value"])
        elif message.what == "event":
            reasons = ", ".join(payload.get("reasons") or ()).replace("_", " ")
            ended = "" if payload.get("t_end") is None else " is over"
            words = payload["code"].replace("_", " ")
            lane.notes.append(f"{words}{ended}{': ' + reasons if reasons and not ended else ''}")
        elif message.what == "gap" and payload.get("cause") == "quarantined":
            lane.notes.append("closed for a while: its input kept failing")
        elif message.what == "gap" and payload.get("cause") != "end":
            lane.notes.append(f"gap ({payload.get('cause')}): samples {payload.get('from')} to {payload.get('to')}")

    def latency(self) -> str:
        """Spell the engine's latency."""
        if not self.latencies_ms:
            return "no messages yet"
        p50, p99 = np.percentile(np.array(self.latencies_ms), [50, 99])
        return f"engine latency p50 {p50:.2f} ms, p99 {p99:.2f} ms"

    def line(self) -> str:
        """Say everything in one line, for where there is no terminal."""
        lanes = []
        for key, lane in sorted(self.lanes.items()):
            said = ", ".join(f"{what} {value}" for what, value in lane.numbers())
            notes = [standing.spell(alarm) for alarm in lane.standing.alarms] + list(lane.notes)[-1:]
            lanes.append(f"{key.split('/')[-1]}: {'; '.join([said or 'nothing yet', *notes])}")
        return f"{time.monotonic() - self._began:5.1f} s | " + " | ".join([*lanes, self.latency()])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draw a panel a lane."""
        width = options.max_width - 4
        for key, lane in sorted(self.lanes.items()):
            rows: list[RenderableType] = []
            if lane.wave.size:
                *picture, below = lane.strip(width)
                rows = [
                    Text("\n".join(picture), style="bright_green", no_wrap=True),
                    Text(below, style="bright_red", no_wrap=True),
                ]
            said = Text()
            for what, value in lane.numbers():
                said.append(f"{what} ", style="dim").append(value, style="bold").append("   ")
            rows.append(said)
            for alarm in lane.standing.alarms:
                known = alarm.payload["state"] == "acknowledged"
                style = "dim" if known else STYLES[alarm.payload["priority"]]
                rows.append(Text(f" {standing.spell(alarm)} ", style=style))
            rows += [Text(lane.notes[-1], style="bright_yellow")] if lane.notes else []
            label = f" ({lane.labels[0]})" if lane.labels and lane.labels[0] else ""
            yield Panel(Group(*rows), title=f"{key}{label}", title_align="left", border_style="cyan")
        foot = f"{self.title}   {time.monotonic() - self._began:.0f} s   {self.latency()}   not a medical device"
        yield Text(foot, style="dim")
