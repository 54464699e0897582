"""Tables: who shares one, and what belongs to each of its slots."""

from dataclasses import replace
from fractions import Fraction

from tests.streams.chain import Peaks
from vitalcore.streams.engine.streams import Streams
from vitalcore.streams.protocol.maps import Channel, Open

OPENED = Open("icu/p1/monitor/ecg", 7, "ecg", Fraction(250), (Channel("II", "mV", 2.0, 1.0),), 3)


def streams(limit: int = 4, memory: int = 1 << 20) -> Streams:
    return Streams({"ecg": Peaks(), "face": Peaks()}, limit, memory)


def test_tables_are_shared_by_what_fits_and_kept_apart_by_shape() -> None:
    held = streams()
    two = (Channel("I", "mV"), Channel("II", "mV"))
    made = [
        held.open(OPENED, b"peer", 0),
        held.open(replace(OPENED, key="icu/p2/monitor/ecg", rate=Fraction(500)), b"peer", 0),
        held.open(replace(OPENED, key="icu/p3/monitor/ecg", channels=two), b"peer", 0),
        held.open(replace(OPENED, key="icu/p4/camera/face", kind="face", rate=None), b"peer", 0),
    ]
    assert [int(held.rows[stream.row]["table"]) for stream in made] == [0, 0, 1, 2]


def test_scale_offset_and_unit_of_each_slot_survive_the_growth_of_the_table() -> None:
    held = streams(100, 1 << 24)
    units = ("mV", "uV", "V")
    for k in range(100):
        channel = Channel("II", units[k % 3], 1.0 + k, float(k))
        held.open(replace(OPENED, key=f"icu/p{k}/monitor/ecg", channels=(channel,)), b"peer", 0)
    (table,) = held.tables
    factors = (1.0, 1e-3, 1e3)
    for k in range(100):
        row = held.rows[held.by_key[f"icu/p{k}/monitor/ecg"].row]
        assert table.scale[row["slot"], 0] == (1.0 + k) * factors[k % 3]
        assert table.offset[row["slot"], 0] == k * factors[k % 3]
