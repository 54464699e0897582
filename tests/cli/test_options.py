"""Tests of the options that say what a file can't."""

from fractions import Fraction
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from vitalcore.cli.options import client, client_keys, hints
from vitalcore.streams.protocol import keys


@click.command()
@hints
def show(signal: str | None, fs_hz: Fraction | None, columns: tuple[str, ...]) -> None:
    click.echo(f"{signal} {fs_hz} {columns}")


@pytest.mark.parametrize(
    ("text", "rate"), [("250", "250"), ("62.5", "125/2"), ("62,5", "125/2"), ("125/2", "125/2"), ("1e3", "1000")]
)
def test_rates_are_exact_fractions(text: str, rate: str) -> None:
    assert CliRunner().invoke(show, ["--fs", text]).output == f"None {rate} ()\n"


@pytest.mark.parametrize("text", ["0", "-1", "1/0", "fast", "1e9", "nan", "inf"])
def test_what_is_no_rate_is_refused_with_what_to_write(text: str) -> None:
    done = CliRunner().invoke(show, ["--fs", text])
    assert done.exit_code == 2
    assert "rate" in done.output


def test_columns_can_be_named_repeatedly() -> None:
    done = CliRunner().invoke(show, ["--signal", "ecg", "--column", "II", "--column", "V5"])
    assert done.output == "ecg None ('II', 'V5')\n"


def test_an_unknown_signal_is_refused() -> None:
    assert CliRunner().invoke(show, ["--signal", "eeg"]).exit_code == 2


def test_the_keys_of_a_client_are_read_from_their_files(tmp_path: Path) -> None:
    ours, engine = keys.make(), keys.make()
    own, _ = keys.write(ours, tmp_path, "viewer")
    _, public = keys.write(engine, tmp_path, "engine")

    @click.command()
    @client_keys
    def connect(own: Path | None, server_key: str | None) -> None:
        click.echo(str(client(own, server_key) == {"keys": ours, "server_key": engine.public}))

    assert CliRunner().invoke(connect, ["--keys", str(own), "--server-key", str(public)]).output == "True\n"
    assert client(None, None) == {}
