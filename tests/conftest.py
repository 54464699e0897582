"""What all tests share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

ROOT = Path(__file__).resolve().parent.parent
WAITING = ("cli", "streams", "examples", "test_faults.py", "test_readme.py", "test_security_page.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let two processes share the tests: those that wait for engines go one after the other, the others by file."""
    for item in items:
        first = item.path.relative_to(ROOT).parts[1]
        item.add_marker(pytest.mark.xdist_group("waiting" if first in WAITING else str(item.path)))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say what the tests have counted, in whichever process they ran."""
    reports = [each for some in terminalreporter.stats.values() for each in some if getattr(each, "when", "") == "call"]
    told = [str(value) for report in reports for name, value in report.user_properties if name == "told"]
    if told:
        terminalreporter.section("counted")
        for line in told:
            terminalreporter.write_line(line)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[object], None]:
    """Let a test have a line said when all are through."""
    return lambda line: record_property("told", str(line))


@pytest.fixture(scope="session")
def data() -> Path:
    """Find the real recordings, or skip: they are no part of the repository."""
    folder = Path(os.environ.get("VITALCORE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("needs the real recordings: set VITALCORE_DATA to their folder")
    return folder
