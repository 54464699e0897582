"""An engine's config: every option once, with its default, its bounds and what it means.

The file, its example and the options of `vitalcore serve` are all made from the fields of `Config`.
"""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from vitalcore.errors import ParameterError
from vitalcore.streams.journal.journal import LEVELS
from vitalcore.streams.journal.retention import DAY_S, Keep
from vitalcore.streams.process import toml
from vitalcore.streams.protocol import sockets
from vitalcore.streams.security.rights import prefixes

FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")

_HTTP = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}", re.ASCII)
_DAYS = 0.01, 36500.0
_HEAD = """\
# An engine's config. `vitalcore serve --example-config > engine.toml` writes this file, `vitalcore serve --config
# engine.toml` runs it. What is commented out shows what holds without it, or an example where nothing does. Options on
# the command line go before those of the file. Paths are relative to this file. (live): read again at SIGHUP; the rest
# holds from the next start on.
"""


@dataclass(frozen=True)
class Option:
    """Say where a field of `Config` stands in the file, what it means, and what it may be.

    example : of a file that is none by default
    without : what holds then
    live    : it may change while the engine runs
    """

    table: str
    key: str
    meaning: str
    unit: str = ""
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    example: str = ""
    without: str = ""
    live: bool = False


@dataclass(frozen=True)
class Config:
    """Hold what an engine is started with."""

    ingest: Annotated[str, Option("engine", "ingest", "Where gateways send samples.")] = sockets.INGEST
    live: Annotated[str, Option("engine", "live", "Where subscribers hear results.")] = sockets.LIVE
    control: Annotated[str, Option("engine", "control", "Where they ask for more.")] = sockets.CONTROL
    max_streams: Annotated[int, Option("engine", "max_streams", "Streams at a time.", bounds=(1, 65536))] = 8192
    workers: Annotated[
        int,
        Option(
            "engine",
            "workers",
            "Processes that share the streams, all of a subject in one. From 2 on gateways need the ports from 10 above"
            " that of ingest too, and each process has a journal and a log of its own (journal.1-of-4.db). Journals of"
            " another number must not lie there.",
            bounds=(1, 32),
        ),
    ] = 1
    memory_mb: Annotated[
        float,
        Option("engine", "memory_mb", "Samples under way, over all streams.", unit="MiB", bounds=(1.0, 1e6)),
    ] = 512.0
    limits: Annotated[
        Path | None,
        Option(
            "engine",
            "limits",
            "TOML file of alarm limits, by preset and by the beginning of a stream's key.",
            example="limits.toml",
            without="adult",
            live=True,
        ),
    ] = None
    journal: Annotated[
        Path | None,
        Option(
            "journal",
            "path",
            "SQLite file that keeps samples and results and survives a crash.",
            example="journal.db",
            without="none; nothing is stored",
        ),
    ] = None
    ack: Annotated[
        str,
        Option(
            "journal",
            "ack",
            "What an acknowledgement survives, with a journal: the engine's end, or loss of power.",
            choices=tuple(LEVELS),
        ),
    ] = "journaled"
    keep_days: Annotated[float, Option("journal", "keep_days", "Age of what is kept.", unit="days", bounds=_DAYS)] = 7.0
    keep: Annotated[
        Path | None,
        Option(
            "journal",
            "keep",
            'TOML file of fewer days for some streams, by the beginning of their keys: "home/" = 2. The longest that'
            " fits counts.",
            example="keep.toml",
            without="none; keep_days is for all",
        ),
    ] = None
    keep_gb: Annotated[float, Option("journal", "keep_gb", "Size of the journal.", unit="GiB", bounds=(0.01, 1e6))] = (
        16.0
    )
    keys: Annotated[
        Path | None,
        Option(
            "security",
            "keys",
            "The engine's private key file: every client needs a key.",
            example="engine.key",
            without="none; only this machine is served",
        ),
    ] = None
    rights: Annotated[
        Path | None,
        Option(
            "security",
            "rights",
            "TOML file of the clients and their rights; goes with keys, and is followed as it changes.",
            example="rights.toml",
            without="none",
        ),
    ] = None
    audit: Annotated[
        Path | None,
        Option(
            "security",
            "audit",
            "Log of who did what; `vitalcore audit verify` checks it.",
            example="audit.jsonl",
            without="none",
        ),
    ] = None
    audit_mb: Annotated[
        float,
        Option(
            "security",
            "audit_mb",
            "Size from which the audit log goes on in a new file; nine older ones stay (audit.jsonl.1 to .9).",
            unit="MiB",
            bounds=(0.01, 1e6),
        ),
    ] = 64.0
    http: Annotated[
        str,
        Option(
            "http",
            "listen",
            "Address of /healthz, /readyz and /metrics, such as 127.0.0.1:7480.",
            example="127.0.0.1:7480",
            without="none",
        ),
    ] = ""
    http_anywhere: Annotated[
        bool,
        Option(
            "http",
            "anywhere",
            "Let that address leave this machine: whoever reaches it sees, without a key, the names of the sites and"
            " how many streams, samples and refusals there are.",
        ),
    ] = False
    log: Annotated[str, Option("log", "format", "Form of the log on standard error.", choices=FORMATS)] = "text"
    log_level: Annotated[
        str, Option("log", "level", "From which level on it is told.", choices=LOG_LEVELS, live=True)
    ] = "info"


def options() -> dict[str, tuple[Option, Any, type]]:
    """List the fields of `Config` with what is known of each, its default and its type: str, int, float, bool, Path."""
    listed = {}
    for name, hint in get_type_hints(Config, include_extras=True).items():
        kind, option = get_args(hint)
        listed[name] = (option, getattr(Config, name), (get_args(kind) or (kind,))[0])
    return listed


def read(path: Path | None, given: Mapping[str, Any]) -> Config:
    """Read a config.

    path  : of the file; None: there is none
    given : what goes before the file, by the names of the fields

    Errors: ReadError; ParameterError naming the file, the line, the key, its limit and its value.
    """
    if path is None:
        return Config(**given)
    return parse(toml.text_of(path), path.resolve(), given)


def parse(text: str, path: Path, given: Mapping[str, Any] | None = None) -> Config:
    """Understand the text of a config.

    Errors: ReadError, ParameterError
    """
    top = toml.parse(text, path)
    known = options()
    keys: dict[str, list[str]] = {}
    for option, _, _ in known.values():
        keys.setdefault(option.table, []).append(option.key)
    top.only(*keys)
    tables = {name: top.table(name) for name in keys}
    for name, table in tables.items():
        table.only(*keys[name])
    values = {name: _value(tables[option.table], option, *rest) for name, (option, *rest) in known.items()}
    return Config(**(values | dict(given or {})))


def keep(config: Config) -> Keep:
    """Return the bounds of what an engine's journal holds.

    Errors: ReadError; ParameterError naming the file of shorter ages, the line, the key, its limit and its value.
    """
    streams = {}
    if config.keep is not None:
        top = toml.parse(toml.text_of(config.keep), config.keep)
        for key in top.content:
            try:
                (prefix,) = prefixes([key])
            except ParameterError:
                raise top.wrong(key, f"{key!r} is not the beginning of a stream key, such as home/") from None
            streams[prefix] = top.number(key, _DAYS[0], config.keep_days) * DAY_S
    return Keep(config.keep_days * DAY_S, int(config.keep_gb * (1 << 30)), streams)


def example() -> str:
    """Return a config that says of every option what it means, and changes nothing."""
    lines = [_HEAD.rstrip("\n")]
    table = ""
    for option, default, _ in options().values():
        if option.table != table:
            table = option.table
            lines += ["", f"[{table}]"]
        said = option.meaning
        if option.bounds:
            said += f" {option.bounds[0]:g} to {option.bounds[1]:g}{' ' if option.unit else ''}{option.unit}."
        if option.choices:
            said += f" One of {', '.join(option.choices)}."
        if option.without:
            said += f" Left out: {option.without}."
        if option.live:
            said += " (live)"
        lines += textwrap.wrap(said, 116, initial_indent="# ", subsequent_indent="# ")
        lines.append(f"# {option.key} = {_spelled(default or option.example or default)}")
    return "\n".join(lines) + "\n"


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else repr(value) if isinstance(value, int) else f'"{value}"'


def _value(table: toml.Table, option: Option, default: Any, kind: type) -> Any:
    key = option.key
    if kind is Path:
        return table.file(key)
    if kind is bool:
        return table.switch(key, default)
    if option.bounds:
        low, high = option.bounds
        if kind is int:
            return table.whole(key, int(low), int(high), default)
        return table.number(key, low, high, default)
    if option.choices:
        return table.choice(key, option.choices, default)
    if key not in table.content:
        return default
    value = table.text(key)
    if option.table == "http":
        if not _HTTP.fullmatch(value):
            raise table.wrong(key, f"{key} is {value!r}; it must be an address and a port, such as {option.example}")
        return value
    try:
        sockets.is_loopback(value)
    except ParameterError as error:
        raise table.wrong(key, f"{key} is {value!r}; {error}") from None
    return value
