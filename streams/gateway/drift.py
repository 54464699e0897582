"""What round trips say of two clocks: how far they are apart, and how fast they part."""

import numpy as np

ROUND_TRIPS = 8  # the quickest of so many is believed
POINTS = 256  # kept at most; beyond, every second one goes
STEP_NS = 500_000_000  # a clock that jumps further has been set: what was learnt of its rate before is over


class Drift:
    """Follow the offset of an engine's clock from ours.

    offset_ns : engine's clock minus ours, from the quickest of the last eight round trips; None before the first
    steps     : how often either clock was set
    """

    def __init__(self) -> None:
        self.offset_ns: int | None = None
        self.steps = 0
        self._trips: list[tuple[int, int, int]] = []  # round trip, offset, our time
        self._points: list[tuple[int, int]] = []  # our time, offset
        self._stride = self._skipped = 1

    @property
    def n_trips(self) -> int:
        """Count the round trips in hand, up to eight."""
        return len(self._trips)

    def add(self, t1: int, t2: int, t3: int, t4: int) -> None:
        """Take a round trip: sent (our clock), arrived, answered (engine's clock), heard (our clock), ns.

        Source: RFC 5905, section 8.
        """
        trip, offset = t4 - t1 - (t3 - t2), (t2 - t1 + t3 - t4) // 2
        # two clocks that part by up to 1000 ppm have not been set
        apart_ns = abs(t1 - self._trips[-1][2]) // 1000 if self._trips else 0
        if self.offset_ns is not None and abs(offset - self.offset_ns) > STEP_NS + abs(trip) + apart_ns:
            self.steps += 1
            self._trips, self._points, self._stride = [], [], 1
        self._trips = [*self._trips, (trip, offset, t1)][-ROUND_TRIPS:]
        _, self.offset_ns, at_ns = min(self._trips)
        if self._points and at_ns <= self._points[-1][0]:
            return  # the same round trip is still the quickest
        if self._skipped < self._stride:
            self._skipped += 1
            return
        self._skipped = 1
        self._points.append((at_ns, self.offset_ns))
        if len(self._points) > POINTS:
            self._points, self._stride = self._points[::2], 2 * self._stride

    @property
    def ppm(self) -> float | None:
        """How much faster the engine's clock runs than ours, in millionths: the median of the slopes between all pairs.

        None before the points span ten minutes: below that jitter is all there is to see.

        Source: Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968.
        """
        if not self._points or self._points[-1][0] - self._points[0][0] < 600_000_000_000:
            return None
        t, offset = (np.array(self._points) - self._points[0]).T
        i, j = np.triu_indices(len(t), 1)
        return float(np.median((offset[j] - offset[i]) / (t[j] - t[i])) * 1e6)
