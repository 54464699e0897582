"""Key files."""

from pathlib import Path

import pytest
import zmq

from vitalcore.errors import ParameterError
from vitalcore.streams.protocol import keys


def test_a_pair_written_is_read_again(tmp_path: Path) -> None:
    made = keys.make()
    secret, public = keys.write(made, tmp_path / "keys", "bedside-7")
    assert keys.read(secret) == made
    assert keys.read_public(public) == keys.read_public(secret) == keys.read_public(made.public) == made.public
    assert secret.stat().st_mode & 0o777 == 0o600
    assert made.secret not in public.read_text()


def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret, _ = keys.write(keys.make(), tmp_path, "engine")
    for mode in (0o640, 0o604, 0o660, 0o601):
        secret.chmod(mode)
        with pytest.raises(ParameterError, match="chmod 600"):
            keys.read(secret)


def test_a_key_is_not_overwritten(tmp_path: Path) -> None:
    secret, _ = keys.write(keys.make(), tmp_path, "engine")
    before = secret.read_text()
    with pytest.raises(ParameterError, match="already"):
        keys.write(keys.make(), tmp_path, "engine")
    assert secret.read_text() == before


def test_halves_of_different_pairs_are_refused(tmp_path: Path) -> None:
    one, other = keys.make(), keys.make()
    secret, _ = keys.write(keys.Keys(one.public, other.secret), tmp_path, "engine")
    with pytest.raises(ParameterError, match="halves"):
        keys.read(secret)


@pytest.mark.parametrize("content", [b"", b"secret = 5", b"\xff\x00", b'secret = "short"', b"x" * 10_000])
def test_a_file_that_is_none_is_refused_without_quoting_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "engine.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ParameterError) as caught:
        keys.read(path)
    assert "short" not in str(caught.value).replace(str(path), "")


def test_a_key_that_is_not_printed_by_accident() -> None:
    made = keys.make()
    assert made.secret not in repr(made)
    assert keys.fingerprint(made.public) not in made.public
    assert zmq.curve_public(made.secret.encode()).decode() == made.public


def test_a_name_can_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="name"):
        keys.write(keys.make(), tmp_path, "../engine")
