"""An audit log checked on the command line."""

from pathlib import Path

from click.testing import CliRunner

from vitalcore.cli.commands.audit import audit
from vitalcore.streams.security.audit import Audit, verify


def test_a_whole_log_holds_a_changed_one_exits_with_1(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = Audit(path)
    log.note("OPEN", "ok", "bedside")
    killed = path.read_bytes()
    log.close()
    last = verify(path).last_hash
    done = CliRunner().invoke(audit, ["verify", str(path), "--hash", last])
    assert (done.exit_code, done.output) == (0, f"{path}: 3 lines hold; the last hash is {last}\n")
    path.write_bytes(killed)
    done = CliRunner().invoke(audit, ["verify", str(path)])
    assert done.exit_code == 0
    assert "is no `stop`" in done.output
    assert CliRunner().invoke(audit, ["verify", str(path), "--hash", last]).exit_code == 1
    path.write_bytes(killed.replace(b"bedside", b"bedsidf"))
    done = CliRunner().invoke(audit, ["verify", str(path)])
    assert done.exit_code == 1
    assert "line 2" in done.output
