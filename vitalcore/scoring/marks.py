"""What an annotator or a detector says about a recording, in the form in which both are compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitalcore.scoring.spans import Span

Times = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Marks:
    """Hold beats and episodes of one recording; all times in s since it began.

    t_s       : beats, in order
    symbols   : of each beat, as in WFDB annotations (a class letter is one of them)
    t_known_s : when each beat was said; None where that is not known
    episodes  : by kind: AF, AFL (atrial flutter), VT, VF (ventricular flutter too); others by their code
    uncounted : beats here are not compared: between the marks [ and ] of ventricular fibrillation
    shutdown  : no signal that could be read
    rate      : times in s and heart rates in /min that were said; None: none were
    """

    name: str
    t_s: Times
    symbols: NDArray[np.str_]
    t_known_s: Times | None = None
    episodes: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    uncounted: tuple[Span, ...] = ()
    shutdown: tuple[Span, ...] = ()
    rate: tuple[Times, Times] | None = None
