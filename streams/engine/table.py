"""The table that streams of one form share: their memory, and what turns their samples into physical values."""

import numpy as np

from vitalcore.operator import Design, Signal
from vitalcore.streams.protocol.maps import Channel
from vitalcore.ward import Ward


class Table:
    """Hold a ward with the scale and offset of each slot's channels."""

    def __init__(self, design: Design, signal: Signal) -> None:
        self.ward = Ward(design)
        self.layout = f"{design.memory[0].dtype.descr} {design.memory[1].size}"
        self.timed = signal.fs_hz is None
        self.columns = signal.columns
        self.scale = np.ones((16, len(signal.channels)))
        self.offset = np.zeros_like(self.scale)
        self.rows = np.full(16, -1)  # of STREAM, by slot

    def open(self, design: Design, signal: Signal, row: int, channels: tuple[Channel, ...], unit: float) -> int:
        """Give a stream a slot."""
        slot = self.ward.open(design, signal)
        if slot >= len(self.rows):
            more = max(len(self.rows), slot + 1 - len(self.rows))
            self.scale = np.concatenate([self.scale, np.ones((more, self.scale.shape[1]))])
            self.offset = np.concatenate([self.offset, np.zeros((more, self.offset.shape[1]))])
            self.rows = np.concatenate([self.rows, np.full(more, -1)])
        self.scale[slot] = [channel.scale * unit for channel in channels]
        self.offset[slot] = [channel.offset * unit for channel in channels]
        self.rows[slot] = row
        return slot
