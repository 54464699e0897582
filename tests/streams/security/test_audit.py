"""The audit log and what is found of it."""

import json
import os
from pathlib import Path

import pytest

from vitalcore.errors import ParameterError
from vitalcore.streams.security.audit import KEPT, MAX_GROUPS, Audit, verify


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


def rotated(path: Path, n: int, most_bytes: int = 1500) -> list[str]:
    """Write a log of small files; return the names of all, the oldest first."""
    audit = Audit(path, most_bytes=most_bytes)
    for k in range(n):
        audit.note("OPEN", "ok", "bedside", stream=f"icu/p{k}/monitor/ecg")
    audit.close()
    return sorted(
        (each.name for each in path.parent.iterdir()), key=lambda name: -int("0" + name[len(path.name) + 1 :])
    )


def test_a_log_goes_on_in_files_of_its_size_and_is_checked_through_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    names = rotated(path, 30)
    assert names == [*(f"audit.{k}" for k in range(len(names) - 1, 0, -1)), "audit"]
    assert 4 < len(names) < KEPT
    read = [line for name in names for line in lines(tmp_path / name)]
    assert [line["n"] for line in read] == list(range(len(read)))
    assert [line["stream"] for line in read if line["what"] == "OPEN"] == [f"icu/p{k}/monitor/ecg" for k in range(30)]
    assert all((tmp_path / name).stat().st_size < 2000 for name in names)
    assert all((tmp_path / name).stat().st_mode & 0o777 == 0o600 for name in names)
    verdict = verify(path)
    assert (verdict.problem, verdict.n_lines, verdict.n_files, verdict.n_gone) == ("", len(read), len(names), 0)
    assert not verify(path, str(lines(tmp_path / names[0])[3]["hash"])).problem
    assert verdict.last_hash == read[-1]["hash"]


def test_the_oldest_file_goes_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    names = rotated(path, 100)
    assert len(names) == KEPT + 1
    verdict = verify(path)
    assert (verdict.problem, verdict.n_files) == ("", KEPT + 1)
    assert verdict.n_gone == lines(tmp_path / names[0])[0]["n"]
    assert "kept no more" in verify(path, "0" * 64).problem


def test_every_file_that_is_missing_or_not_itself_is_named(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    names = rotated(path, 100)[1:]  # as if the oldest were not the ninth
    (tmp_path / f"audit.{KEPT}").unlink()
    assert verify(path).problem.startswith(f"audit.{KEPT} is missing: audit.{KEPT - 1} begins with line")
    (tmp_path / f"audit.{KEPT - 1}").rename(tmp_path / f"audit.{KEPT}")
    assert verify(path).problem == ""  # a number that is left out, by a crash while files were renamed
    names[0] = f"audit.{KEPT}"
    for name in names[1:]:
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        assert f"{name} is missing" in verify(path).problem, name
        (tmp_path / name).write_bytes(whole.replace(b"bedside", b"bedsidf", 1))
        assert f"{name}, line" in verify(path).problem, name
        (tmp_path / name).write_bytes(b"".join(whole.splitlines(keepends=True)[1:]))
        assert verify(path).problem, name
        (tmp_path / name).write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
        assert verify(path).problem or name == "audit", name
        (tmp_path / name).write_bytes(whole)
    assert not verify(path).problem


@pytest.mark.parametrize("left", [None, b"", b'{"n":8,"t":"20'])
def test_a_log_whose_engine_ended_between_two_files_is_continued(tmp_path: Path, left: bytes | None) -> None:
    path = tmp_path / "audit"
    rotated(path, 10)
    path.rename(tmp_path / "audit.0")
    names = [name for name in ("audit.2", "audit.1", "audit.0") if (tmp_path / name).exists()]
    for name in names:
        (tmp_path / name).rename(tmp_path / f"audit.{int(name[-1]) + 1}")
    assert verify(path).problem == "audit is missing: audit.1 is older"
    if left is not None:
        path.write_bytes(left)
    Audit(path).close()
    verdict = verify(path)
    assert (verdict.problem, verdict.n_files, verdict.ended) == ("", len(names) + 1, True)
    assert lines(path)[0]["what"] == "continue"


def test_a_log_that_can_not_go_on_in_a_new_file_goes_on_in_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit"
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise PermissionError(13, "planted")

        patch.setattr(Path, "rename", refuse)
        patch.setattr(Path, "replace", refuse)
        rotated(path, 30)
    assert len(lines(path)) == 32
    assert not verify(path).problem
    audit = Audit(path, most_bytes=1500)
    audit.close()
    verdict = verify(path)
    assert (verdict.problem, verdict.n_lines, verdict.n_files) == ("", 35, 2)


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
