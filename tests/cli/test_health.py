"""What doctor looks at."""

from pathlib import Path

import pytest

from vitalcore.cli import health


def test_a_machine_that_runs_these_tests_is_well() -> None:
    assert [check.name for check in health.checks() if not check.ok] == []


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "NEEDED", ("numpy", "no-such-package"))
    assert health.packages().remedy == "install no-such-package"


def test_interpreted_kernels_are_called_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert "NUMBA_DISABLE_JIT" in health.compiler().remedy


def test_an_old_libzmq_is_called_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zmq.zmq_version_info", lambda: (4, 3, 2))
    assert "4.3.3 or newer" in health.zmq().remedy


def test_a_cache_that_can_not_be_written_is_called_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VITALCORE_CACHE", str(tmp_path))
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "VITALCORE_CACHE" in health.kernel_cache().remedy
