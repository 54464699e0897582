"""`vitalcore keys`: key pairs, and the rights of those who have them."""

from pathlib import Path

import click

_FILE = click.Path(path_type=Path)
_rights = click.option(
    "--rights", type=_FILE, default="rights.toml", show_default=True, help="The engine's rights file."
)


@click.group()
def keys() -> None:
    """Make key pairs, and say in an engine's rights file who may write, read and control which streams.

    \b
    vitalcore keys new engine
    vitalcore keys new bedside-7
    vitalcore keys allow bedside-7 bedside-7.pub --write icu/p7/
    vitalcore keys revoke bedside-7
    """


@keys.command()
@click.argument("name")
@click.option("--out", type=_FILE, default=".", help="Folder of the two files.  [default: here]")
def new(name: str, out: Path) -> None:
    """Make a key pair: NAME.key, which stays on its machine, and NAME.pub, which others may see."""
    from vitalcore.streams.protocol import keys as pairs

    private, public = pairs.write(pairs.make(), out, name)
    click.echo(f"{private}: private, stays where it is\n{public}: public, for those who are to know {name}")


@keys.command()
@click.argument("file")
def show(file: str) -> None:
    """Print the public key in FILE, and the fingerprint that logs show of it."""
    from vitalcore.streams.protocol.keys import fingerprint, read_public

    public = read_public(file)
    click.echo(f"{public}\nfingerprint {fingerprint(public)}")


@keys.command()
@click.argument("name")
@click.argument("public")
@_rights
@click.option(
    "--write", multiple=True, metavar="PREFIX", help="Streams it may send: icu/, icu/p7/, / is all. Repeatable."
)
@click.option("--read", multiple=True, metavar="PREFIX", help="Streams whose results it may read. Repeatable.")
@click.option("--admin", multiple=True, metavar="PREFIX", help="Streams whose alarms it may change. Repeatable.")
def allow(
    name: str, public: str, rights: Path, write: tuple[str, ...], read: tuple[str, ...], admin: tuple[str, ...]
) -> None:
    """Let client NAME in, whose public key is in the file PUBLIC; an engine that runs follows within seconds.

    A NAME that is there already gets a second key: so keys are changed without a pause.
    """
    from vitalcore.errors import ParameterError
    from vitalcore.streams.protocol.keys import read_public
    from vitalcore.streams.security.rights import Client, prefixes
    from vitalcore.streams.security.rights import allow as add

    if not (write or read or admin):
        raise ParameterError(f"{name} would have no right: give --write, --read or --admin")
    add(rights, read_public(public), Client(name, prefixes(write), prefixes(read), prefixes(admin)))
    click.echo(f"{name} is in {rights}")


@keys.command()
@click.argument("name")
@click.option("--key", "public", default=None, metavar="FILE", help="Only this one of its keys.")
@_rights
def revoke(name: str, public: str | None, rights: Path) -> None:
    """Take all rights from client NAME; an engine that runs throws it out within seconds."""
    from vitalcore.streams.protocol.keys import read_public
    from vitalcore.streams.security.rights import revoke as remove

    removed = remove(rights, name, None if public is None else read_public(public))
    click.echo(f"{name} has lost {removed} key{'s' if removed > 1 else ''} in {rights}")


@keys.command("list")
@_rights
def list_(rights: Path) -> None:
    """List the clients in the rights file, with the fingerprints of their keys."""
    from vitalcore.streams.protocol.keys import fingerprint
    from vitalcore.streams.security.rights import RIGHTS, parse, read

    for public, client in parse(read(rights), rights).items():
        lists = ((right, getattr(client, right)) for right in RIGHTS)
        words = "; ".join(f"{right} {', '.join(each or '/' for each in given)}" for right, given in lists if given)
        click.echo(f"{client.name} {fingerprint(public)}: {words or 'no rights'}")
