"""Pulses in a photoplethysmogram: `Pulses`, the detector alone, and `Ppg`, the whole chain of the signal."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter

from vitalcore.errors import ParameterError
from vitalcore.kernels import ppg
from vitalcore.kernels.pulses import ppg_channel, pulse, pulse_rhythm
from vitalcore.operator import Design, Signal, regular_hz

LOWEST_HZ, HIGHEST_HZ = 25.0, 1000.0
LATENCY_S = 0.4
LOW_PASS_HZ = 8.0
NOISE_HZ = 12.0  # hardly anything of a pulse is above
NOISE_FROM_HZ = 50.0  # rate below which there is no room for noise above the pulses
DISPLAY_HZ = (0.5, 8.0)
LEVEL_S = 2.0  # time constant of the mean level


@dataclass(frozen=True)
class Pulses:
    """Find the pulses of a PPG of one channel: systolic peak, foot, amplitude, width, interval, quality.

    inverted : pulses point down, as in raw transmitted light; by default they point up. It is not guessed

    Any unit, level and scale; 25 to 1000 Hz; 15 to 350 pulses a minute (to 300 below 125 Hz). NaN is a missing sample:
    up to 0.1 s are held over; after more, detection begins anew, and no interval spans the gap.

    Latency: 0.4 s after the systolic peak.
    Errors: ParameterError
    """

    inverted: bool = False

    def design(self, signal: Signal) -> Design:
        """Design the detector for a signal."""
        fs_hz = regular_hz(self, signal, LOWEST_HZ, HIGHEST_HZ)
        if len(signal.channels) != 1:
            raise ParameterError(f"Pulses takes one channel; {signal.name} has {len(signal.channels)}: use Ppg")
        params = _pulse_params(fs_hz, self.inverted)
        state = np.zeros(1, pulse.STATE)
        state["start"] = -1
        memory = (state, np.zeros(2 * int(params["n_ring"])))
        output = replace(signal, what="findings")
        return Design(pulse.step, params, memory, output, LATENCY_S, capacity=lambda n: _most_pulses(n, fs_hz))


@dataclass(frozen=True)
class Ppg:
    """Follow a PPG of one or more wavelengths: pulses, rates, perfusion, quality, and the band-passed wave to show.

    inverted : pulses point down, as in raw transmitted light; by default they point up. It is not guessed
    channel  : label of the wavelength in which pulses are found; None: the first, or where it is missing or flat for
               2 s the first that is not

    Pulses as `Pulses` finds them. Once a second: PULSE_RATE (averaged as monitors do), PULSE_RATE_INSTANT,
    PERFUSION_INDEX of each wavelength in % (NaN and NO_DC where the signal comes without its true mean level) and
    SIGNAL_QUALITY with reasons. NO_USABLE_SIGNAL is said when it begins (after 3 s) and again, with its end, when it
    is over. The foot is where the tangent at the steepest rise meets the level of the minimum before it.

    Latency: pulses 0.4 s after the systolic peak; features are of the second that ends as they are said.
    Errors: ParameterError
    """

    inverted: bool = False
    channel: str | None = None

    def design(self, signal: Signal) -> Design:
        """Design the chain for a signal."""
        fs_hz = regular_hz(self, signal, LOWEST_HZ, HIGHEST_HZ)
        assert signal.fs_hz is not None  # regular_hz refuses a variable rate
        n_channels = len(signal.channels)
        params = np.zeros(1, ppg.PARAMS)
        params["pulse"] = _pulse_params(fs_hz, self.inverted)
        params["sos"] = butter(2, DISPLAY_HZ, "bandpass", fs=fs_hz, output="sos")
        params["channel"] = -1 if self.channel is None else _column(self.channel, signal)
        params["level_rate"] = 1.0 / (LEVEL_S * fs_hz)
        params["num"], params["den"] = signal.fs_hz.numerator, signal.fs_hz.denominator
        state = np.zeros(1, ppg.STATE)
        state["pulse"]["start"] = -1
        state["channel"] = _column(self.channel, signal)
        state["next_at"] = -(-signal.fs_hz.numerator // signal.fs_hz.denominator)
        state["last"] = state["value"] = np.nan
        state["high"] = state["high_before"] = state["most"] = -np.inf
        state["low"] = state["low_before"] = state["least"] = np.inf
        n_ring = int(params[0]["pulse"]["n_ring"])
        channels = np.zeros((n_channels, ppg_channel.N_HEAD + n_ring))
        channels[:, ppg_channel.BASE] = np.nan
        rows_a_second = 4 + n_channels
        return Design(
            ppg.step,
            params[0],
            (state, np.concatenate([np.zeros(2 * n_ring), channels.ravel()])),
            replace(signal, what="findings"),
            LATENCY_S,
            capacity=lambda n: _most_pulses(n, fs_hz) + rows_a_second * (int(n / fs_hz) + 1),
            wave=signal,
            many=ppg.step_many,
        )


def _column(channel: str | None, signal: Signal) -> int:
    if channel is None:
        return 0
    if channel not in signal.channels:
        raise ParameterError(f"channel is {channel!r}; {signal.name} has {', '.join(map(repr, signal.channels))}")
    return signal.channels.index(channel)


def _most_pulses(n: int, fs_hz: float) -> int:
    return int(n / (pulse_rhythm.SHORTEST_S * fs_hz)) + 2


def _pulse_params(fs_hz: float, inverted: bool) -> np.void:
    b, a = butter(2, LOW_PASS_HZ, fs=fs_hz)
    made = np.zeros(1, pulse.PARAMS)
    if fs_hz >= NOISE_FROM_HZ:
        d, c = butter(2, NOISE_HZ, "highpass", fs=fs_hz)
        made["h0"], made["g1"], made["g2"] = d[0], c[1], c[2]
        # a rise is a difference of two samples of the low-passed noise: three standard deviations of it
        made["noise_gain"] = 3.0 * np.sqrt(2.0 * _noise_power(b, a) / _noise_power(d, c))
    made["fs_hz"] = fs_hz
    made["sign"] = -1.0 if inverted else 1.0
    made["b0"], made["a1"], made["a2"] = b[0], a[1], a[2]
    k = np.arange(3)
    made["delay"] = (k * b).sum() / b.sum() - (k * a).sum() / a.sum()  # group delay at 0 Hz
    made["noise_rate"] = 4.0 / fs_hz  # forgets a storm quickly
    made["overdue"] = np.exp(-1.0 / (1.5 * fs_hz))
    made["n_ring"] = np.ceil(2.0 * fs_hz)
    made["n_lag"] = max(1, round(0.12 * fs_hz))
    made["n_hold"] = int(0.1 * fs_hz)
    made["n_plateau"] = int(0.15 * fs_hz)
    made["n_fit"] = max(1, round(0.03 * fs_hz))
    params: np.void = made[0]
    return params


def _noise_power(b: NDArray[Any], a: NDArray[Any]) -> float:
    """Give the power that a filter makes of white noise of unit power."""
    response = lfilter(b, a, np.eye(1, 8192)[0])
    return float((response**2).sum())
