"""Folders, links, packages and import contracts stay in step."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FLOORS = ("kernels", "streams", "cli", "fixtures")


def folder_of(package: str) -> Path:
    dirs = PROJECT["tool"]["setuptools"]["package-dir"]
    return ROOT / dirs.get(package, package.replace(".", "/"))


def test_each_floor_at_the_top_is_linked_into_the_package() -> None:
    for floor in FLOORS:
        link = ROOT / "vitalcore" / floor
        assert link.is_symlink()
        assert link.resolve() == ROOT / floor


def test_every_folder_of_code_is_a_named_package() -> None:
    found = {
        path.parent.resolve()
        for top in ("vitalcore", *FLOORS)
        for path in (ROOT / top).rglob("*.py")
        if "__pycache__" not in path.parts
    }
    assert found == {folder_of(package).resolve() for package in PROJECT["tool"]["setuptools"]["packages"]}


def test_every_module_has_its_floor() -> None:
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name.strip().removeprefix("vitalcore.") for layer in layers for name in re.split(r"[|:]", layer)}
    modules = {path.stem for path in (ROOT / "vitalcore").glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in (ROOT / "vitalcore").glob("*/__init__.py")}
    assert named == modules | packages


def test_each_file_of_code_has_a_test_file_of_its_name() -> None:
    for top in ("vitalcore", *FLOORS):
        for path in (ROOT / top).rglob("*.py"):
            name = path.relative_to(ROOT)
            if path.stem.startswith("__") or str(name) in UNTESTED_ALONE:
                continue
            assert (ROOT / "tests" / name.with_name(f"test_{name.name}")).is_file(), f"{name} has no test file"


def test_a_folder_holds_at_most_15_modules() -> None:
    for package in PROJECT["tool"]["setuptools"]["packages"]:
        modules = [path.name for path in folder_of(package).glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 15, f"{package}: {len(modules)} modules"


# nothing but numbers, names and signals for tests, and the table of CSV and Parquet: the tests of those who use them
# test them
UNTESTED_ALONE = {
    "fixtures/ecg_signals.py",
    "fixtures/pulsatile.py",
    "fixtures/recordings.py",
    "fixtures/signals.py",
    "kernels/core/codes.py",
    "kernels/core/finding.py",
    "vitalcore/readers/table.py",
    "vitalcore/scoring/marks.py",
}
