"""The audit log and what is found of it."""

import json
import os
from pathlib import Path

import pytest

from vitalcore.errors import ParameterError
from vitalcore.streams.audit import MAX_GROUPS, Audit, verify


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "audit.jsonl"
    audit = Audit(made)
    for k in range(6):
        audit.note("OPEN", "ok", "bedside", "0123456789abcdef", f"icu/p{k}/monitor/ecg")
    audit.close()
    return made


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_log_says_who_what_when_which_and_what_came_of_it(path: Path) -> None:
    first, second, *_, last = lines(path)
    assert (first["what"], last["what"]) == ("start", "stop")
    assert {name: second[name] for name in ("who", "key", "what", "stream", "result")} == {
        "who": "bedside",
        "key": "0123456789abcdef",
        "what": "OPEN",
        "stream": "icu/p0/monitor/ecg",
        "result": "ok",
    }
    assert str(second["t"]).endswith("+00:00")
    verdict = verify(path)
    assert (verdict.n_lines, verdict.ended, verdict.problem) == (8, True, "")
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_flipped_byte_is_found(path: Path) -> None:
    whole = path.read_bytes()
    found = 0
    for at in range(len(whole)):
        for bit in (0x01, 0x20, 0x80):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            found += bool(verify(path).problem)
    assert found == 3 * len(whole)
    print(f"{found} of {3 * len(whole)} flipped bits found")


def test_a_line_removed_moved_doubled_or_added_is_found(path: Path) -> None:
    whole = path.read_bytes().splitlines(keepends=True)
    n = len(whole)
    for k in range(n - 1):  # the last line is the tail
        path.write_bytes(b"".join(whole[:k] + whole[k + 1 :]))
        assert "line" in verify(path).problem, k
        path.write_bytes(b"".join([*whole[:k], whole[k + 1], whole[k], *whole[k + 2 :]]))
        assert verify(path).problem, k
        path.write_bytes(b"".join([*whole[: k + 1], whole[k], *whole[k + 1 :]]))
        assert verify(path).problem, k
    path.write_bytes(b"".join(whole) + b'{"n":8,"what":"OPEN","hash":"00"}\n')
    assert verify(path).problem


def test_a_cut_tail_is_found_by_a_torn_line_a_missing_stop_or_a_hash_kept_elsewhere(path: Path) -> None:
    whole = path.read_bytes()
    last = verify(path).last_hash
    assert not verify(path, last).problem
    path.write_bytes(whole[:-7])
    assert "cut short" in verify(path).problem
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-2]))
    cut = verify(path)
    assert not cut.problem  # the log alone can't tell it from an engine that was killed ...
    assert not cut.ended  # ... so this is said
    assert "cut off" in verify(path, last).problem


def test_a_log_is_continued_and_a_torn_line_is_told(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"n":8,"t":"20')
    Audit(path).close()
    verdict = verify(path)
    assert (verdict.n_lines, verdict.problem) == (10, "")
    assert lines(path)[8]["result"] == "dropped 14 bytes of a line that was cut short"
    assert path.read_bytes().startswith(whole)


def test_one_log_has_one_writer(path: Path) -> None:
    audit = Audit(path)
    with pytest.raises(ParameterError, match="in use"):
        Audit(path)
    audit.close()


@pytest.mark.parametrize("content", [b"hello\n", b"\x00" * 100_000, b'{"n":0}\n', b"[1]\n"])
def test_a_file_that_is_no_log_is_not_written_to(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(ParameterError, match="audit log"):
        Audit(path)
    assert path.read_bytes() == content
    assert verify(path).problem


def test_what_comes_often_is_written_once_a_minute_with_its_number(tmp_path: Path) -> None:
    path, now = tmp_path / "audit", [1_700_000_000.0]
    audit = Audit(path, lambda: now[0])
    for _ in range(1000):
        audit.note_often("handshake", "unknown key", key="ab", among="10.0.0.7")
        audit.note_often("OPEN", "FORBIDDEN", "bedside", stream="lab/x/y/z")
    now[0] += 61
    audit.tick()
    audit.close()
    often = [line for line in lines(path) if line["what"] == "handshake"]
    assert [line.get("n_times", 1) for line in often] == [1, 999]
    assert len(lines(path)) == 6
    assert not verify(path).problem


def test_a_flood_of_different_things_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    audit = Audit(path)
    for k in range(3 * MAX_GROUPS):
        audit.note_often("SUBSCRIBE", "FORBIDDEN", "bedside", stream=f"icu/{k}")
    audit.close()
    written = lines(path)
    assert len(written) == MAX_GROUPS + 4
    assert sum(int(str(line.get("n_times", 1))) for line in written if line["what"] == "SUBSCRIBE") == 3 * MAX_GROUPS


def test_a_full_disk_loses_lines_and_counts_them_and_the_chain_holds(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    path = tmp_path / "audit"
    audit = Audit(path)
    good, audit._file = audit._file, os.open(full, os.O_WRONLY)
    audit.note("OPEN", "ok")
    assert audit.lost == 1
    os.close(audit._file)
    audit._file = good
    audit.note("OPEN", "ok", stream="icu/p1/m/ecg")
    audit.close()
    assert [line["what"] for line in lines(path)] == ["start", "OPEN", "stop"]
    assert not verify(path).problem
