"""A recording played to an engine as if its devices measured now."""

import math
import time
from bisect import bisect_right

from vitalcore.readers.recording import Recording, Track
from vitalcore.streams.gateway.gateway import Gateway
from vitalcore.streams.protocol.maps import Channel

CHUNK_S = 0.04
MAX_HELD = 2000  # records that wait for the engine; a file can wait too, so nothing is lost
PLAYED = ("ecg", "ppg", "face")


class Player:
    """Send the tracks of a recording at their own pace.

    place      : site/subject/device of the stream keys; the signal is the track's own name
    speed      : times real time; 0: as fast as the engine takes it
    duration_s : of the recording to play; None: all of it

    Samples travel as f64, so that what the engine says is what it says of the file, bit for bit. Nothing is sent before
    the first `play`, and nothing while the engine is away.

    Errors: ParameterError where a track can't be a stream.
    """

    def __init__(
        self, recording: Recording, gateway: Gateway, place: str, speed: float = 1.0, duration_s: float | None = None
    ) -> None:
        self._gateway, self._speed = gateway, speed
        tracks = [track for track in recording.tracks if track.kind in PLAYED]
        self.lanes = [Lane(track, gateway, f"{place}/{track.stream}", duration_s) for track in tracks]
        self._start_s = 0.0
        self._start_ns = 0

    @property
    def done(self) -> bool:
        """Tell whether everything has been handed to the gateway."""
        return all(lane.at == lane.n for lane in self.lanes)

    @property
    def played_s(self) -> float:
        """Tell how far into the recording the tracks are, all of them."""
        return min((lane.time_s(lane.at) for lane in self.lanes if lane.at < lane.n), default=self.duration_s)

    @property
    def duration_s(self) -> float:
        """Tell how much of the recording is played."""
        return max((lane.time_s(lane.n) for lane in self.lanes), default=0.0)

    def play(self) -> None:
        """Hand over what is due now; call it every few milliseconds, with the gateway's `poll`."""
        now_s = time.monotonic()
        if not self._start_ns:
            self._start_s, self._start_ns = now_s, time.time_ns()
        due_s = (now_s - self._start_s) * self._speed if self._speed else math.inf
        for lane in self.lanes:
            while self._gateway.counters["held"] < MAX_HELD and lane.send(due_s, self._start_ns):
                pass

    def end(self) -> None:
        """Tell the engine that the streams end here."""
        for lane in self.lanes:
            self._gateway.end(lane.stream)


class Lane:
    """Send one track, chunk by chunk."""

    def __init__(self, track: Track, gateway: Gateway, key: str, duration_s: float | None) -> None:
        self.key, self.track, self._gateway = key, track, gateway
        channels = [Channel(label[:64], track.unit[:32]) for label in track.channels]
        self.stream = gateway.open(key, track.kind, track.fs_hz, channels, "f64")
        self.n = track.n_samples
        if duration_s is not None:
            self.n = min(self.n, self._index(duration_s))
        self._chunk = max(1, round(CHUNK_S * float(track.fs_hz))) if track.fs_hz else 1
        self.at = 0
        self.sent_ns: list[tuple[int, int]] = []  # index behind each chunk, and when it was sent

    def time_s(self, index: int) -> float:
        """Tell when a sample is, in s since the recording began."""
        if self.track.fs_hz is not None:
            return float(index / self.track.fs_hz)
        assert self.track.times_ns is not None
        return float(self.track.times_ns[min(index, self.track.n_samples - 1)]) / 1e9

    def send(self, due_s: float, start_ns: int) -> bool:
        """Send the next chunk if its last sample is due; tell whether it was."""
        end = min(self.at + self._chunk, self.n)
        if end == self.at or self.time_s(end) > due_s:
            return False
        times = self.track.times_ns
        stamps = None if times is None else times[self.at : end] + start_ns
        t0_ns = start_ns + round(self.time_s(self.at) * 1e9)
        self._gateway.send(self.stream, self.track.values[self.at : end], t0_ns=t0_ns, times=stamps)
        self.at = end
        self.sent_ns.append((end, time.time_ns()))
        return True

    def when_sent_ns(self, index: int) -> int:
        """Tell when the chunk that holds a sample was sent; 0 if it was not."""
        k = bisect_right(self.sent_ns, index, key=lambda sent: sent[0])
        return self.sent_ns[k][1] if k < len(self.sent_ns) else 0

    def _index(self, t_s: float) -> int:
        if self.track.fs_hz is not None:
            return math.ceil(t_s * self.track.fs_hz)
        assert self.track.times_ns is not None
        return int(self.track.times_ns.searchsorted(t_s * 1e9))
