"""Keys and rights on the command line."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vitalcore.cli.commands.keys import keys
from vitalcore.errors import ParameterError
from vitalcore.streams.protocol.keys import read, read_public
from vitalcore.streams.security import rights
from vitalcore.streams.security.rights import Client


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(keys, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_new_pair_is_two_files_and_its_private_half_is_never_printed(here: Path) -> None:
    said = run("new", "bedside-7").output
    pair = read(here / "bedside-7.key")
    assert read_public(here / "bedside-7.pub") == pair.public
    shown = run("show", "bedside-7.pub").output
    assert pair.public in shown
    assert pair.secret not in said + shown + run("show", "bedside-7.key").output


def test_a_client_is_allowed_listed_gets_a_second_key_and_is_revoked(here: Path) -> None:
    for name in ("old", "new"):
        run("new", name)
        run("allow", "bedside-7", f"{name}.pub", "--write", "icu/p7/", "--write", "icu/p8", "--read", "/")
    file = rights.RightsFile(here / "rights.toml")
    client = Client("bedside-7", ("icu/p7/", "icu/p8/"), ("",))
    assert list(file.clients.values()) == [client, client]
    assert run("list").output.splitlines()[0].endswith(": write icu/p7/, icu/p8/; read /")
    assert run("revoke", "bedside-7", "--key", "old.pub").output == "bedside-7 has lost 1 key in rights.toml\n"
    assert file.look() == {read_public(here / "old.pub")}
    run("revoke", "bedside-7")
    assert run("list").output == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("allow", "x", "no.pub", "--read", "/"), "can't read no.pub"),
        (("allow", "x", "no.pub"), "no right"),
        (("revoke", "x"), "can't read rights.toml"),
        (("new", "../x"), "a name has"),
    ],
)
def test_what_cant_be_is_said(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        run(*arguments)
