"""Alarms and rhythms as people read them: what stands now of each stream."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vitalcore import catalogue

if TYPE_CHECKING:
    from vitalcore.streams.protocol.live import Message

MARKS = {"high": "***", "medium": "**", "low": "*"}
STYLES = {"high": "bold white on red", "medium": "black on yellow", "low": "black on cyan"}
RHYTHMS = (
    "sinus_rhythm",
    "sinus_bradycardia",
    "sinus_tachycardia",
    "atrial_fibrillation",
    "bigeminy",
    "trigeminy",
    "paced_rhythm",
    "ventricular_rhythm",
    "ventricular_tachycardia",
    "ventricular_fibrillation",
    "asystole",
)


@dataclass
class Standing:
    """Remember the rhythm and the alarms of a stream, whatever order a snapshot and live messages come in."""

    rhythms: dict[str, float] = field(default_factory=dict)  # that last now, with the position at which each began
    said: dict[str, "Message"] = field(default_factory=dict)  # last message about each alarm

    def take(self, message: "Message") -> bool:
        """Take a message; tell whether it was about the rhythm or an alarm."""
        payload = message.payload
        if message.what == "gap" and payload.get("cause") in ("end", "quarantined"):
            self.rhythms.clear()
            self.said.clear()
        if message.what == "alarm":
            known = self.said.get(payload["code"])
            if known is None or known.header.topic_seq <= message.header.topic_seq or not message.replayed:
                self.said[payload["code"]] = message
            return True
        if message.what != "event" or payload["code"] not in RHYTHMS:
            return False
        if payload.get("t_end") is None:
            self.rhythms[payload["code"]] = payload["t"]
        elif self.rhythms.get(payload["code"]) == payload["t"]:
            del self.rhythms[payload["code"]]
        return True

    @property
    def rhythm(self) -> str:
        """Name the rhythm: of several that last, the one that began last."""
        return words(max(self.rhythms, key=lambda code: self.rhythms[code])) if self.rhythms else ""

    @property
    def alarms(self) -> list["Message"]:
        """List the alarms that stand, the most urgent first."""
        standing = [message for message in self.said.values() if message.payload["state"] != "ended"]
        return sorted(standing, key=lambda m: (-len(MARKS[m.payload["priority"]]), m.header.t_event_ns))


def words(code: str) -> str:
    """Return the text of a code."""
    known = catalogue.by_name().get(code)
    return known.en if known else code.replace("_", " ")


def spell(message: "Message") -> str:
    """Spell an alarm: how urgent, what, since when, and where it stands."""
    payload: dict[str, Any] = message.payload
    since = datetime.fromtimestamp(message.header.t_event_ns / 1e9).strftime("%H:%M:%S")
    parts = [f"{MARKS[payload['priority']]} {words(payload['code'])}"]
    if payload.get("measured") is not None and payload.get("limit") is not None:
        parts.append(f"{payload['measured']:.0f} (limit {payload['limit']:g})")
    parts.append(f"since {since}")
    if payload.get("t_end") is not None:
        parts.append("over")
    if payload["state"] == "acknowledged":
        parts.append("acknowledged")
    return ", ".join(parts)
