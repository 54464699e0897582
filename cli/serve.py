"""`vitalcore serve`: an engine on this machine."""

import signal
import threading

import click


@click.command()
@click.option("--ingest", default="tcp://127.0.0.1:7401", show_default=True, help="Where gateways send samples.")
@click.option("--live", default="tcp://127.0.0.1:7402", show_default=True, help="Where subscribers hear results.")
@click.option("--control", default="tcp://127.0.0.1:7403", show_default=True, help="Where they ask for more.")
@click.option("--max-streams", type=click.IntRange(1, 65536), default=8192, show_default=True)
def serve(ingest: str, live: str, control: str, max_streams: int) -> None:
    """Run an engine until Ctrl-C or SIGTERM.

    It acknowledges samples as `received`: nothing is stored. Only loopback addresses are served.
    """
    from vitalcore.cli.warmup import warm_up
    from vitalcore.streams.engine import Engine, parts

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    engine = Engine(ingest, live, control, max_streams=max_streams)
    warm_up(parts())

    def announce() -> None:
        engine.ready.wait()
        click.echo("ready: " + ", ".join(f"{name} {endpoint}" for name, endpoint in engine.endpoints.items()))

    threading.Thread(target=announce, daemon=True).start()
    engine.run(stop)
    counters = engine.counters()
    click.echo(f"ended: {counters['streams']} streams, {counters['published']} messages published")
