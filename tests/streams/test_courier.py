"""How a gateway asks; what it hears is tested with the gateway."""

import numpy as np

from vitalcore.streams.courier import ASK_NS, _about


def test_a_thousand_gateways_do_not_ask_at_once() -> None:
    times = np.array([_about(ASK_NS) for _ in range(1000)])
    assert times.min() >= ASK_NS // 2
    assert times.max() <= ASK_NS * 3 // 2
    assert np.histogram(times, 10, (ASK_NS // 2, ASK_NS * 3 // 2))[0].max() < 200
