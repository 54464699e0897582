"""An engine's numbers as Prometheus reads them. Labels name sites at most, never keys or subjects."""

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.workers.workers import Workers

__all__ = ["CONTENT_TYPE", "render"]

QUANTILES = ("0.5", "0.99", "0.999")
# counters since the start of the engine: as STATUS names them, and what they count
_TOTALS = {
    "messages": "Messages on the ingest socket",
    "records": "Records taken",
    "samples": "Samples taken",
    "refused": "Records refused",
    "duplicates": "Records that came again, acknowledged and not taken",
    "gaps": "Gaps in streams",
    "lost": "Samples that gaps stand for and no backlog has brought",
    "undeclared_gap": "Gaps that no GAP record declared",
    "streams_opened": "Streams and sessions opened",
    "streams_ended": "Streams ended",
    "connections_opened": "Gateways that opened a stream on a connection of theirs",
    "quarantines": "Streams closed because their input kept failing",
    "published": "Messages published",
    "handshakes_denied": "Handshakes refused",
    "forbidden": "Requests that rights do not allow",
    "audit_lost": "Lines that the audit log could not write",
}
_GAUGES = {
    "streams": "Streams held",
    "connections": "Connections of gateways that hold a stream",
    "pending": "Samples of gaps that a backlog may still bring",
    "quarantined": "Streams that are closed just now because their input kept failing",
    "rights_invalid": "1 while the rights file is not valid and the one before holds",
}


_JOURNAL = {
    "journal_refused": "Commits that the disk refused",
    "journal_skipped": "Entries that were never stored",
}


def render(engine: Engine | Workers) -> bytes:
    """Spell an engine's numbers in Prometheus' text format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(engine))
    return generate_latest(registry)


class _Numbers(Collector):
    def __init__(self, engine: Engine | Workers) -> None:
        self._engine = engine

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the numbers."""
        engine = self._engine
        counters = engine.counters()
        about = {"version": str(counters["engine"]), "instance": str(counters["instance"]), "ack": str(counters["ack"])}
        yield InfoMetricFamily("vitalcore_engine", "The engine", value=about)
        for name, said in _TOTALS.items():
            yield CounterMetricFamily(f"vitalcore_{name}", said, counters[name])
        for name, said in _GAUGES.items():
            yield GaugeMetricFamily(f"vitalcore_{name}", said, counters[name])
        sites = GaugeMetricFamily("vitalcore_site_streams", "Streams held, by site", labels=["site"])
        for site, n in sorted(engine.sites().items()):
            sites.add_metric([site], n)
        yield sites
        delay = GaugeMetricFamily(
            "vitalcore_latency_seconds", "From receipt to publishing, of the last 4096 messages", labels=["quantile"]
        )
        for quantile, delay_ns in zip(QUANTILES, counters["latency_ns"], strict=True):
            delay.add_metric([quantile], delay_ns / 1e9)
        yield delay
        yield from _plain(
            uptime_seconds=("Since the start", counters["uptime_ns"] / 1e9),
            ready=("1 once kernels are compiled, sockets bound and the journal is read", int(engine.ready.is_set())),
            loop_age_seconds=("Since the loop last turned", engine.loop_age_s()),
            storage_ok=("0 while the disk refuses; 1 without a journal", int(counters["storage"] == "ok")),
        )
        if "journal_bytes" in counters:
            for name, said in _JOURNAL.items():
                yield CounterMetricFamily(f"vitalcore_{name}", said, counters[name])
            yield from _plain(
                journal_waiting_batches=("Commits under way", counters["journal_waiting"]),
                journal_file_bytes=("Size of the journal's files", counters["journal_bytes"]),
                journal_commit_seconds=("Of the last commit", counters["journal_commit_ns"] / 1e9),
            )


def _plain(**values: tuple[str, Any]) -> Iterator[Metric]:
    for name, (said, value) in values.items():
        yield GaugeMetricFamily(f"vitalcore_{name}", said, value)
