"""QRS energy of an ECG: each lead's rectified band-pass, averaged, and the weighted sum over the leads.

Each lead is averaged to work samples of about 125 Hz, passed through a symmetric band-pass around 12 Hz and rectified;
its moving mean is the energy of that lead. The band-pass is summed anew each time and the moving sum is exact, so
nothing drifts and nothing bad is remembered longer than the filters are.
"""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.kernel import kernel

MAX_TAPS = 16  # half of the symmetric band-pass, centre included
FUSED_LEVEL = 0.3  # QRS energy to which several leads are weighted, about that of 1 mV
LARGEST = 1e6  # what is larger is missing: no rounding error of it may stay in a sum

PARAMS = np.dtype(
    [
        ("fs_hz", "f8"),
        ("n_leads", "i8"),
        ("block", "i8"),  # samples averaged to one work sample
        ("per_block", "f8"),  # 1 / block
        ("n_half", "i8"),  # taps on each side of the centre, even
        ("taps", "f8", (MAX_TAPS,)),  # from the centre outwards
        ("n_energy", "i8"),  # work samples in the energy's window
        ("per_energy", "f8"),  # 1 / n_energy
        ("n_ring", "i8"),  # samples kept for the R time
        ("n_back", "i8"),  # those of them that are kept surely, however the samples come
        ("stride", "i8"),  # of a lead's part of the buffer
        ("delay", "f8"),  # samples from the newest one back to the middle of what the energy has seen
        ("floor", "f8"),  # mV: energy that is never a QRS
        ("hold", "i8"),  # samples: a gap up to here is bridged by the last value
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("n_taken", "i8"),  # samples
        ("phase", "i8"),  # samples in the block
        ("ring_at", "i8"),
        ("work_at", "i8"),
        ("energy_at", "i8"),
        ("n_fresh", "i8"),  # work samples ready to be looked at
        ("floor", "f8"),  # of the weighted sum
        ("lead", "i8"),  # in which R peaks are timed
    ],
    align=True,
)

SEGMENT = 16  # work samples that are condensed before they are looked at
USUAL_HALF = 8
ROUND = 1.5 * 2.0**26  # added and taken away it leaves multiples of 2^-26 mV, of which 2^27 mV can be summed exactly
UNKNOWN = -1.0  # energy while the filters fill

# Head of a lead's part of the buffer; the ring of samples, the ring of work samples (twice, so that a window lies in
# one piece) and the ring of rectified band-pass follow.
HELD, RUN, GOOD, SUM = 0, 1, 2, 3  # last value, missing ones in a row, work samples since a gap, sum of the block
ENERGY = 4  # sum of what the energy's window holds
TOP, HIGHEST = 5, 6  # energy at the fused top, highest while learning
LEVEL, NOISE = 7, 8  # energy of QRS, of other peaks
GAIN, USABLE = 9, 10  # weight in the sum; 0 unusable, 1 poor, 2 good
QUALITY = 11  # here begins what `quality` keeps
MEANS = 32  # of the fresh work samples
ENERGIES = MEANS + SEGMENT
N_HEAD = ENERGIES + SEGMENT


@kernel
def begin(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Make zeros a fresh memory."""
    for c in range(params["n_leads"]):
        buffer[c * params["stride"] + USABLE] = 2.0
    weigh(params, state, buffer)


@kernel
def weigh(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Weigh the leads: the poor only where no good one is left, the clear ones most; a QRS has FUSED_LEVEL in all.

    One lead alone keeps its own unit. Where no lead is usable all go on: a dead one has no energy anyway.
    """
    n_leads = params["n_leads"]
    stride = params["stride"]
    best = 0.0
    for c in range(n_leads):
        best = max(best, buffer[c * stride + USABLE])
    total = 0.0
    sum_of_gains = 0.0
    lead = -1
    for c in range(n_leads):
        base = c * stride
        gain = 0.0
        if buffer[base + USABLE] == best:
            if lead < 0 and best > 0.0:
                lead = c
            level = buffer[base + LEVEL]
            gain = 1.0
            if n_leads > 1 and level > 0.0:
                noise = max(buffer[base + NOISE], 0.1 * level)
                gain = level / (noise * noise)
                total += gain * level
        buffer[base + GAIN] = gain
    if total > 0.0:
        for c in range(n_leads):
            base = c * stride
            if buffer[base + LEVEL] > 0.0:
                buffer[base + GAIN] *= FUSED_LEVEL / total
            else:
                buffer[base + GAIN] = 0.0  # its unit is not known before its first beat
            sum_of_gains += buffer[base + GAIN]
        state["floor"] = params["floor"] * sum_of_gains
    else:
        state["floor"] = params["floor"]
    if lead >= 0:
        state["lead"] = lead


@kernel
def condense(
    params: np.void,
    lead: NDArray[np.float64],
    x: NDArray[np.float64],
    phase: int,
    ring_at: int,
    work_at: int,
    energy_at: int,
) -> int:
    """Turn samples of a lead into the energies of their work samples; returns how many are complete.

    lead : the lead's part of the buffer
    x    : [n]
    The rest says where in their rings the leads are.
    """
    block = params["block"]
    n_ring = params["n_ring"]
    n_half = params["n_half"]
    n_taps = 2 * n_half + 1
    n_energy = params["n_energy"]
    taps = params["taps"]
    scale, per_energy = params["per_block"], params["per_energy"]
    ring = lead[N_HEAD : N_HEAD + n_ring]
    work = lead[N_HEAD + n_ring : N_HEAD + n_ring + 2 * n_taps]
    rectified = lead[N_HEAD + n_ring + 2 * n_taps : N_HEAD + n_ring + 2 * n_taps + n_energy]
    held, run, good, total, energy = lead[HELD], lead[RUN], lead[GOOD], lead[SUM], lead[ENERGY]
    done = 0
    for i in range(x.shape[0]):
        v = x[i]
        if not abs(v) < LARGEST:  # NaN too
            v = held
            run += 1.0
        elif run > 0.0:
            if run > params["hold"]:
                good = 0.0
            run = 0.0
        held = v
        ring[ring_at] = v
        ring_at = ring_at + 1 if ring_at + 1 < n_ring else 0
        total += v
        phase += 1
        if phase == block:
            phase = 0
            v = total * scale
            total = 0.0
            work[work_at] = v
            work[work_at + n_taps] = v
            window = work[work_at + 1 : work_at + 1 + n_taps]
            y0 = taps[0] * window[n_half]
            y1 = 0.0
            if n_half == USUAL_HALF:  # the same with a length that the compiler knows
                for k in range(0, USUAL_HALF, 2):
                    y0 += taps[USUAL_HALF - k] * (window[k] + window[2 * USUAL_HALF - k])
                    y1 += taps[USUAL_HALF - k - 1] * (window[k + 1] + window[2 * USUAL_HALF - 1 - k])
            else:
                for k in range(0, n_half, 2):  # from the ends inwards; two sums wait half as long for each other
                    y0 += taps[n_half - k] * (window[k] + window[2 * n_half - k])
                    y1 += taps[n_half - k - 1] * (window[k + 1] + window[2 * n_half - 1 - k])
            y = (abs(y0 + y1) + ROUND) - ROUND  # so that the moving sum is exact
            energy += y - rectified[energy_at]
            rectified[energy_at] = y
            work_at = work_at + 1 if work_at + 1 < n_taps else 0
            energy_at = energy_at + 1 if energy_at + 1 < n_energy else 0
            good += 1.0
            lead[MEANS + done] = v
            lead[ENERGIES + done] = energy * per_energy if good > n_taps + n_energy else UNKNOWN
            done += 1
    lead[HELD], lead[RUN], lead[GOOD], lead[SUM], lead[ENERGY] = held, run, good, total, energy
    return done


@kernel
def take(
    params: np.void, state: np.void, buffer: NDArray[np.float64], x: NDArray[np.float64], first: int, end: int
) -> int:
    """Take rows from first on, at most to end and at most SEGMENT work samples; returns how many rows.

    Then state["n_fresh"] work samples are ready for `decide`.
    """
    block = params["block"]
    stride = params["stride"]
    n = min(end - first, SEGMENT * block - state["phase"])
    done = 0
    for c in range(params["n_leads"]):
        done = condense(
            params,
            buffer[c * stride : (c + 1) * stride],
            x[first : first + n, c],
            state["phase"],
            state["ring_at"],
            state["work_at"],
            state["energy_at"],
        )
    state["n_fresh"] = done
    state["phase"] += n - done * block
    state["ring_at"] = (state["ring_at"] + n) % params["n_ring"]
    state["work_at"] = (state["work_at"] + done) % (2 * params["n_half"] + 1)
    state["energy_at"] = (state["energy_at"] + done) % params["n_energy"]
    state["n_taken"] += n
    return n


@kernel
def fuse(params: np.void, buffer: NDArray[np.float64], k: int) -> float:
    """Sum up the leads' energies of the k-th fresh work sample; UNKNOWN where none is known."""
    stride = params["stride"]
    fused = 0.0
    known = 0
    for c in range(params["n_leads"]):
        energy = buffer[c * stride + ENERGIES + k]
        if energy >= 0.0:
            known += 1
            fused += buffer[c * stride + GAIN] * energy
    return fused if known > 0 else UNKNOWN
