"""Health over HTTP: what it says, to whom, and that who asks wrongly harms nobody."""

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import cast

import pytest

from tests.streams.conftest import Running, wait_for
from vitalcore.errors import ParameterError
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.service import http


class Still:
    """An engine in the state that a test wants."""

    def __init__(self, ready: bool = True, age_s: float = 0.0, stopping: bool = False, storage: str = "ok") -> None:
        self.ready, self.stopping, self.storage, self._age_s = self, stopping, storage, age_s
        self._is_ready = ready

    def is_set(self) -> bool:
        return self._is_ready

    def loop_age_s(self) -> float:
        return self._age_s


def engine(**state: object) -> Engine:
    return cast(Engine, Still(**state))  # type: ignore[arg-type]


@pytest.fixture
def server(running: Running) -> Iterator[http.Server]:
    made = http.Server(running.engine, "127.0.0.1:0")
    yield made
    made.close()


def test_health_is_a_loop_that_turns() -> None:
    assert http.health(engine()) == (True, "ok")
    assert http.health(engine(age_s=7.25)) == (False, "the loop has not turned for 7.2 s")
    assert http.health(engine(ready=False, age_s=60.0)) == (True, "starting")


def test_a_loop_that_stands_still_is_not_healthy(
    running: Running, server: http.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status() -> int:
        try:
            return int(urllib.request.urlopen(server.url + "/healthz", timeout=10).status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0  # turned away: threads of earlier answers have not ended yet

    monkeypatch.setattr(http, "ALIVE_S", 0.5)
    held = threading.Event()
    monkeypatch.setattr(running.engine._live.readers, "sweep", lambda: held.wait(20))  # once a second
    assert wait_for(lambda: status() == 503, 15)
    held.set()
    assert wait_for(lambda: status() == 200)


def test_readiness_says_what_is_lacking() -> None:
    assert http.readiness(engine()) == (True, "ready")
    assert http.readiness(engine(ready=False))[0] is False
    assert http.readiness(engine(stopping=True)) == (False, "shutting down")
    assert http.readiness(engine(storage="disk full")) == (True, "ready, and storage is degraded: disk full")
    assert http.readiness(engine(age_s=9.0))[0] is False


def test_an_address_that_leaves_this_machine_must_be_allowed_and_is_told_what_it_shows(running: Running) -> None:
    with pytest.raises(ParameterError, match=r"0\.0\.0\.0:0 leaves this machine, and shows .* names of the sites"):
        http.Server(running.engine, "0.0.0.0:0")
    made = http.Server(running.engine, "0.0.0.0:0", anywhere=True)
    made.close()


@pytest.mark.parametrize("listen", ["7480", "localhost:x", ":80", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_named(running: Running, listen: str) -> None:
    with pytest.raises(ParameterError, match=f"http: .*{listen}"):
        http.Server(running.engine, listen)


def test_a_port_that_is_taken_is_named(running: Running, server: http.Server) -> None:
    with pytest.raises(ParameterError, match="can't bind"):
        http.Server(running.engine, server.url.removeprefix("http://"))


def test_nobody_who_says_nothing_or_too_much_keeps_others_from_an_answer(server: http.Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(http.MAX_ASKING + 4)]
    silent[0].sendall(b"GET /" + b"x" * 100_000)
    end = http.PATIENCE_S * 5
    for each in silent:
        each.settimeout(end)
        while True:  # every one of them is let go
            try:
                if not each.recv(4096):
                    break
            except ConnectionResetError:
                break
        each.close()
    with urllib.request.urlopen(server.url + "/healthz", timeout=10) as answer:
        assert answer.read() == b"ok\n"


def test_what_is_not_there_is_404_and_only_get_is_answered(server: http.Server) -> None:
    for path, data, status in (("/x", None, 404), ("/healthz", b"x", 501)):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(server.url + path, data, timeout=10)
        assert error.value.code == status
