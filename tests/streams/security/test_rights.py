"""Who may do what."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitalcore.errors import ParameterError
from vitalcore.streams.protocol import keys
from vitalcore.streams.security import rights
from vitalcore.streams.security.rights import Client, RightsFile

PUBLIC, OTHER = keys.make().public, keys.make().public
BLOCK = f'[[client]]\nname = "bedside"\nkey = "{PUBLIC}"\nwrite = ["icu/bed1"]\nread = ["icu/bed1/"]\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "rights.toml"
    made.write_text(BLOCK)
    return made


def test_a_prefix_is_matched_part_by_part(path: Path) -> None:
    client = rights.parse(rights.read(path), path)[PUBLIC]
    assert client.may("write", "icu/bed1/monitor/ecg/")
    assert client.may("read", "icu/bed1/")
    for outside in ("icu/bed12/monitor/ecg/", "icu/bed1", "icu/", "icu", "", "icu/-/-/-/heartbeat/", "ICU/bed1/"):
        assert not client.may("read", outside)
    assert not client.may("admin", "icu/bed1/monitor/ecg/")


def test_a_slash_is_everything_and_an_empty_list_nothing() -> None:
    client = Client("all", read=rights.prefixes(["/"]))
    assert client.may("read", "")
    assert client.may("read", "icu/p1/monitor/ecg/beat/")
    assert not client.may("write", "icu/p1/monitor/ecg/")


parts = st.lists(st.sampled_from(["a", "b", "ab", "a.b"]), min_size=1, max_size=4)


@given(parts, parts)
def test_what_is_covered_begins_with_the_same_parts(right: list[str], wanted: list[str]) -> None:
    client = Client("c", read=rights.prefixes(["/".join(right)]))
    assert client.may("read", "/".join(wanted) + "/") == (wanted[: len(right)] == right)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BLOCK.replace("write", "wirte"), "no field wirte"),
        (BLOCK.replace('["icu/bed1"]', '"icu/bed1"'), "write of bedside must be a list"),
        (BLOCK.replace('["icu/bed1"]', '[""]'), "beginning of a stream key"),
        (BLOCK.replace('["icu/bed1"]', '["icu//bed1"]'), "beginning of a stream key"),
        (BLOCK.replace('["icu/bed1"]', '["*"]'), "beginning of a stream key"),
        (BLOCK.replace("bedside", "bed side"), "name must be"),
        (BLOCK.replace(PUBLIC, PUBLIC[:-1]), "40 characters"),
        (BLOCK.replace("[[client]]", "[client]"), "two brackets"),
        (BLOCK + BLOCK, "has the key of bedside"),
        (BLOCK + "[other]\n", "not other"),
        (BLOCK + "key\n", "line 6"),
    ],
)
def test_a_file_that_is_not_valid_is_refused_with_what_is_wrong(path: Path, text: str, words: str) -> None:
    path.write_text(text)
    with pytest.raises(ParameterError, match=words):
        RightsFile(path)


def test_a_file_that_others_can_change_is_refused(path: Path) -> None:
    path.chmod(0o664)
    with pytest.raises(ParameterError, match="chmod go-w"):
        RightsFile(path)


def test_changes_are_seen_and_named_by_key(path: Path) -> None:
    file = RightsFile(path)
    assert file.look() == frozenset()
    rights.allow(path, OTHER, Client("viewer", read=("icu/",)))
    assert file.look() == {OTHER}
    assert file.clients[OTHER] == Client("viewer", read=("icu/",))
    path.write_text(
        path.read_text().replace('"icu/bed1/"', '"icu/bed2/"')
    )  # of the same size, perhaps in the same tick
    assert file.look() == {PUBLIC}
    rights.revoke(path, "viewer")
    assert file.look() == {OTHER}
    assert set(file.clients) == {PUBLIC}


@pytest.mark.parametrize("harm", ["broken", "gone", "open"])
def test_a_file_that_has_become_invalid_keeps_the_last_good_one_and_says_so(path: Path, harm: str) -> None:
    file = RightsFile(path)
    if harm == "broken":
        path.write_text("[[client]")
    elif harm == "gone":
        path.unlink()
    else:
        path.chmod(0o666)
    assert file.look() == frozenset()
    assert file.error
    assert file.clients[PUBLIC].name == "bedside"
    path.unlink(missing_ok=True)
    path.write_text(BLOCK)
    assert file.look() == frozenset()
    assert not file.error


def test_what_a_person_wrote_stays_when_commands_change_the_file(path: Path) -> None:
    path.write_text("# the ward\n" + BLOCK + "# a viewer comes next\n")
    rights.allow(path, OTHER, Client("viewer", read=("icu/",), admin=("",)))
    assert rights.parse(rights.read(path), path)[OTHER] == Client("viewer", read=("icu/",), admin=("",))
    assert path.read_text().startswith("# the ward\n" + BLOCK)
    rights.revoke(path, "viewer")
    assert path.read_text().startswith("# the ward\n" + BLOCK + "# a viewer comes next\n")


def test_a_client_with_two_keys_loses_one_or_both(path: Path) -> None:
    rights.allow(path, OTHER, Client("bedside", write=("icu/bed1/",)))
    assert rights.revoke(path, "bedside", PUBLIC) == 1
    assert set(RightsFile(path).clients) == {OTHER}
    rights.allow(path, PUBLIC, Client("bedside"))
    assert rights.revoke(path, "bedside") == 2
    assert RightsFile(path).clients == {}


def test_who_is_not_there_can_not_be_revoked(path: Path) -> None:
    with pytest.raises(ParameterError, match="no client nobody"):
        rights.revoke(path, "nobody")
    with pytest.raises(ParameterError, match="with that key"):
        rights.revoke(path, "bedside", OTHER)


def test_allowing_a_key_twice_changes_nothing(path: Path) -> None:
    with pytest.raises(ParameterError, match="has the key of"):
        rights.allow(path, PUBLIC, Client("other"))
    assert path.read_text() == BLOCK
