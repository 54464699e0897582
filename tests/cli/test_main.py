"""Tests of the command line as a whole."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from vitalcore.cli.main import COMMANDS, main


def test_help_names_every_command() -> None:
    done = CliRunner().invoke(main, ["--help"])
    assert done.exit_code == 0
    for name, text in COMMANDS.items():
        assert name in done.output
        assert text.split()[0] in done.output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from vitalcore.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'numpy', 'numba', 'scipy', 'pandas', 'zmq', 'matplotlib', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_has_help(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0
    assert "Usage:" in done.output


def test_an_unknown_command_is_a_usage_error_that_names_those_there_are() -> None:
    done = CliRunner().invoke(main, ["analyse"])
    assert done.exit_code == 2
    assert "analyze" in done.output


def test_the_version_is_told() -> None:
    done = CliRunner().invoke(main, ["--version"])
    assert done.exit_code == 0
    assert done.output.startswith("vitalcore ")
