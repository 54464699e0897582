"""warmup."""

import pytest
from click.testing import CliRunner

from vitalcore.cli.commands.warmup import warm_up
from vitalcore.cli.main import main


def test_each_part_is_run_once() -> None:
    done: list[int] = []
    assert warm_up([("a", lambda: done.append(1)), ("b", lambda: done.append(2))]) == 2
    assert done == [1, 2]


def test_the_command_tells_where_machine_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitalcore.warm.operators", list)
    said = CliRunner().invoke(main, ["warmup"])
    assert said.exit_code == 0
    assert "machine code is kept in" in said.output
