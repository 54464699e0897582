"""Tests of the options that say what a file can't."""

from fractions import Fraction

import click
import pytest
from click.testing import CliRunner

from vitalcore.cli.options import hints


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
