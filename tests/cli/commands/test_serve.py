"""An engine on the command line."""

from pathlib import Path

from tests.cli.conftest import vitalcore


def test_an_address_that_leaves_this_machine_is_refused_in_one_line() -> None:
    done = vitalcore("serve", "--ingest", "tcp://0.0.0.0:7401")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "0.0.0.0" in done.stderr


def test_a_port_that_is_taken_is_named_in_one_line(endpoints: dict[str, str]) -> None:
    done = vitalcore("serve", "--ingest", endpoints["ingest"])
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert endpoints["ingest"] in done.stderr


def test_limits_that_cant_be_are_refused_in_one_line_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text('[streams."icu/p7/"]\nheart_rate_high_per_min = 400\n')
    done = vitalcore("serve", "--limits", str(path))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"{path}, streams 'icu/p7/': heart_rate_high_per_min is 400 /min" in done.stderr


def test_the_example_config_can_be_used_and_a_wrong_one_is_one_line(tmp_path: Path) -> None:
    done = vitalcore("serve", "--example-config")
    path = tmp_path / "engine.toml"
    path.write_text(done.stdout + "levle = 'info'\n")
    done = vitalcore("serve", "--config", str(path))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"{path}, line " in done.stderr
    assert "[log] there is no levle (is level meant?); there are format, level" in done.stderr


def test_health_that_leaves_this_machine_says_what_it_would_show() -> None:
    ends = [part for name in ("ingest", "live", "control") for part in (f"--{name}", "tcp://127.0.0.1:*")]
    done = vitalcore("serve", *ends, "--http", "0.0.0.0:0")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "shows whoever reaches it the names of the sites" in done.stderr
