"""An engine's numbers as Prometheus reads them. Labels name sites at most, never keys or subjects."""

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from vitalcore.streams.engine import Engine

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
    "lost": "Samples that gaps stand for",
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
    "quarantined": "Streams that are closed just now because their input kept failing",
    "rights_invalid": "1 while the rights file is not valid and the one before holds",
}


def render(engine: Engine) -> bytes:
    """Spell an engine's numbers in Prometheus' text format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(engine))
    return generate_latest(registry)


class _Numbers(Collector):
    def __init__(self, engine: Engine) -> None:
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
        if engine.journal is not None:
            journal = engine.journal
            yield CounterMetricFamily("vitalcore_journal_refused", "Commits that the disk refused", journal.refused)
            yield CounterMetricFamily("vitalcore_journal_skipped", "Entries that were never stored", journal.skipped)
            yield from _plain(
                journal_waiting_batches=("Commits under way", journal.waiting),
                journal_file_bytes=("Size of the journal's files", _size_bytes(engine)),
                journal_commit_seconds=("Of the last commit", journal.commit_s),
            )


def _plain(**values: tuple[str, Any]) -> Iterator[Metric]:
    for name, (said, value) in values.items():
        yield GaugeMetricFamily(f"vitalcore_{name}", said, value)


def _size_bytes(engine: Engine) -> int:
    assert engine.journal is not None
    path = engine.journal.path
    parts = (path.with_name(path.name + ending) for ending in ("", "-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())
