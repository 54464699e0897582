"""Metrics as Prometheus reads them."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.streams.conftest import Peer, Running
from tests.streams.engine.test_ingest import record
from vitalcore.streams.journal.journal import Journal
from vitalcore.streams.service import metrics

ROOT = Path(__file__).resolve().parents[3]


def test_the_numbers_are_those_of_the_engine_and_none_names_a_subject(tmp_path: Path) -> None:
    running = Running(journal=Journal(tmp_path / "j.db"))
    peer = Peer(running.ingest)
    stream = peer.open(key="icu/subject-17/monitor/ecg")["stream"]
    peer.socket.send(record(stream, 0, 0) + record(stream, 1, 30))
    peer.acks(lambda ack: ack.next_seq == 2)
    text = metrics.render(running.engine).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, *sample.labels.values()] = sample.value
    assert found["vitalcore_samples_total",] == 20
    assert (found["vitalcore_gaps_total",], found["vitalcore_lost_total",]) == (1, 20)
    assert found["vitalcore_site_streams", "icu"] == 1
    assert found["vitalcore_storage_ok",] == 1
    assert found["vitalcore_journal_file_bytes",] > 0
    assert found["vitalcore_latency_seconds", "0.99"] > 0
    assert "subject-17" not in text
    peer.close()
    running.stop()


def test_a_stream_that_is_forgotten_takes_no_count_with_it() -> None:
    running = Running(max_streams=1)
    peer = Peer(running.ingest)
    for name in ("a", "b"):
        stream = peer.open(key=f"icu/{name}/m/ecg")["stream"]
        peer.socket.send(record(stream, 0, 5) + record(stream, 1, 15, kind=3))
        peer.acks(lambda ack, want=stream: ack.stream == want and ack.next_seq == 2)  # type: ignore[misc]
    assert running.engine.counters()["lost"] == 10
    peer.close()
    running.stop()


def test_the_page_for_operators_names_every_metric(tmp_path: Path) -> None:
    running = Running(journal=Journal(tmp_path / "j.db"))
    text = metrics.render(running.engine).decode()
    page = (ROOT / "docs" / "operation.md").read_text()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert {name for name in names if f"`{name}`" not in page} == set()
    running.stop()
