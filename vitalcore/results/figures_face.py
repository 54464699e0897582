"""Pictures of a face: its eyes and its movement."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitalcore.analyze import Result
from vitalcore.kernels.core import codes, finding
from vitalcore.results.drawing import BLUE, GREEN, ORANGE, PURPLE, RED, at_least, picture, svg_of, thin, time_unit

SIDES = ((finding.LEFT, "left", BLUE), (finding.RIGHT, "right", ORANGE))


def eyes(result: Result, start_s: float, stop_s: float) -> str:
    """Draw the eye aspect ratio of both eyes between two times, with the blinks."""
    with picture(2.2, top=0.25) as figure:
        axes = figure.add_subplot()
        t, ear = ear_of(result)
        kept = (t >= start_s) & (t <= stop_s)
        beats = result.beats
        apex = result.track.seconds(beats["t"])
        for side, name, colour in SIDES[: ear.shape[1]]:
            at, y = thin(t[kept], ear[kept, side])
            label = name if ear.shape[1] == 2 else "eye"
            axes.plot(at, y, color=colour, lw=0.9, label=label)
            mine = (beats["channel"] == side) | ((beats["channel"] == -1) & (ear.shape[1] == 1))
            for letter, face in (("C", colour), ("P", "white")):
                here = mine & (apex >= start_s) & (apex <= stop_s) & (beats["label"] == ord(letter))
                if here.any():
                    level = ear[result.track.index(beats["t"][here]), side]
                    axes.plot(apex[here], level, "v", mfc=face, mec=colour, ms=5, lw=0)
        axes.set_xlim(start_s, stop_s)
        at_least(axes, 0.2)
        axes.set_ylabel("eye aspect ratio")
        axes.set_xlabel("s since the recording began")
        axes.grid(axis="y")
        axes.legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.2))
        return svg_of(figure)


def motion(result: Result) -> str:
    """Draw how far brow, lid and mouth corner moved on each side, and how symmetric that was."""
    rows = (
        ("brow", codes.BROW_EXCURSION, codes.BROW_SYMMETRY),
        ("lid", codes.LID_EXCURSION, codes.LID_SYMMETRY),
        ("mouth corner", codes.MOUTH_EXCURSION, codes.MOUTH_SYMMETRY),
    )
    seconds, (scale, unit) = result.track.seconds, time_unit(result.track.duration_s)
    with picture(4.6, top=0.25) as figure:
        every = figure.subplots(4, 1, sharex=True, height_ratios=(1, 1, 1, 1.1))
        marker: dict[str, Any] = {"marker": ".", "ms": 3} if result.track.duration_s < 120 else {}
        for axes, (name, excursion, _) in zip(every, rows, strict=False):
            for side, label, colour in SIDES:
                found = result.feature(excursion, side)
                t, y = thin(seconds(found["t"]), found["value"])
                axes.plot(t * scale, y, color=colour, lw=1, label=label, **marker)
            low, high = axes.get_ylim()
            axes.set_ylim(min(low, 0.0), max(high, 0.05))
            axes.set_ylabel(name)
            axes.grid(axis="y")
            axes.locator_params(axis="y", nbins=3)
        every[0].legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.4))
        for (name, _, symmetry), colour in zip(rows, (GREEN, PURPLE, RED), strict=True):
            found = result.feature(symmetry)
            t, y = thin(seconds(found["t"]), found["value"])
            every[3].plot(t * scale, y, color=colour, lw=1, label=name, marker=".", ms=4)
        every[3].set_ylim(-0.05, 1.05)
        every[3].set_ylabel("symmetry")
        every[3].grid(axis="y")
        every[3].legend(loc="lower right", ncols=3)
        every[3].set_xlim(0, max(result.track.duration_s * scale, 1e-9))
        every[3].set_xlabel(unit)
        return svg_of(figure)


def moved(result: Result) -> bool:
    """Tell whether any movement was measured."""
    every = (codes.BROW_EXCURSION, codes.LID_EXCURSION, codes.MOUTH_EXCURSION)
    return any(bool(np.isfinite(result.feature(code)["value"]).any()) for code in every)


def ear_of(result: Result) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the times in s of the frames and the eye aspect ratio, [n, 1 or 2]: left, right."""
    track = result.track
    assert track.times_ns is not None
    t = track.seconds(track.times_ns.astype(np.float64))
    return t, track.values if result.wave is None else result.wave[: track.n_samples, :2]
