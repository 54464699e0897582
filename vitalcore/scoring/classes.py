"""Which class of beats each symbol of WFDB annotations stands for."""

from collections.abc import Mapping
from types import MappingProxyType

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
