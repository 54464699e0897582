"""Options that several commands share: what a file can't say about itself, and the keys of a client."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import click

SIGNALS = ("ecg", "ppg", "abp", "resp", "face", "ear")
WHO_ANSWERS = "is `vitalcore serve` running, and if it has keys, does it know ours?"
F = TypeVar("F", bound=Callable[..., Any])


class Rate(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic only in later versions
    """Take a rate such as 250, 62.5 or 125/2."""

    name = "HZ"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Read the rate as an exact fraction."""
        if isinstance(value, Fraction):
            return value
        try:
            rate = Fraction(str(value).replace(",", "."))
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is not a rate; write 250, 62.5 or 125/2", param, ctx)
        if not 0 < rate <= 100_000:
            self.fail(f"{value} Hz; a rate lies above 0 and not above 100000 Hz", param, ctx)
        return rate


def hints(command: F) -> F:
    """Add --signal, --fs and --column to a command."""
    for option in (
        click.option(
            "--column", "columns", multiple=True, metavar="NAME", help="Take this column (or number). Repeatable."
        ),
        click.option("--fs", "fs_hz", type=Rate(), help="Rate in Hz, where the file doesn't say it: 250, 62.5, 125/2."),
        click.option(
            "--signal", type=click.Choice(SIGNALS), help="What the columns are, where their names don't say it."
        ),
    ):
        command = option(command)
    return command


def client_keys(command: F) -> F:
    """Add --keys and --server-key to a command that connects to an engine; `client` makes of them what it says."""
    for option in (
        click.option("--server-key", default=None, metavar="FILE", help="The engine's public key, where it has keys."),
        click.option("--keys", "own", type=click.Path(path_type=Path), help="Our private key file, likewise."),
    ):
        command = option(command)
    return command


def client(own: Path | None, server_key: str | Path | None) -> dict[str, Any]:
    """Read the keys that a Gateway or a Subscriber takes.

    Errors: ParameterError
    """
    if own is None and server_key is None:
        return {}
    from vitalcore.streams.protocol import keys

    public = None if server_key is None else keys.read_public(server_key)
    return {"keys": None if own is None else keys.read(own), "server_key": public}
