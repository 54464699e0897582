"""What a journal holds, and exactly what of it is missing."""

import sqlite3
from pathlib import Path

import msgpack
import numpy as np

from tests.streams import kept
from vitalcore.streams.journal import entries
from vitalcore.streams.journal.archive import Archive, checksum
from vitalcore.streams.journal.inventory import results_of, sessions_of, verify


def test_sessions_and_results_are_counted_as_they_were_sent(tmp_path: Path) -> None:
    reader = Archive(kept.stopped(tmp_path / "j.db"))
    sessions = sessions_of(reader)
    assert [(s.opened.name, s.opened.session, s.samples, s.records) for s in sessions] == [
        (key, 7, kept.SAMPLES, 150) for key in kept.KEYS
    ]
    assert {topic.topic for topic in results_of(reader)} >= {f"{key}/beat/" for key in kept.KEYS}
    assert all(topic.count for topic in results_of(reader))
    assert verify(reader) == []
    reader.close()


def test_a_killed_engine_leaves_nothing_missing(tmp_path: Path) -> None:
    reader = Archive(kept.killed(tmp_path / "j.db"))
    assert sum(session.samples for session in sessions_of(reader)) == 2 * kept.SAMPLES
    assert verify(reader) == []
    reader.close()


def without(path: Path, sql: str) -> list[str]:
    database = sqlite3.connect(path)
    database.execute(sql)
    database.commit()
    database.close()
    reader = Archive(path)
    found = verify(reader)
    reader.close()
    return found


def test_a_removed_entry_is_said_with_its_records_samples_and_time(tmp_path: Path) -> None:
    path = kept.stopped(tmp_path / "j.db")
    database = sqlite3.connect(path)
    rows = database.execute("SELECT id, body FROM log WHERE kind = ? ORDER BY id", (entries.RECORDS,)).fetchall()
    database.close()
    id_, body = rows[len(rows) // 4]  # of the first patient
    n = len(entries.read_records(body)[0])
    first, second = without(path, f"DELETE FROM log WHERE id = {id_}")
    assert first == f"entry {id_}"
    assert second.startswith(f"{kept.KEYS[0]} session 7: records ")
    a, b = (int(word) for word in second.split("records ")[1].split(" are")[0].split(" to "))
    assert b - a + 1 == n
    assert f"(samples {10 * a} to {10 * b + 9}, after 2023-11-14T22:13:2" in second


def test_the_end_of_a_session_is_missed_because_its_state_knows_of_it(tmp_path: Path) -> None:
    path = kept.stopped(tmp_path / "j.db")
    found = without(path, "DELETE FROM log WHERE id = (SELECT max(id) FROM log WHERE kind = 1)")
    assert any(line.startswith(f"{kept.KEYS[1]} session 7: records ") and "to 149" in line for line in found)


def test_removed_results_are_said_by_their_numbers(tmp_path: Path) -> None:
    path = kept.stopped(tmp_path / "j.db")
    database = sqlite3.connect(path)
    topic = f"{kept.KEYS[0]}/beat/"
    sql = "SELECT rowid, t_ns, body FROM result WHERE topic = ? LIMIT 1"
    row, t_ns, body = database.execute(sql, (topic,)).fetchone()
    messages = msgpack.unpackb(body, use_list=False)
    assert len(messages) > 6
    database.execute("DELETE FROM result WHERE rowid = ?", (row,))
    for part in (messages[:2], messages[5:]):
        spelled: bytes = msgpack.packb(part)
        fields = topic, part[0][0], part[-1][0]
        values = (*fields, t_ns, spelled, checksum(spelled, *fields))
        database.execute("INSERT INTO result VALUES (?, ?, ?, ?, ?, ?)", values)
    database.commit()
    database.close()
    reader = Archive(path)
    assert verify(reader) == [f"{topic}: results {messages[2][0]} to {messages[4][0]} are missing"]
    reader.close()


def test_a_flipped_byte_anywhere_in_a_row_is_found(tmp_path: Path) -> None:
    path = kept.stopped(tmp_path / "j.db")
    data = path.read_bytes()
    sample = np.asarray(kept.signal(0)[400:410], "<f4").tobytes()
    assert data.count(sample) == 1
    kept.flip(path, data.index(sample) + 7)
    reader = Archive(path)
    found = verify(reader)
    reader.close()
    assert any(line.startswith("entry ") for line in found)
    assert any("records " in line and "are missing" in line for line in found)
