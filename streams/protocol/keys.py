"""Key pairs of engines and clients, and the files that hold them."""

import hashlib
import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from vitalcore.errors import ParameterError

MAX_BYTES = 4096  # no key file is longer
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}", re.ASCII)


@dataclass(frozen=True)
class Keys:
    """Hold a CURVE key pair, both halves as 40 characters of Z85."""

    public: str
    secret: str = field(repr=False)


def make() -> Keys:
    """Make a new key pair."""
    public, secret = zmq.curve_keypair()
    return Keys(public.decode(), secret.decode())


def fingerprint(public: str) -> str:
    """Return what logs say of a public key: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public.encode()).hexdigest()[:16]


def write(keys: Keys, folder: Path, name: str) -> tuple[Path, Path]:
    """Write NAME.key, which only its owner can read, and NAME.pub, and return their paths.

    Errors: ParameterError for a name that is none, or where one of the files is there already.
    """
    if not NAME.fullmatch(name):
        raise ParameterError("a name has 1 to 64 letters, digits, '.', '_' or '-'")
    secret, public = folder / f"{name}.key", folder / f"{name}.pub"
    both = f'name = "{name}"\npublic = "{keys.public}"\n'
    text = f'# secret: it leaves this machine for nobody\n{both}secret = "{keys.secret}"\n'
    for path, content, mode in ((secret, text, 0o600), (public, both, 0o644)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            raise ParameterError(f"{path} is there already; a key is not overwritten") from None
        except OSError as error:
            raise ParameterError(f"can't write {path}: {error.strerror}") from None
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
    return secret, public


def read(path: Path) -> Keys:
    """Read a key pair from its private file.

    Errors: ParameterError where the file can't be read, can be read by anyone but its owner, or holds no key pair.
    """
    fields = _fields(path, private=True)
    public, secret = _key(path, fields, "public"), _key(path, fields, "secret")
    if zmq.curve_public(secret.encode()).decode() != public:
        raise ParameterError(f"{path}: public and secret are not halves of one key pair")
    return Keys(public, secret)


def read_public(text: str | Path) -> str:
    """Return a public key given by its file, .pub or .key, or by its 40 characters.

    Errors: ParameterError
    """
    if isinstance(text, str) and _Z85.fullmatch(text):
        return text
    path = Path(text)
    return _key(path, _fields(path, private=False), "public")


def check(public: object) -> str:
    """Return a public key that has the shape of one.

    Errors: ParameterError
    """
    if not isinstance(public, str) or not _Z85.fullmatch(public):
        raise ParameterError("a public key is 40 characters of Z85")
    return public


def content(path: Path, most: int) -> tuple[bytes, int]:
    """Read a file whose owner matters: up to a byte more than `most`, and its permissions.

    Errors: ParameterError
    """
    try:
        with open(path, "rb") as file:
            return file.read(most + 1), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        raise ParameterError(f"can't read {path}: {error.strerror}") from None


def _fields(path: Path, private: bool) -> dict[str, object]:
    raw, mode = content(path, MAX_BYTES)
    if private and mode & 0o077:
        raise ParameterError(f"{path} can be read by others (mode {mode:04o}): chmod 600 {path}")
    try:
        if len(raw) <= MAX_BYTES:
            return tomllib.loads(raw.decode("ascii"))
    except ValueError:
        pass  # its words could quote the key
    raise ParameterError(f"{path} is no key file; `vitalcore keys new` makes one")


def _key(path: Path, fields: dict[str, object], name: str) -> str:
    key = fields.get(name)
    if not isinstance(key, str) or not _Z85.fullmatch(key):
        raise ParameterError(f"{path} holds no {name} key of 40 characters; `vitalcore keys new` makes one")
    return key
