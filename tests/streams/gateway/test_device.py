"""A gateway's config: what it may say, and how an error names its place."""

from fractions import Fraction
from pathlib import Path

import pytest

from vitalcore.errors import ParameterError, ReadError
from vitalcore.streams.gateway import device
from vitalcore.streams.gateway.device import parse, read
from vitalcore.streams.protocol.maps import Channel

HERE = Path("/somewhere/my.toml")
STREAM = """
[[stream]]
key = "home/p1/chest/ecg"
kind = "ecg"
fs_hz = 250
unit = "mV"
columns = [1]
"""
GOOD = f'\n[input]\nfrom = "stdin"\n{STREAM}'


def test_the_example_is_a_config_and_says_of_everything_what_it_is(tmp_path: Path) -> None:
    made = parse(device.example(), HERE)
    assert made.spool == Path("/somewhere/gateway-spool.db")
    assert made.lanes[0].columns == ("II",)
    # with every comment that holds a setting taken away it names all keys there are
    names = "ack resume max_hours synchronous separator time_unit port baud sync speed channels labels scale offset"
    for name in names.split():
        assert f"# {name} = " in device.example()


def test_a_short_config_is_enough() -> None:
    made = parse(GOOD, HERE)
    assert (made.engine, made.spool, made.room) == ("tcp://127.0.0.1:7401", None, 16_000_000)
    (lane,) = made.lanes
    assert (lane.fs_hz, lane.channels, lane.dtype) == (Fraction(250), (Channel("", "mV"),), "f32")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('from = "stdin"', 'from = "usb"', "line 3: .*from is 'usb'; it must be one of stdin, serial, file"),
        ("fs_hz = 250", "fs_hz = -1", "line 8: .*fs_hz is -1; .*above 0"),
        ("fs_hz = 250", 'fs_hz = "a/0"', "line 8: .*fs_hz"),
        ("fs_hz = 250", "", r"line 5: \[stream\] fs_hz is missing"),
        ("columns = [1]", "columns = [0]", "line 10: .*columns is .0"),
        ("columns = [1]", "", "columns is missing"),
        ("columns = [1]", "columns = [1]\nlabels = ['a', 'b']", "line 11: .*labels are 2; the stream has 1"),
        ("home/p1/chest/ecg", "home/p1/ecg", "line 6: .*key is 'home/p1/ecg'"),
        ('kind = "ecg"', 'kind = "eeg"', "line 7: .*kind is 'eeg'"),
        ('unit = "mV"', "scale = 0", "line 9: .*scale is 0"),
        ('unit = "mV"', 'dtype = "i16"', "line 9: .*dtype is 'i16'; it must be one of f32, f64"),
        ("[input]", "engnie = 'x'\n[input]", r"line 2: there is no engnie \(is engine meant\?\); there are engine"),
        ("[input]", "[spool]\nmax_mb = 1\n[input]", r"\[spool\] path is missing"),
        ("[input]", "[spool]\npath = 's'\nmax_mb = 'x'\n[input]", "line 4: .*max_mb is 'x'; .* from 0.1"),
        ("[input]", "[keys]\nown = 'k'\n[input]", r"line 3: \[keys\] own and engine"),
        ("[input]", "resume = 'newest'\n[input]", "line 2: resume is 'newest'; it must be one of in_order"),
        ("[input]", "[other]", "there is no other"),
        ('from = "stdin"', 'from = "file"\npath = "x"\nplace = "home"', "line 5: .*place is 'home'"),
        ('from = "stdin"', 'from = "file"\npath = "x"\nplace = "a/b/c"', "line 7: .*must not be there"),
        ('from = "stdin"', 'from = "stdin"\nsync = "xyz"', "line 4: .*sync is 'xyz'"),
        ('from = "stdin"', 'from = "stdin"\nseparator = "1"', "line 4: .*separator is '1'"),
        ('from = "stdin"', 'from = "stdin"\nport = "/dev/x"', "there is no port"),
        ('from = "stdin"', 'from = "stdin"\ntime = 0', "line 4: .*time is 0"),
    ],
)
def test_an_error_names_the_line_the_key_the_limit_and_the_value(old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(ParameterError, match=f"/somewhere/my.toml, {words}" if words.startswith("line") else words):
        parse(GOOD.replace(old, new), HERE)


def test_the_second_of_two_streams_is_named_by_its_own_line() -> None:
    second = GOOD[GOOD.index("[[stream]]") :]
    with pytest.raises(ParameterError, match=r"line 12: .*twice"):
        parse(GOOD + second, HERE)
    with pytest.raises(ParameterError, match=r"line 14: .*fs_hz differs"):
        parse(GOOD + second.replace("p1", "p2").replace("250", "500"), HERE)


def test_what_is_no_toml_or_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no TOML"):
        parse("engine = ", HERE)
    with pytest.raises(ReadError, match="can't be read"):
        read(tmp_path / "nothing.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ReadError, match="can't be read"):
        read(tmp_path / "bytes.toml")


TEXTS = ["input = 3", "stream = 3", "[input]\nfrom = 3", "[input]\nfrom = 'stdin'", "engine = ''"]


@pytest.mark.parametrize("text", TEXTS)
def test_values_of_the_wrong_type_are_one_clear_error(text: str) -> None:
    with pytest.raises(ParameterError, match=r"my\.toml, line"):
        parse(text, HERE)
