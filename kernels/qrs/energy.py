"""QRS energy of an ECG: each lead's rectified band-pass, averaged, and the weighted sum over the leads.

Each lead is averaged to work samples of about 125 Hz and passed through a symmetric band-pass around 12 Hz; the moving
mean of that, rectified, is the energy of the lead. The band-pass is summed anew each time and the moving sum is exact,
so nothing drifts and nothing bad is remembered longer than the filters are.
"""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

MAX_TAPS = 16  # half of the symmetric band-pass, centre included
FUSED_LEVEL = 0.3  # QRS energy to which several leads are weighted, about that of 1 mV
LEAST_PART = 0.2  # of what the strongest lead adds to the sum: the lead that times R peaks is kept as long
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
        ("n_band", "i8"),  # work samples of the band-pass that are kept
        ("n_shape", "i8"),  # work samples of a complex' shape, odd
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
        ("band_at", "i8"),
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
BLANK = -1.0  # GOOD of a lead that has shown nothing yet

# Head of a lead's part of the buffer; the ring of samples, the rings of work samples and of their band-pass (each
# twice, so that a window lies in one piece) and the shapes of two kinds of complexes follow.
HELD, RUN, GOOD, SUM = 0, 1, 2, 3  # last value, missing ones in a row, work samples since a gap, sum of the block
ENERGY = 4  # sum of what the energy's window holds
TOP, HIGHEST = 5, 6  # energy at the fused top, highest while learning
LEVEL, NOISE = 7, 8  # energy of QRS, of other peaks
GAIN, USABLE = 9, 10  # weight in the sum; 0 unusable, 1 poor, 2 good
QUALITY = 11  # here begins what `quality` keeps
TOTAL = 40  # of the energies while learning
SIZES = 41  # of the two kinds of complexes in `likeness`
MEANS = 43  # of the fresh work samples
ENERGIES = MEANS + SEGMENT
N_HEAD = ENERGIES + SEGMENT


@kernel
def begin(params: np.void, state: np.void, buffer: NDArray[np.float64]) -> None:
    """Make zeros a fresh memory."""
    for c in range(params["n_leads"]):
        buffer[c * params["stride"] + USABLE] = 2.0
        buffer[c * params["stride"] + GOOD] = BLANK
        buffer[c * params["stride"] + RUN] = params["hold"] + 1
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
    for c in range(n_leads):
        base = c * stride
        gain = 0.0
        if buffer[base + USABLE] == best:
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
    if best > 0.0:
        choose(params, state, buffer, best)


@kernel
def choose(params: np.void, state: np.void, buffer: NDArray[np.float64], best: float) -> None:
    """Choose the lead in which R peaks are timed: as before while it carries its part, else the one that carries most.

    best : what the leads that count have as USABLE
    """
    lead, most, part = 0, -1.0, -1.0
    for c in range(params["n_leads"]):
        base = c * params["stride"]
        if buffer[base + USABLE] == best:
            carried = buffer[base + GAIN] * buffer[base + LEVEL]
            if c == state["lead"]:
                part = carried
            if carried > most:
                lead, most = c, carried
    if part < LEAST_PART * most:
        state["lead"] = lead


@kernel
def fill(params: np.void, lead: NDArray[np.float64], v: float) -> float:
    """Begin a lead as if its first value had been there for ever, so that its first complex counts; returns GOOD."""
    n_ring = params["n_ring"]
    n_taps = 2 * params["n_half"] + 1
    for k in range(N_HEAD, N_HEAD + n_ring + 2 * n_taps):
        lead[k] = v
    good: float = n_taps + params["n_energy"]
    return good


@kernel
def condense(
    params: np.void,
    lead: NDArray[np.float64],
    x: NDArray[np.float64],
    phase: int,
    ring_at: int,
    work_at: int,
    band_at: int,
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
    n_band = params["n_band"]
    taps = params["taps"]
    scale, per_energy = params["per_block"], params["per_energy"]
    ring = lead[N_HEAD : N_HEAD + n_ring]
    work = lead[N_HEAD + n_ring : N_HEAD + n_ring + 2 * n_taps]
    band = lead[N_HEAD + n_ring + 2 * n_taps : N_HEAD + n_ring + 2 * n_taps + 2 * n_band]
    held, run, good, total, energy = lead[HELD], lead[RUN], lead[GOOD], lead[SUM], lead[ENERGY]
    done = 0
    for i in range(x.shape[0]):
        v = x[i]
        if not abs(v) < LARGEST:  # NaN too
            v = held
            run += 1.0
        elif run > 0.0:
            if run > params["hold"]:
                good = 0.0 if good >= 0.0 else fill(params, lead, v)
                total = total if good == 0.0 else v * phase
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
            y = (y0 + y1 + ROUND) - ROUND  # so that the moving sum is exact
            energy += abs(y) - abs(band[band_at + n_band - n_energy])
            band[band_at] = y
            band[band_at + n_band] = y
            work_at = work_at + 1 if work_at + 1 < n_taps else 0
            band_at = band_at + 1 if band_at + 1 < n_band else 0
            good += 1.0 if good >= 0.0 else 0.0
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
            state["band_at"],
        )
    state["n_fresh"] = done
    state["phase"] += n - done * block
    state["ring_at"] = (state["ring_at"] + n) % params["n_ring"]
    state["work_at"] = (state["work_at"] + done) % (2 * params["n_half"] + 1)
    state["band_at"] = (state["band_at"] + done) % params["n_band"]
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
