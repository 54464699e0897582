"""Sample records of the wire: checked, sequenced and turned into numbers, many messages in one call.

The host is little-endian, and every message begins at a multiple of 8 of the buffer, so all fields are aligned.
"""

import numpy as np
from numpy.typing import NDArray

from vitalcore.kernels.core.kernel import kernel

Index = int | np.int64

# One row a stream; its handle's low 16 bits are the row.
STREAM = np.dtype(
    [
        ("handle", "i8"),  # as the peer spells it; -1: not open
        ("owner", "i8"),  # connection that may write
        ("session", "i8"),
        ("slot", "i8"),  # of its table
        ("table", "i8"),
        ("n_channels", "i8"),
        ("dtype", "i8"),
        ("timed", "i8"),  # each sample carries its time
        ("ended", "i8"),
        ("next_seq", "i8"),
        ("next_index", "i8"),
        ("durable_seq", "i8"),  # records below it are held as durably as agreed
        ("durable_index", "i8"),
        ("acked_seq", "i8"),
        ("held_bytes", "i8"),  # of records not acknowledged yet
        ("credit_records", "i8"),
        ("credit_bytes", "i8"),
        ("due", "i8"),  # an acknowledgement is owed
        ("chunks", "i8"),  # records with samples so far
        ("origin_ns", "i8"),  # time of the first sample; of a timed stream
        ("last_ns", "i8"),  # time of the last sample; of a timed stream
        ("records", "i8"),
        ("samples", "i8"),
        ("duplicates", "i8"),
        ("refused", "i8"),
        ("gaps", "i8"),
        ("lost", "i8"),  # samples
        ("undeclared_gap", "i8"),
        ("unsynchronised", "i8"),
    ],
    align=True,
)

# One row a record that was taken or refused.
ROW = np.dtype(
    [
        ("code", "i8"),  # 0: taken
        ("kind", "i8"),
        ("message", "i8"),
        ("row", "i8"),  # of STREAM; -1: none
        ("stream", "i8"),  # as the header spells it
        ("session", "i8"),
        ("seq", "i8"),
        ("index", "i8"),
        ("missing", "i8"),  # samples lost before this record; -1: discontinuity without loss
        ("chunk", "i8"),  # records with samples before it
        ("n", "i8"),
        ("t0_ns", "i8"),
        ("begin", "i8"),  # byte where the record begins
        ("size", "i8"),  # of the record, bytes, a multiple of 8
        ("at", "i8"),  # byte where the values begin
        ("flags", "i8"),
    ],
    align=True,
)

MAGIC = 0x31444356  # VCD1
HEADER = 64
MAX_RECORD = 1 << 18
MAX_RECORDS = 256
MAX_CHANNELS = 1536
MAX_INDEX = 1 << 53
DATA, GAP, END = 1, 2, 3
DISCONTINUITY, TIMES, UNSYNCHRONISED = 2, 8, 1
BAD_FRAME, NOT_OPEN, STALE_SESSION, SEQ_GAP, NO_CREDIT, TOO_BIG, UNKNOWN_KIND = 1, 2, 3, 4, 5, 6, 8


def _slices() -> NDArray[np.int64]:
    table = np.zeros((8, 256), np.int64)
    for i in range(256):
        c = i
        for _ in range(8):
            c = (c >> 1) ^ (0xEDB88320 if c & 1 else 0)
        table[0, i] = c
    for k in range(1, 8):
        table[k] = (table[k - 1] >> 8) ^ table[0, table[k - 1] & 0xFF]
    return table


CRC_SLICES = _slices()


@kernel
def crc32(slices: NDArray[np.int64], data: NDArray[np.uint8], start: Index, stop: Index, crc: Index) -> np.int64:
    """Go on with a CRC-32 over data[start:stop]; begin with 0.

    slices : CRC_SLICES, [8, 256]

    Source: slicing by 8, Kounavis and Berry, "A Systematic Approach to Building High Performance Software-Based CRC
    Generators", ISCC 2005; the polynomial of ISO 3309 as zlib has it.
    """
    c = np.int64(crc) ^ 0xFFFFFFFF
    i = start
    while i + 8 <= stop:
        c = (
            slices[7, (c ^ np.int64(data[i])) & 0xFF]
            ^ slices[6, ((c >> 8) ^ np.int64(data[i + 1])) & 0xFF]
            ^ slices[5, ((c >> 16) ^ np.int64(data[i + 2])) & 0xFF]
            ^ slices[4, ((c >> 24) ^ np.int64(data[i + 3])) & 0xFF]
            ^ slices[3, np.int64(data[i + 4])]
            ^ slices[2, np.int64(data[i + 5])]
            ^ slices[1, np.int64(data[i + 6])]
            ^ slices[0, np.int64(data[i + 7])]
        )
        i += 8
    while i < stop:
        c = (c >> 8) ^ slices[0, (c ^ np.int64(data[i])) & 0xFF]
        i += 1
    return c ^ 0xFFFFFFFF


@kernel
def check(
    slices: NDArray[np.int64],
    data: NDArray[np.uint8],
    words: NDArray[np.int64],
    halves: NDArray[np.uint32],
    shorts: NDArray[np.uint16],
    at: int,
    stop: int,
) -> tuple[int, Index]:
    """Check the format of the record at a byte; return its code, 0 for good, and where the next one begins.

    The next one begins at `stop` where the bounds of this one can't be trusted.
    """
    if stop - at < HEADER or np.int64(halves[at >> 2]) != MAGIC:
        return BAD_FRAME, stop
    header_len = np.int64(shorts[(at >> 1) + 3])
    size = np.int64(halves[(at >> 2) + 13])
    end = at + header_len + ((size + 7) & ~7)
    if header_len < HEADER or header_len & 7 or end > stop:
        return BAD_FRAME, stop
    crc: Index = crc32(slices, data, at, at + 56, 0)
    crc = crc32(slices, data, at + header_len, at + header_len + size, crc)
    if crc != np.int64(halves[(at >> 2) + 14]):
        return BAD_FRAME, stop
    if header_len + size > MAX_RECORD:
        return TOO_BIG, end
    kind, flags = np.int64(data[at + 4]), np.int64(data[at + 5])
    if kind < DATA or kind > END:
        return UNKNOWN_KIND, end
    n = np.int64(halves[(at >> 2) + 5])
    index = words[(at >> 3) + 4]
    if data[at + 51] != 0 or halves[(at >> 2) + 15] != 0 or words[(at >> 3) + 1] < 0 or words[(at >> 3) + 3] < 0:
        return BAD_FRAME, end
    if index < 0 or index > MAX_INDEX - n:
        return BAD_FRAME, end
    if kind != DATA:
        return (BAD_FRAME if n != 0 or size != 0 or flags & TIMES else 0), end
    n_channels, dtype = np.int64(shorts[(at >> 1) + 24]), np.int64(data[at + 50])
    if n == 0 or n_channels < 1 or n_channels > MAX_CHANNELS or dtype < 1 or dtype > 4:
        return BAD_FRAME, end
    width = 2 if dtype == 1 else 8 if dtype == 4 else 4
    if n * (n_channels * width + (8 if flags & TIMES else 0)) != size:
        return BAD_FRAME, end
    return 0, end


@kernel
def accept(
    stream: NDArray[np.void],
    data: NDArray[np.uint8],
    words: NDArray[np.int64],
    halves: NDArray[np.uint32],
    shorts: NDArray[np.uint16],
    at: int,
    size: int,
    out: NDArray[np.void],
) -> int:
    """Hold a well-formed record against its stream and take it; return its code, 0: taken, -1: a duplicate.

    stream : row of STREAM, changed only if the record is taken
    out    : row of ROW
    """
    kind, flags = np.int64(data[at + 4]), np.int64(data[at + 5])
    session, seq, index = words[(at >> 3) + 1], words[(at >> 3) + 3], words[(at >> 3) + 4]
    n = np.int64(halves[(at >> 2) + 5])
    if session != stream["session"]:
        return STALE_SESSION if session < stream["session"] else NOT_OPEN
    if seq < stream["next_seq"]:
        return -1
    if seq > stream["next_seq"]:
        return SEQ_GAP
    if stream["ended"]:
        return NOT_OPEN
    if index < stream["next_index"]:
        return BAD_FRAME
    values = at + np.int64(shorts[(at >> 1) + 3])
    if kind == DATA:
        if np.int64(shorts[(at >> 1) + 24]) != stream["n_channels"] or np.int64(data[at + 50]) != stream["dtype"]:
            return BAD_FRAME
        if (flags & TIMES != 0) != (stream["timed"] != 0):
            return BAD_FRAME
        if flags & TIMES:
            w = values >> 3
            origin = stream["origin_ns"] if stream["chunks"] else words[w]
            last = stream["last_ns"]
            for i in range(n):
                if (stream["chunks"] or i) and words[w + i] <= last:
                    return BAD_FRAME
                last = words[w + i]
            if last >> 1 >= (origin >> 1) + (MAX_INDEX >> 1):  # halves: a peer's times must not overflow
                return BAD_FRAME
            values += 8 * n
    if stream["next_seq"] - stream["acked_seq"] >= stream["credit_records"]:
        return NO_CREDIT
    if stream["held_bytes"] + size > stream["credit_bytes"]:
        return NO_CREDIT
    missing = index - stream["next_index"]
    if missing > 0:
        stream["gaps"] += 1
        stream["lost"] += missing
        if kind == DATA:
            stream["undeclared_gap"] += 1
    elif flags & DISCONTINUITY:
        missing = -1
    if kind == DATA and flags & TIMES:
        if not stream["chunks"]:
            stream["origin_ns"] = words[(values >> 3) - n]
        stream["last_ns"] = words[(values >> 3) - 1]
    out["chunk"] = stream["chunks"]
    if kind == DATA:
        stream["chunks"] += 1
    if kind == END:
        stream["ended"] = 1
    stream["next_seq"] += 1
    stream["next_index"] = index + n
    stream["held_bytes"] += size
    stream["records"] += 1
    stream["samples"] += n
    stream["unsynchronised"] = flags & UNSYNCHRONISED
    out["missing"] = missing
    out["at"] = values
    return 0


@kernel
def scan(
    slices: NDArray[np.int64],
    streams: NDArray[np.void],
    data: NDArray[np.uint8],
    words: NDArray[np.int64],
    halves: NDArray[np.uint32],
    shorts: NDArray[np.uint16],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    owners: NDArray[np.int64],
    pauses: int,
    at: NDArray[np.int64],
    out: NDArray[np.void],
) -> int:
    """Check and sequence the records of many messages; return how many rows of `out` are filled.

    streams         : rows of STREAM
    words ... shorts: `data` seen as int64, uint32 and uint16
    starts, stops   : bytes of each message, [n_messages]; starts are multiples of 8
    owners          : connection each came from, [n_messages]
    pauses          : stop before the next message once so many records were not plain data: each costs the caller more
    at              : [0] message to begin with, and to go on with when it returns
    out             : rows of ROW, room for one per 64 bytes and one per message

    Duplicates give no row, only `due`. A record whose bounds can't be trusted ends its message.
    """
    k = 0
    paused = 0
    while at[0] < len(starts) and paused < pauses:
        m = at[0]
        at[0] += 1
        begin, stop = starts[m], stops[m]
        count = 0
        while begin < stop:
            row = out[k]
            row["message"] = m
            row["stream"] = row["session"] = row["seq"] = 0
            row["row"] = -1
            count += 1
            if count > MAX_RECORDS:
                code, end = TOO_BIG, stop
            else:
                code, end = check(slices, data, words, halves, shorts, begin, stop)
                if stop - begin >= HEADER and np.int64(halves[begin >> 2]) == MAGIC:
                    handle = np.int64(halves[(begin >> 2) + 4])
                    row["stream"] = handle
                    row["session"] = words[(begin >> 3) + 1]
                    row["seq"] = words[(begin >> 3) + 3]
                    r = handle & 0xFFFF
                    if r < len(streams) and streams[r]["handle"] == handle and streams[r]["owner"] == owners[m]:
                        row["row"] = r
            row["begin"], row["size"] = begin, end - begin
            if code == 0:
                if row["row"] < 0:
                    code = NOT_OPEN
                else:
                    code = accept(streams[row["row"]], data, words, halves, shorts, begin, end - begin, row)
            if code == -1:
                streams[row["row"]]["duplicates"] += 1
                streams[row["row"]]["due"] = 1
            else:
                if row["row"] >= 0:
                    streams[row["row"]]["due"] = 1
                    if code != 0:
                        streams[row["row"]]["refused"] += 1
                row["code"] = code
                if code == 0:
                    row["kind"] = np.int64(data[begin + 4])
                    row["flags"] = np.int64(data[begin + 5])
                    row["index"] = words[(begin >> 3) + 4]
                    row["n"] = np.int64(halves[(begin >> 2) + 5])
                    row["t0_ns"] = words[(begin >> 3) + 5]
                if code != 0 or row["kind"] != DATA or row["missing"] != 0:
                    paused += 1
                k += 1
            begin = end
    return k


@kernel
def unpack(
    streams: NDArray[np.void],
    scale: NDArray[np.float64],
    offset: NDArray[np.float64],
    words: NDArray[np.int64],
    shorts: NDArray[np.int16],
    ints: NDArray[np.int32],
    singles: NDArray[np.float32],
    doubles: NDArray[np.float64],
    rows: NDArray[np.void],
    which: NDArray[np.int64],
    x: NDArray[np.float64],
    offsets: NDArray[np.int64],
) -> int:
    """Turn the values of records of one table into physical numbers, one chunk after the other; return their samples.

    scale, offset     : of each slot and channel, [n_slots, n_channels]
    words ... doubles : the bytes that were scanned, seen as each type
    which             : rows of ROW to take, [k]
    x                 : out: [n_samples, n_columns]; column 0 of a timed stream is the time, ns since its first sample;
                        what is not finite is missing
    offsets           : out: where each chunk begins and the last one ends, [k + 1]
    """
    i = 0
    offsets[0] = 0
    for k in range(len(which)):
        row = rows[which[k]]
        stream = streams[row["row"]]
        slot, n_channels, dtype, at = stream["slot"], stream["n_channels"], stream["dtype"], row["at"]
        timed = 1 if stream["timed"] else 0
        j = at >> (1 if dtype == 1 else 3 if dtype == 4 else 2)
        for s in range(row["n"]):
            if timed:
                x[i, 0] = words[(at >> 3) - row["n"] + s] - stream["origin_ns"]
            for c in range(n_channels):
                if dtype == 1:
                    v = np.float64(shorts[j])
                elif dtype == 2:
                    v = np.float64(ints[j])
                elif dtype == 3:
                    v = np.float64(singles[j])
                else:
                    v = doubles[j]
                v = v * scale[slot, c] + offset[slot, c]
                x[i, timed + c] = v if abs(v) <= 1e300 else np.nan
                j += 1
            i += 1
        offsets[k + 1] = i
    return i
