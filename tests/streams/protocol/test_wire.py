"""The wire format against its golden frames and against itself."""

import re
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.streams.frames import FOLDER, MANIFEST, frame, names
from vitalcore.errors import ProtocolError
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.wire import Ack, Code, LiveHeader, Record, Refused

KINDS = {"DATA": wire.DATA, "GAP": wire.GAP, "END": wire.END}


def as_outcome(item: Record | Refused) -> dict[str, Any]:
    if isinstance(item, Refused):
        return {"refused": item.code.name, "at": item.at}
    kind = next(name for name, number in KINDS.items() if number == item.kind)
    return {"kind": kind, "seq": item.seq, "values": item.values.tolist()}


@pytest.mark.parametrize("name", names("records"))
def test_a_golden_message_decodes_to_what_the_manifest_says(name: str) -> None:
    items = list(wire.decode_records(frame(name)))
    expected = MANIFEST[name]["outcome"]
    assert [as_outcome(item) for item in items] == [
        {k: v for k, v in entry.items() if k not in ("index", "times")} for entry in expected
    ]
    for item, entry in zip(items, expected, strict=True):
        if isinstance(item, Record) and "times" in entry:
            assert item.times is not None
            assert item.times.tolist() == entry["times"]
        if isinstance(item, Record) and "index" in entry:
            assert item.sample_index == entry["index"]


@pytest.mark.parametrize(
    "name", ["data_i16", "data_i32_two_channels", "data_f32", "data_f64", "data_times", "three_records"]
)
def test_what_is_decoded_encodes_to_the_same_bytes(name: str) -> None:
    records = [item for item in wire.decode_records(frame(name)) if isinstance(item, Record)]
    assert b"".join(wire.encode_record(record) for record in records) == frame(name)


@pytest.mark.parametrize("name", names("acks"))
def test_golden_acknowledgements_decode_to_what_the_manifest_says(name: str) -> None:
    expected = MANIFEST[name]["outcome"]
    if expected == "ProtocolError":
        with pytest.raises(ProtocolError):
            list(wire.decode_acks(frame(name)))
        return
    assert list(wire.decode_acks(frame(name))) == [
        Ack(
            e["session"],
            e["stream"],
            e["next_seq"],
            e["credit"][0],
            e["credit"][1],
            Code[e["code"]] if e["code"] else 0,
        )
        for e in expected
    ]


@pytest.mark.parametrize("name", names("live"))
def test_golden_live_messages_decode_to_what_the_manifest_says(name: str) -> None:
    message, expected = frame(name), MANIFEST[name]["outcome"]
    header, payload = message[: wire.LIVE.size], message[wire.LIVE.size :]
    if expected == "ProtocolError":
        with pytest.raises(ProtocolError):
            wire.decode_live(header, payload)
        return
    decoded = wire.decode_live(header, payload)
    assert {k: expected[k] for k in vars(decoded)} == vars(decoded)
    assert wire.encode_live(decoded, payload) == header
    if decoded.what == "wave":
        assert maps.unpack_wave(payload)[1].tolist() == expected["wave"]
    else:
        assert maps.unpack_payload(payload) == expected["payload"]


def test_every_golden_file_stands_in_the_manifest() -> None:
    assert {path.stem for path in FOLDER.glob("*.hex")} == set(MANIFEST)


def test_the_headers_have_the_sizes_of_the_protocol() -> None:
    assert (wire.RECORD.size, wire.ACK_FORMAT.size, wire.LIVE.size) == (64, 40, 56)


def test_a_record_beyond_the_limit_is_too_big_and_the_next_one_is_read() -> None:
    small = Record(wire.DATA, 1, 2, 1, 0, np.ones((1, 1), "<i2"))
    n = wire.MAX_RECORD // 2
    big = Record(wire.DATA, 1, 2, 0, 0, np.zeros((n, 1), "<i2"))
    items = list(wire.decode_records(wire.encode_record(big) + wire.encode_record(small)))
    assert isinstance(items[0], Refused)
    assert items[0].code == Code.TOO_BIG
    assert isinstance(items[1], Record)


def test_records_beyond_the_limit_of_a_message_are_not_read() -> None:
    one = wire.encode_record(Record(wire.GAP, 1, 2, 0, 0, np.empty((0, 1), "<i2")))
    items = list(wire.decode_records(one * (wire.MAX_RECORDS + 5)))
    assert len(items) == wire.MAX_RECORDS + 1
    assert isinstance(items[-1], Refused)
    assert items[-1].code == Code.TOO_BIG


@given(
    values=st.lists(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=3, max_size=3), min_size=1, max_size=20),
    dtype=st.sampled_from(["<i2", "<i4", "<f4", "<f8"]),
    seq=st.integers(0, 2**63 - 1),
    t0_ns=st.integers(-(2**63), 2**63 - 1),
)
def test_any_record_survives_the_round_trip(values: list[list[int]], dtype: str, seq: int, t0_ns: int) -> None:
    record = Record(wire.DATA, 2**63 - 1, 2**32 - 1, seq, 12345, np.array(values, dtype), t0_ns)
    (back,) = wire.decode_records(wire.encode_record(record))
    assert isinstance(back, Record)
    np.testing.assert_array_equal(back.values, record.values)
    assert (back.seq, back.t0_ns, back.session, back.stream) == (seq, t0_ns, 2**63 - 1, 2**32 - 1)


@given(cut=st.integers(0, 200), flip=st.integers(0, 8 * 216 - 1))
def test_one_flipped_bit_is_never_taken_for_a_good_record(cut: int, flip: int) -> None:
    message = bytearray(frame("three_records")[: 216 - cut])
    if flip // 8 >= len(message) or flip % 576 in range(54 * 8, 56 * 8) or flip // 8 % 72 >= 68:
        return  # padding is outside the checksum
    message[flip // 8] ^= 1 << flip % 8
    intact = [wire.encode_record(r) for r in wire.decode_records(frame("three_records")) if isinstance(r, Record)]
    for item in wire.decode_records(bytes(message)):
        assert isinstance(item, Refused) or wire.encode_record(item) in intact


def test_values_of_a_foreign_dtype_are_refused_by_name() -> None:
    with pytest.raises(ProtocolError, match="uint8"):
        wire.encode_record(Record(wire.DATA, 1, 2, 0, 0, np.zeros((1, 1), np.uint8)))


def test_a_live_header_says_what_is_wrong_with_its_length() -> None:
    header = wire.encode_live(LiveHeader("beat", 1, 2, 3, 4, 5), b"x")
    with pytest.raises(ProtocolError, match="57"):
        wire.decode_live(header + b"\0", b"x")
    assert replace(wire.decode_live(header, b"x"), flags=2).flags == 2
    assert struct.unpack_from("<I", header, 48) == (1,)


@pytest.mark.parametrize("name", ["data_i16", "ack", "live_beat"])
def test_a_frame_spelled_out_in_the_documentation_is_the_golden_one(name: str) -> None:
    page = (FOLDER.parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    golden = frame(name)
    blocks = re.findall(rf"```\n({golden[:4].hex()}.*?)```", page, re.DOTALL)
    assert len(blocks) == 1
    spelled = bytes.fromhex("".join(line.split("   ")[0] for line in blocks[0].splitlines()))
    assert golden.startswith(spelled)
    assert len(spelled) == len(golden) or len(spelled) > wire.LIVE.size  # of a payload the first fields


def test_a_record_spelled_for_another_handle_keeps_everything_else() -> None:
    (before,) = wire.decode_records(frame("data_times"))
    (after,) = wire.decode_records(wire.readdress(frame("data_times"), 99, wire.RESEND))
    assert isinstance(before, Record)
    assert isinstance(after, Record)
    assert (after.stream, after.flags, after.seq) == (99, before.flags | wire.RESEND, before.seq)
    np.testing.assert_array_equal(after.values, before.values)
