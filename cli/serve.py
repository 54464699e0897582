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
    keys: Path | None,
    rights: Path | None,
    audit: Path | None,
) -> None:
    """Run an engine until Ctrl-C or SIGTERM.

    It acknowledges samples as `received`: nothing is stored. Without keys only loopback addresses are served.
    """
    from vitalcore.alarms import read
    from vitalcore.cli.warmup import warm_up
    from vitalcore.streams.engine import Engine, parts
    from vitalcore.streams.guard import Security

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    book = None if limits is None else read(limits)
    engine = Engine(ingest, live, control, max_streams=max_streams, limits=book, security=Security(keys, rights, audit))
    warm_up(parts())

    def announce() -> None:
        engine.ready.wait()
        click.echo("ready: " + ", ".join(f"{name} {endpoint}" for name, endpoint in engine.endpoints.items()))

    threading.Thread(target=announce, daemon=True).start()
    engine.run(stop)
    counters = engine.counters()
    click.echo(f"ended: {counters['streams']} streams, {counters['published']} messages published")
