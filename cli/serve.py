"""`vitalcore serve`: an engine on this machine."""

import signal
import threading
from pathlib import Path

import click


@click.command()
@click.option("--ingest", default="tcp://127.0.0.1:7401", show_default=True, help="Where gateways send samples.")
@click.option("--live", default="tcp://127.0.0.1:7402", show_default=True, help="Where subscribers hear results.")
@click.option("--control", default="tcp://127.0.0.1:7403", show_default=True, help="Where they ask for more.")
@click.option("--max-streams", type=click.IntRange(1, 65536), default=8192, show_default=True)
@click.option(
    "--limits",
    type=click.Path(path_type=Path),
    help="TOML file of alarm limits, by preset and by the beginning of a stream's key.  [default: adult]",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    help="SQLite file that keeps samples and results and survives a crash.  [default: none; nothing is stored]",
)
@click.option(
    "--ack",
    type=click.Choice(["journaled", "fsynced"]),
    default="journaled",
    show_default=True,
    help="What an acknowledgement survives, with --journal: the engine's end, or loss of power.",
)
@click.option(
    "--keep-days", type=click.FloatRange(0.01, 36500), default=7.0, show_default=True, help="Age of what is kept."
)
@click.option(
    "--keep-gb", type=click.FloatRange(0.01, 1e6), default=16.0, show_default=True, help="Size of the journal."
)
@click.option(
    "--keys", type=click.Path(path_type=Path), help="The engine's private key file: every client needs a key."
)
@click.option("--rights", type=click.Path(path_type=Path), help="TOML file of the clients and their rights.")
@click.option(
    "--audit", type=click.Path(path_type=Path), help="Log of who did what; `vitalcore audit verify` checks it."
)
def serve(
    ingest: str,
    live: str,
    control: str,
    max_streams: int,
    limits: Path | None,
    journal: Path | None,
    ack: str,
    keep_days: float,
    keep_gb: float,
    keys: Path | None,
    rights: Path | None,
    audit: Path | None,
) -> None:
    """Run an engine until Ctrl-C or SIGTERM.

    With --journal an acknowledged sample survives the engine, and an engine that starts again goes on where it was.
    Without, samples are acknowledged as `received` and nothing is stored. Without keys only loopback addresses are
    served.
    """
    from vitalcore.alarms import read
    from vitalcore.cli.warmup import warm_up
    from vitalcore.streams.engine import Engine, parts
    from vitalcore.streams.guard import Security
    from vitalcore.streams.journal import Journal, Keep

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    book = None if limits is None else read(limits)
    kept = None if journal is None else Journal(journal, ack, Keep(keep_days * 86400, int(keep_gb * (1 << 30))))
    secured = Security(keys, rights, audit)
    engine = Engine(ingest, live, control, max_streams=max_streams, limits=book, security=secured, journal=kept)
    warm_up(parts())

    def announce() -> None:
        engine.ready.wait()
        for line in engine.recovered.lines() if engine.recovered else ():
            click.echo(line)
        click.echo("ready: " + ", ".join(f"{name} {endpoint}" for name, endpoint in engine.endpoints.items()))

    threading.Thread(target=announce, daemon=True).start()
    engine.run(stop)
    counters = engine.counters()
    click.echo(f"ended: {counters['streams']} streams, {counters['published']} messages published")
