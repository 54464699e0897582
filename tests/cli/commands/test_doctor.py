"""doctor."""

import json

import pytest
from click.testing import CliRunner

from vitalcore.cli import health
from vitalcore.cli.main import main


def test_on_a_machine_that_is_well_it_says_so() -> None:
    said = CliRunner().invoke(main, ["doctor"])
    assert said.exit_code == 0
    assert said.output.splitlines()[-1] == "All is well."
    assert "libzmq" in said.output


def test_what_is_wrong_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECKS", (lambda: health.Check("thing", "broken", "mend it"),))
    said = CliRunner().invoke(main, ["doctor"])
    assert said.exit_code == 1
    assert "WRONG thing: broken\n      mend it" in said.output


def test_a_machine_can_read_it() -> None:
    said = CliRunner().invoke(main, ["doctor", "--json"])
    assert {check["name"] for check in json.loads(said.output)} >= {"Python", "numba", "libzmq"}
