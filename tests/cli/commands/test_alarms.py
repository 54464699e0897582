"""Alarms from the command line."""

import json

import numpy as np
import pytest

from tests.cli.conftest import vitalcore
from vitalcore.fixtures.recordings import heart
from vitalcore.streams.gateway.gateway import Gateway

KEY = "cli-alarms/p1/monitor/ecg"


def test_alarms_are_listed_acknowledged_and_limited(endpoints: dict[str, str]) -> None:
    control = endpoints["control"]
    with Gateway(endpoints["ingest"]) as gateway:
        stream = gateway.open(KEY, "ecg", 250)
        gateway.send(stream, heart(20, 130).astype(np.float32))
        assert gateway.drain(60)
        done = vitalcore("alarms", control, "--prefix", "cli-alarms/", "--ack", KEY, "heart_rate_high")
        assert done.returncode == 0, done.stderr
        assert f"{KEY}: heart_rate_high is acknowledged" in done.stdout
        assert "** heart rate above its limit, 130 (limit 120), since" in done.stdout
        gateway.send(stream, heart(2, 130).astype(np.float32))
        assert gateway.drain(20)
        (line,) = vitalcore("alarms", control, "--prefix", "cli-alarms/", "--json").stdout.splitlines()
        assert json.loads(line)["state"] == "acknowledged"
        done = vitalcore("alarms", control, "--set", KEY, "heart_rate_high_per_min=150")
        assert f"{KEY}: heart_rate_high_per_min is 150" in done.stdout
        gateway.send(stream, heart(10, 130).astype(np.float32))
        assert gateway.drain(20)
        assert vitalcore("alarms", control, "--prefix", "cli-alarms/").stdout == "no alarm stands\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--ack", "nobody/p1/monitor/ecg", "asystole"), "there is no stream nobody/p1/monitor/ecg"),
        (("--set", "nobody/p1/monitor/ecg", "asystole_s=4"), "there is no stream"),
    ],
)
def test_what_cant_be_is_one_line(endpoints: dict[str, str], arguments: tuple[str, ...], words: str) -> None:
    done = vitalcore("alarms", endpoints["control"], *arguments)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


def test_without_an_engine_it_says_so_in_one_line() -> None:
    done = vitalcore("alarms", "tcp://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("vitalcore: no engine answers at tcp://127.0.0.1:9")
    assert len(done.stderr.splitlines()) == 1
