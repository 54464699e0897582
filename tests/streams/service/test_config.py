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
