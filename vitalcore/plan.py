"""What to compute: `source | operator | operator`, and plans of several outputs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray

from vitalcore.errors import ParameterError
from vitalcore.operator import Design, Operator, Signal
from vitalcore.session import Session, Step

MAX_FS_HZ = 100_000


@dataclass(frozen=True, eq=False)
class Node:
    """A place in a plan from which something flows.

    signal    : what flows here
    latency_s : from the source to here
    step      : what computes it; None for the source itself
    port      : 0 what the operator says, 1 the wave of a chain
    """

    signal: Signal
    latency_s: float = 0.0
    step: Step | None = None
    port: int = 0

    def __or__(self, operator: Operator) -> "Node":
        """Pass what flows here through an operator, which designs itself for it now.

        Errors: ParameterError
        """
        design = operator.design(self.signal)
        root = self.step.root if self.step else self.signal
        step = Step(operator, design, root, self.step, self.port)
        return Node(design.output, self.latency_s + design.latency_s, step)

    @property
    def wave(self) -> "Node":
        """The cleaned wave that a chain gives beside its findings, without delay.

        Errors: ParameterError where there is none.
        """
        design: Design | None = self.step.design if self.step else None
        if design is None or design.wave is None:
            raise ParameterError(f"{self.signal.name} has no wave here: only chains such as Ecg() have one")
        return replace(self, signal=design.wave, port=1)


def source(name: str, fs_hz: float | Fraction | None, channels: int | tuple[str, ...] = 1, unit: str = "") -> Node:
    """Declare a signal that will be pushed under this name.

    fs_hz    : Hz, above 0 to 100,000, a fraction where it is no whole number; None for a variable rate
    channels : how many columns, or their labels
    unit     : UCUM unit of the samples

    Errors: ParameterError
    """
    rate = None if fs_hz is None else Fraction(fs_hz).limit_denominator(1_000_000)
    if rate is not None and not 0 < rate <= MAX_FS_HZ:
        raise ParameterError(f"fs_hz is {fs_hz} Hz; it must lie above 0 and not above {MAX_FS_HZ} Hz")
    labels = tuple(str(k) for k in range(channels)) if isinstance(channels, int) else channels
    if not labels:
        raise ParameterError(f"{name} has no channels; there must be at least 1")
    return Node(Signal(name, rate, labels, unit))


class Plan:
    """Name the outputs that a session computes.

    Steps that outputs share run once.
    """

    def __init__(self, **outputs: Node) -> None:
        if not outputs:
            raise ParameterError("a plan needs at least one output, such as Plan(beats=ecg | RPeaks())")
        self.outputs = outputs
        self.sources: dict[str, Signal] = {}
        self.steps: list[Step] = []
        for node in outputs.values():
            for step in _upstream(node.step):
                if step not in self.steps:
                    self.steps.append(step)
        for node in outputs.values():
            root = node.step.root if node.step else node.signal
            if self.sources.setdefault(root.name, root) != root:
                raise ParameterError(f"two different sources are called {root.name}; each needs a name of its own")

    def latency_s(self, output: str) -> float:
        """Tell how long after time t the last word about t is said on an output, in s of signal.

        Errors: ParameterError for an unknown output.
        """
        if output not in self.outputs:
            raise ParameterError(f"no output is called {output}; there are {', '.join(self.outputs)}")
        return self.outputs[output].latency_s

    def open(self) -> Session:
        """Open a session: one subject's memory, fresh."""
        ports = {name: (node.step, node.port, node.signal) for name, node in self.outputs.items()}
        return Session(self.sources, self.steps, ports, max(node.latency_s for node in self.outputs.values()))

    def run(self, **signals: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Analyse whole recordings: one push, and what was still undecided at the end.

        Errors: InputError
        """
        with self.open() as session:
            return session.run(**signals)


def _upstream(step: Step | None) -> Iterator[Step]:
    if step is not None:
        yield from _upstream(step.upstream)
        yield step
