"""Heart beats, rates and signal quality from an ECG of 1 to 12 leads."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter

from vitalcore.alarms import Limits, limits_of
from vitalcore.errors import ParameterError
from vitalcore.kernels import ecg
from vitalcore.kernels.alarms import alarms
from vitalcore.kernels.leads import mains, pacer, tape
from vitalcore.kernels.qrs import energy, likeness, qrs
from vitalcore.kernels.rhythm import hrv, rate, rhythm
from vitalcore.operator import Design, Signal, check_range, record, regular_hz

LOW_HZ, HIGH_HZ = 100.0, 1000.0
MAX_LEADS = 12
WORK_HZ = 125.0  # aimed at; a whole number of samples makes one work sample
CENTRE_HZ = 12.0  # of a QRS complex' energy
ENERGY_S = 0.09
RING_S = 0.65
SHAPE_S = 0.1  # of a complex, on each side of its middle
BAND_S = 0.75  # of the band-pass that is kept
LATE_S = 1.2
BEAT_LATENCY_S = 1.4
MAINS_HZ = (50.0, 60.0)
MAINS_WINDOW_S = 0.2  # whole periods of both
MAINS_FOLLOW_S = 0.3  # time constant of the notch
WAVE_HZ = (0.5, 40.0)
NEAR = (1.02, 0.97)  # of the extreme limits: a rate so near is beyond, since a missed one costs more than an early one
LOOK_S = 4.0  # looked at for an oscillation of the whole
WAVES_S = 1.2  # from an R peak until its waves are measured, where no beat comes before
TAPE_HZ = 250.0  # aimed at
TAPE_S = 4.5
PACER_HZ = 500.0  # rate from which pacemaker pulses show
PACER_APART_S = 0.04
PACER_LATENCY_S = 0.05


def check_leads(operator: object, signal: Signal) -> float:
    """Return the rate of an ECG in Hz, or refuse the signal.

    Errors: ParameterError
    """
    fs_hz = regular_hz(operator, signal, LOW_HZ, HIGH_HZ)
    if len(signal.channels) > MAX_LEADS:
        raise ParameterError(
            f"{signal.name} has {len(signal.channels)} leads; {type(operator).__name__} takes 1 to {MAX_LEADS}"
        )
    return fs_hz


def bandpass_taps(work_hz: float) -> NDArray[np.float64]:
    """Design the symmetric band-pass of the QRS energy, gain 1 at CENTRE_HZ, from its centre outwards.

    Source: the second derivative of a Gaussian; its gain, f² exp(1 - f²), f in CENTRE_HZ, halves at 0.48 and 1.64.
    """
    sigma_s = math.sqrt(2) / (2 * math.pi * CENTRE_HZ)
    half = min(energy.MAX_TAPS - 1, math.ceil(3.3 * sigma_s * work_hz))
    half += half % 2  # the kernel takes the taps in pairs
    t_s = np.arange(-half, half + 1) / work_hz
    taps = (1 - (t_s / sigma_s) ** 2) * np.exp(-((t_s / sigma_s) ** 2) / 2)
    taps -= taps.mean()
    taps /= np.sum(taps * np.cos(2 * np.pi * CENTRE_HZ * t_s))
    return np.asarray(taps[half:])


def qrs_params(fs_hz: float, n_leads: int) -> NDArray[np.void]:
    """Design QRS detection for a rate: one row of qrs.PARAMS."""
    block = max(1, round(fs_hz / WORK_HZ))
    work_hz = fs_hz / block
    taps = bandpass_taps(work_hz)
    n_half = len(taps) - 1
    n_energy = round(ENERGY_S * work_hz)
    n_back = round(RING_S * fs_hz)
    n_ring = n_back + energy.SEGMENT * block  # so much newer than what is looked at a sample can be
    params = np.zeros(1, qrs.PARAMS)
    row = params["energy"]
    row["fs_hz"], row["n_leads"], row["block"] = fs_hz, n_leads, block
    row["n_half"], row["n_energy"], row["n_ring"] = n_half, n_energy, n_ring
    row["n_back"] = n_back
    n_shape = 2 * round(SHAPE_S * work_hz) + 1
    n_band = round(BAND_S * work_hz) + 2 * energy.SEGMENT
    row["n_shape"], row["n_band"] = n_shape, n_band
    row["per_block"], row["per_energy"] = 1 / block, 1 / n_energy
    row["taps"][0, : n_half + 1] = taps
    row["stride"] = energy.N_HEAD + n_ring + 2 * (2 * n_half + 1) + 2 * n_band + likeness.N_KINDS * n_shape
    row["delay"] = (n_half + (n_energy - 1) / 2) * block + (block - 1) / 2
    row["floor"] = 0.02
    row["hold"] = round(0.04 * fs_hz)
    for name, time_s in {
        "settle": 0.15,
        "settle_unsure": 0.25,
        "shadow": 0.16,
        "t_wave": 0.36,
        "learn": 1.2,
        "learn_most": 2.5,
        "late": LATE_S,
        "again": 0.2,
        "patience": 2.5,
        "forget": 8.0,
    }.items():
        params[name] = round(time_s * work_hz)
    params["around"] = np.round(np.array([-0.1, -0.2, 0.1, 0.15]) * work_hz)
    params["smooth"] = 1 / (2.0 * work_hz)
    params["narrowest_s"] = 0.0136
    return params


def mains_params(fs_hz: float) -> NDArray[np.void]:
    """Design the search for mains hum, and the notch: one row of mains.PARAMS."""
    params = np.zeros(1, mains.PARAMS)
    n = round(MAINS_WINDOW_S * fs_hz)
    params["n_window"] = n
    turn = 2 * np.pi * np.array(MAINS_HZ) / fs_hz
    params["turn"] = turn
    params["twice_cosine"] = [2 * math.cos(each) for each in turn]
    change = 2 * np.sin(turn / 2)  # between neighbouring samples, of a sine of amplitude 1
    params["change"] = change
    params["scale"] = np.where(turn < 0.9 * np.pi, 2 / (n * change), 0)
    params["follow"] = np.where(turn < 0.9 * np.pi, 2 / (MAINS_FOLLOW_S * fs_hz * change**2), 0)
    return params


def tape_params(front: NDArray[np.void], at: int) -> NDArray[np.void]:
    """Design the tapes of the leads, which begin at a place in the buffer: one row of tape.PARAMS.

    front : one row of energy.PARAMS
    """
    params = np.zeros(1, tape.PARAMS)
    fs_hz, n_leads = float(front["fs_hz"][0]), int(front["n_leads"][0])
    block = max(1, round(fs_hz / TAPE_HZ))
    params["n_leads"], params["block"], params["at"] = n_leads, block, at
    params["hold"] = front["hold"]
    params["n_keep"] = math.ceil(TAPE_S * fs_hz / block)
    params["n_ring"] = params["n_keep"] + math.ceil(energy.SEGMENT * int(front["block"][0]) / block) + 1
    return params


def rhythm_params(fs_hz: float, limits: Limits) -> NDArray[np.void]:
    """Set when a rhythm has its name, by the limits of its alarm where it has one: one row of rhythm.PARAMS."""
    params = np.zeros(1, rhythm.PARAMS)
    row = params[0]
    row["fs_hz"] = fs_hz
    row["bradycardia_bpm"], row["tachycardia_bpm"], row["hysteresis_bpm"] = 60.0, 100.0, 2.0
    extremes = limits.extreme_bradycardia_per_min, limits.extreme_tachycardia_per_min
    row["extreme_bpm"] = np.multiply(extremes, NEAR)
    row["n_extreme"] = (limits.extreme_bradycardia_beats, limits.extreme_tachycardia_beats)
    row["vt_bpm"], row["n_vt"], row["slowest_bpm"] = limits.ventricular_per_min, limits.ventricular_beats, 40.0
    row["pause_s"], row["asystole_s"], row["wait_s"], row["lost_s"] = limits.pause_s, limits.asystole_s, 0.35, 6.0
    return params


def pacer_params(fs_hz: float, n_leads: int) -> NDArray[np.void]:
    """Design the search for pacemaker pulses: one row of pacer.PARAMS."""
    params = np.zeros(1, pacer.PARAMS)
    params["fs_hz"], params["n_leads"] = fs_hz, n_leads
    for name, time_s in {"most": 0.005, "most_steep": 0.02, "calm": 0.008, "ring": 0.012}.items():
        params[name] = math.ceil(time_s * fs_hz)
    params["steep"], params["edge"] = 1000.0 / fs_hz, 600.0 / fs_hz
    params["apart"], params["recurs"] = round(PACER_APART_S * fs_hz), round(3.0 * fs_hz)
    params["fade"], params["slowest"] = 0.5 ** (1 / (0.02 * fs_hz)), math.exp(-1 / (0.15 * fs_hz))
    return params


@dataclass(frozen=True)
class PacerPulses:
    """Find pacemaker pulses in an ECG in mV, 1 to 12 leads, 500 to 1000 Hz; its wave is the ECG without them.

    A pulse is said with its height and width as the samples show them: what an amplifier's filter has left of it. It
    must be 0.2 mV high, 5 ms wide at most and stand out of a calm signal, in two leads where there are three or more.

    Latency: 50 ms.

    Errors: ParameterError
    """

    def design(self, signal: Signal) -> Design:
        """Design the search for a signal."""
        fs_hz = regular_hz(self, signal, PACER_HZ, HIGH_HZ)
        check_leads(self, signal)
        params = pacer_params(fs_hz, len(signal.channels))
        state = np.zeros(1, pacer.STATE)
        pacer.begin(params[0], state[0])
        output = Signal(signal.name, signal.fs_hz, signal.channels, signal.unit, "findings")
        return Design(
            pacer.step,
            params[0],
            (state,),
            output,
            PACER_LATENCY_S,
            lambda n: 2 + math.ceil(n / (PACER_APART_S * fs_hz - 1)),
            wave=signal,
        )


@dataclass(frozen=True)
class RPeaks:
    """Find heart beats in an ECG in mV, 1 to 12 leads, 100 to 1000 Hz; all leads that carry a signal vote.

    Latency: 95 % of beats within 0.3 s of the R peak, those found by looking back within 1.4 s.

    Errors: ParameterError
    """

    def design(self, signal: Signal) -> Design:
        """Design the detector for a signal."""
        fs_hz = check_leads(self, signal)
        params = qrs_params(fs_hz, len(signal.channels))
        state = np.zeros(1, qrs.STATE)
        buffer = np.zeros(int(params["energy"]["stride"][0]) * len(signal.channels))
        qrs.begin(params[0], state[0], buffer)
        output = Signal(signal.name, signal.fs_hz, signal.channels, signal.unit, "findings")
        return Design(
            qrs.step, params[0], (state, buffer), output, BEAT_LATENCY_S, lambda n: 10 + math.ceil(n / (0.1 * fs_hz))
        )


@dataclass(frozen=True)
class Ecg:
    """Follow an ECG in mV, 1 to 12 leads, 100 to 1000 Hz: the whole chain.

    Says beats (as `RPeaks`), and once a second heart_rate, heart_rate_instant and the signal_quality of each lead;
    in the second second without a usable lead the event no_usable_signal. Its wave is each lead from 0.5 to 40 Hz.

    limits : of the alarms, or the name of a preset: adult, child, infant

    Latency: 95 % of beats within 0.3 s of the R peak, those found by looking back within 1.4 s; the event 1 s, and its
    evidence reaches back to the first sample that was not usable.

    Errors: ParameterError
    """

    limits: Limits | str = "adult"

    def design(self, signal: Signal) -> Design:
        """Design the chain for a signal."""
        fs_hz = check_leads(self, signal)
        n_leads = len(signal.channels)
        assert signal.fs_hz is not None  # check_leads refuses it
        params = np.zeros(1, ecg.PARAMS)
        params["qrs"] = qrs_params(fs_hz, n_leads)
        stride = int(params["qrs"]["energy"]["stride"][0])
        params["tape"] = tape_params(params["qrs"]["energy"], stride * n_leads)
        if fs_hz >= PACER_HZ:
            params["pacer"] = pacer_params(fs_hz, n_leads)
        params["hrv"]["fs_hz"] = params["edr"]["fs_hz"] = fs_hz
        params["rhythm"] = rhythm_params(fs_hz, limits_of(self.limits))
        params["wait"] = round(WAVES_S * fs_hz)
        params["sos"] = butter(2, WAVE_HZ, "bandpass", fs=fs_hz, output="sos")
        params["rate_num"], params["rate_den"] = signal.fs_hz.numerator, signal.fs_hz.denominator
        params["alarms"] = limits_of(self.limits).params(fs_hz)
        watch = params["quality"]
        watch["still"], watch["rail"], watch["plateau"] = round(4 * fs_hz), round(0.9 * fs_hz), round(0.12 * fs_hz)
        watch["smooth"] = 2 * math.pi * 0.7 * float(params["qrs"]["energy"]["block"][0]) / fs_hz
        tape_hz = fs_hz / float(params["tape"]["block"][0])
        watch["look_step"] = max(1, round(tape_hz / WORK_HZ))
        watch["look_hz"] = tape_hz / watch["look_step"]
        watch["look"] = np.floor(LOOK_S * watch["look_hz"])
        params["mains"] = mains_params(fs_hz)
        state = np.zeros(1, ecg.STATE)
        buffer = np.zeros(int(params["tape"]["at"][0]) + int(params["tape"]["n_ring"][0]) * n_leads)
        ecg.begin(params[0], state[0], buffer)
        output = Signal(signal.name, signal.fs_hz, signal.channels, signal.unit, "findings")
        return Design(
            ecg.step,
            params[0],
            (state, buffer),
            output,
            BEAT_LATENCY_S,
            lambda n: (
                (4 + n_leads) * (10 + math.ceil(n / (0.1 * fs_hz)) + 4 * (1 + math.ceil(n / fs_hz)))
                + 3 * alarms.N * (1 + math.ceil(n / fs_hz))
                + (math.ceil(n / (PACER_APART_S * fs_hz - 1)) if fs_hz >= PACER_HZ else 0)
            ),
            wave=signal,
            many=ecg.step_many,
        )


@dataclass(frozen=True)
class HeartRate:
    """Average the heart rate over the beats of the last window_s seconds, anew with each beat.

    window_s : 1 to 300 s

    Latency: none after the beat.

    Errors: ParameterError
    """

    window_s: float = 10.0

    def design(self, signal: Signal) -> Design:
        """Design the average for a flow of beats."""
        if signal.what != "findings" or signal.fs_hz is None:
            raise ParameterError(f"HeartRate takes beats, as RPeaks() finds them; {signal.name} here is {signal.what}")
        check_range("window_s", self.window_s, 1.0, 300.0, "s")
        ring = np.zeros(2 + math.ceil(self.window_s / rate.SHORTEST_S))
        state = np.zeros(1, rate.WINDOW)
        params = record(window_s=self.window_s)
        return Design(rate.window, params, (state, ring), signal, 0.0, lambda n: n)


@dataclass(frozen=True)
class Hrv:
    """Follow heart rate variability over the last 5 min, anew every 10 s: hrv_sdnn to hrv_lf_hf.

    unclassified : takes beats without a class for normal, as `RPeaks` says them

    Intervals count between two normal beats of quality 0.5 or more that lie within 30 % of the median of the last nine;
    all others are left out, and how many is said. The time domain needs 60 s of normal intervals and half of the
    window, the spectrum 240 s; where it has less, or in atrial fibrillation, there is no number.

    Latency: none after the beat.

    Errors: ParameterError
    """

    unclassified: bool = False

    def design(self, signal: Signal) -> Design:
        """Design the measures for a flow of beats."""
        if signal.what != "findings" or signal.fs_hz is None:
            raise ParameterError(f"Hrv takes beats, as Ecg() finds them; {signal.name} here is {signal.what}")
        params = np.zeros(1, hrv.PARAMS)
        params["fs_hz"], params["unclassified"] = float(signal.fs_hz), self.unclassified
        state = np.zeros(1, hrv.STATE)
        return Design(hrv.step, params[0], (state,), signal, 0.0, lambda n: hrv.N_FEATURES * n)
