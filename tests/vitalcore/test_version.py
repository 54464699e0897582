"""Tests of the version."""

import importlib.metadata

import pytest

from vitalcore import version


def test_it_is_the_installed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "of_package", lambda name: f"1.2.3 of {name}")
    assert version.version() == "1.2.3 of vitalcore"


def test_a_work_tree_that_isnt_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(version, "of_package", missing)
    assert version.version() == "0+uninstalled"
