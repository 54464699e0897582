"""Which version this is."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as of_package


def version() -> str:
    """Tell the installed version; of a work tree that isn't installed, that."""
    try:
        return of_package("vitalcore")
    except PackageNotFoundError:
        return "0+uninstalled"
