"""Log lines: one each, as text or JSON, without subjects."""

import io
import json
import logging

from vitalcore.streams.process import log


def lines(form: str, level: str = "info") -> list[str]:
    to = io.StringIO()
    with log.writing(form, level, to):
        log.tell("counts", opened=3, why="no space\nleft")
        log.tell("storage degraded", logging.ERROR, why="icu/p7/monitor/ecg is lost")
        logging.getLogger("vitalcore.streams.security.guard").warning("limits of icu/p7/ in /etc/vitalcore/limits.toml")
        log.tell("not told", logging.DEBUG)
    return to.getvalue().splitlines()


def test_a_line_of_json_has_its_time_level_and_fields() -> None:
    first, second, third = map(json.loads, lines("json"))
    assert (first["level"], first["what"], first["opened"], first["why"]) == ("info", "counts", 3, "no space\nleft")
    assert first["t"].endswith("Z")
    assert second["level"] == "error"
    assert third["what"].endswith(" in /etc/vitalcore/limits.toml")


def test_a_line_of_text_is_one_line() -> None:
    first, second, _ = lines("text")
    assert first.endswith(' info counts opened=3 why="no space\\nleft"')
    assert " error storage degraded why=" in second


def test_a_subject_is_told_as_a_hash_and_two_lines_about_one_stream_have_the_same() -> None:
    said = "".join(lines("text") + lines("json"))
    assert "p7" not in said
    assert "icu/#" in said
    a, b = log.shown("lost icu/p7/monitor/ecg"), log.shown("the state of icu/p7/monitor/ecg: x")
    assert a.split("#")[1] == b.split("#")[1][:8]
    assert log.shown("tcp://127.0.0.1:7401 /var/lib/x.db 400 /min") == "tcp://127.0.0.1:7401 /var/lib/x.db 400 /min"


def test_what_is_below_the_level_is_not_told() -> None:
    assert len(lines("text", "error")) == 1
    assert lines("text", "debug")[-1].endswith("not told")
