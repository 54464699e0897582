"""An engine's config: what it may say, how an error names its place, and that every option is said once."""

import re
from pathlib import Path

import pytest

from vitalcore.errors import ParameterError, ReadError
from vitalcore.streams.service import config
from vitalcore.streams.service.config import Config, parse, read

HERE = Path("/somewhere/engine.toml")


def test_the_example_names_every_option_and_changes_nothing() -> None:
    text = config.example()
    assert parse(text, HERE) == Config()
    bare = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.M)
    made = parse(bare, HERE)
    assert made.journal == Path("/somewhere/journal.db")
    assert made.http == "127.0.0.1:7480"
    assert len(re.findall(r"^\w+ = ", bare, re.M)) == len(config.options())


def test_what_is_given_goes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "engine.toml"
    path.write_text('[engine]\nmax_streams = 10\n[log]\nlevel = "error"\n[journal]\npath = "kept/j.db"\n')
    assert read(path, {}) == Config(max_streams=10, log_level="error", journal=tmp_path / "kept" / "j.db")
    assert read(path, {"max_streams": 20}).max_streams == 20
    assert read(None, {"max_streams": 20}) == Config(max_streams=20)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[engine]\nmax_streams = 70000", "line 2: .*max_streams is 70000; it must be a whole number from 1 to 65536"),
        ("[engine]\nmax_streams = 1.5", "line 2: .*max_streams is 1.5"),
        ("[engine]\n\nmemory_mb = 0", "line 3: .*memory_mb is 0; it must be a number from 1 to"),
        ("[engine]\nmax_steams = 7", r"line 2: \[engine\] there is no max_steams \(is max_streams meant\?\)"),
        ("[jurnal]\npath = 'x'", r"line 1: there is no jurnal \(is journal meant\?\); there are engine, journal"),
        ("[engine]\ningest = 'localhost'", "line 2: .*ingest is 'localhost'; .*no endpoint such as tcp://"),
        ("[http]\nlisten = '7480'", "line 2: .*listen is '7480'; it must be an address and a port"),
        ("[http]\nanywhere = 1", "line 2: .*anywhere is 1; it must be true or false"),
        ("[log]\nformat = 'xml'", "line 2: .*format is 'xml'; it must be one of text, json"),
        ("[journal]\nack = 'received'", "line 2: .*ack is 'received'; it must be one of journaled, fsynced"),
        ("[security]\nkeys = 7", "line 2: .*keys is 7; it must be a text"),
    ],
)
def test_an_error_names_the_file_the_line_the_key_the_limit_and_the_value(text: str, words: str) -> None:
    with pytest.raises(ParameterError, match=f"/somewhere/engine.toml, {words}"):
        parse(text, HERE)


def test_the_unit_of_systemd_starts_the_engine_with_options_there_are() -> None:
    unit = (Path(__file__).resolve().parents[3] / "packaging" / "vitalcore.service").read_text()
    (command,) = re.findall(r"^ExecStart=\S+/vitalcore serve (.*)$", unit, re.M)
    given = {flag.removeprefix("--").replace("-", "_") for flag in command.split()[::2]}
    assert given <= {"config", *config.options()}
    for line in ("Type=notify", "Restart=on-failure", "StateDirectory=vitalcore", "NoNewPrivileges=yes"):
        assert f"{line}\n" in unit


def test_a_file_that_is_not_there_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"none\.toml"):
        read(tmp_path / "none.toml", {})
    with pytest.raises(ReadError, match=r"engine\.toml: this is no TOML .*line 1"):
        parse("x = \n", HERE)


def test_a_file_of_shorter_ages_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keep.toml"
    path.write_text('"home/" = 2\n"home/p2" = 0.5\n')
    read_ = config.keep(Config(keep_days=7.0, keep=path))
    assert (read_.age_s, read_.streams) == (7 * 86400, {"home/": 2 * 86400, "home/p2/": 43200})
    ages = [read_.of(key) for key in ("home/p2/chest/ecg", "home/p21/chest/ecg", "icu/p1/bed/ecg")]
    assert ages == [43200, 2 * 86400, 7 * 86400]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"home/" = 2\n"icu/" = 8', "line 2: icu/ is 8; it must be a number from 0.01 to 7"),
        ('"home/" = "long"', "line 1: home/ is 'long'; it must be a number"),
        ("[home]\ndays = 2", r"line 1: home is \{'days': 2\}; it must be a number"),
        ('"a b" = 2', "line 1: 'a b' is not the beginning of a stream key, such as home/"),
    ],
)
def test_an_error_in_a_file_of_shorter_ages_names_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "keep.toml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=f"{path}, {words}"):
        config.keep(Config(keep=path))
