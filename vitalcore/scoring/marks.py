"""What an annotator or a detector says about a recording, in the form in which both are compared: marks, classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vitalcore.scoring.spans import Span

Times = NDArray[np.float64]

CLASSES = "NSVFQ"
BEATS = "NLRBAaJSVrFejnE/fQ?"  # every symbol that marks a QRS complex

_V, _F, _Q = dict.fromkeys("VrE", "V"), {"F": "F"}, dict.fromkeys("/fQ?", "Q")

# name: what it is, in words, and the map
MAPS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        "ec57": (
            "N: N L R B; S: A a J S and the escape beats e j n; V: V r E; F: F; Q: / f Q ? (as the reference "
            "comparator of ANSI/AAMI EC57)",
            MappingProxyType(dict.fromkeys("NLRB", "N") | dict.fromkeys("JASajen", "S") | _V | _F | _Q),
        ),
        "research": (
            "N: N L R B and the escape beats e j n; S: A a J S; V: V r E; F: F; Q: / f Q ? (as in many papers)",
            MappingProxyType(dict.fromkeys("NLRBejn", "N") | dict.fromkeys("JASa", "S") | _V | _F | _Q),
        ),
    }
)


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
