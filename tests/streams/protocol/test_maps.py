"""Control messages: every field has its rule, and a peer's numbers allocate nothing."""

import contextlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.streams.frames import MANIFEST, frame, names
from vitalcore.errors import ProtocolError
from vitalcore.operator import Signal
from vitalcore.streams.protocol import maps, wire
from vitalcore.streams.protocol.maps import Channel, Open


@pytest.mark.parametrize("name", names("map"))
def test_a_golden_map_reads_as_the_manifest_says(name: str) -> None:
    if MANIFEST[name]["outcome"] == "ProtocolError":
        with pytest.raises(ProtocolError):
            maps.unpack(frame(name))
    else:
        assert maps.unpack(frame(name)) == MANIFEST[name]["outcome"]


@pytest.mark.parametrize("name", names("open"))
def test_a_golden_open_reads_as_the_manifest_says(name: str) -> None:
    fields = maps.unpack(frame(name))
    if MANIFEST[name]["outcome"] == "ProtocolError":
        with pytest.raises(ProtocolError):
            maps.read_open(fields)
    else:
        opened = maps.read_open(fields)
        assert (opened.key, opened.rate) == ("icu/p7/monitor/ecg", Fraction(125, 2))
        assert opened.channels == (Channel("II", "mV", 0.005, 0.0),)


def test_open_survives_the_round_trip_and_equal_channels_are_sent_once() -> None:
    face = tuple(Channel("landmark", "1", 1.0, 0.0) for _ in range(1434))
    opened = Open("room/p1/camera/face", 9, "face", None, face, 3, "ptp", meta={"points": 478})
    message = maps.write_open(opened)
    assert maps.read_open(maps.unpack(message)) == opened
    assert len(message) < 400


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_the_protocol_error(message: bytes) -> None:
    for head in (b"", b"\x82\xa4type\xa4OPEN"):
        with contextlib.suppress(ProtocolError):
            assert maps.read_open(maps.unpack(head + message)).channels


@pytest.mark.parametrize("message", [b"\x80", b"\x8f", b"\xde", b"\xdf"])
def test_a_map_is_known_by_its_first_byte(message: bytes) -> None:
    assert maps.is_map(message)
    assert not maps.is_map(b"VCD1")
    assert not maps.is_map(b"")


def test_a_message_beyond_the_limit_is_not_read() -> None:
    with pytest.raises(ProtocolError, match="1048576"):
        maps.unpack(bytes(wire.MAX_MESSAGE + 1))


def test_a_wave_whose_samples_are_missing_is_refused() -> None:
    payload = maps.pack_wave(Signal("ecg", Fraction(250), ("I", "II"), "mV"), np.ones((3, 2)))
    assert maps.unpack_wave(payload)[1].shape == (3, 2)
    with pytest.raises(ProtocolError, match="3 samples"):
        maps.unpack_wave(payload[:-4])


def test_a_wave_of_a_variable_rate_carries_its_times() -> None:
    times = np.array([10**18, 10**18 + 33])
    fields, samples = maps.unpack_wave(maps.pack_wave(Signal("face", None, ("a",), "1"), np.ones((2, 1)), times))
    assert fields["t_ns"].tolist() == times.tolist()
    assert samples.tolist() == [[1.0], [1.0]]
