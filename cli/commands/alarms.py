"""`vitalcore alarms`: what stands at an engine, acknowledged and limited from here."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vitalcore.cli.options import WHO_ANSWERS, client, client_keys

if TYPE_CHECKING:
    from vitalcore.streams.protocol.live import Message
    from vitalcore.streams.subscriber import Subscriber


@click.command()
@click.argument("address", default="tcp://127.0.0.1:7403")
@click.option("--prefix", default="", help="List only streams that begin so, such as clinic/p7/.")
@click.option("--ack", "acks", nargs=2, multiple=True, metavar="KEY CODE", help="Acknowledge an alarm. Repeatable.")
@click.option("--set", "changes", nargs=2, multiple=True, metavar="KEY NAME=VALUE", help="Change a limit. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each alarm.")
@client_keys
def alarms(
    address: str,
    prefix: str,
    acks: tuple[tuple[str, str], ...],
    changes: tuple[tuple[str, str], ...],
    as_json: bool,
    own: Path | None,
    server_key: str | None,
) -> None:
    """List the alarms that stand at the engine whose control endpoint is ADDRESS, the most urgent first.

    \b
    vitalcore alarms --ack icu/p7/monitor/ecg asystole
    vitalcore alarms --set icu/p7/monitor/ecg heart_rate_high_per_min=130

    An acknowledgement holds from the end of the stream's running second.
    """
    from vitalcore.cli.standing import MARKS, spell
    from vitalcore.errors import ProtocolError
    from vitalcore.streams.subscriber import Subscriber

    with Subscriber(
        address, address, (), catch_up=False, **client(own, server_key)
    ) as engine:  # control only: it subscribes to nothing
        try:
            engine.request("HELLO")
        except ProtocolError as error:
            raise ProtocolError(f"no engine answers at {address}: {WHO_ANSWERS} ({error})") from None
        for key, change in changes:
            name, _, value = change.partition("=")
            limits = engine.request("CONFIG", key=key, limits={name: _value(value)})["limits"]
            click.echo(f"{key}: {name} is {limits.get(name, value)}", err=as_json)
        for key, code in acks:
            engine.request("ALARM_ACK", key=key, code=code)
            click.echo(f"{key}: {code} is acknowledged", err=as_json)
        standing = [message for message in _alarms(engine, prefix) if message.payload["state"] != "ended"]
    standing.sort(key=lambda message: (-len(MARKS[message.payload["priority"]]), message.key))
    for message in standing:
        if as_json:
            times = {"t_event_ns": message.header.t_event_ns, "t_known_ns": message.header.t_known_ns}
            click.echo(json.dumps({"key": message.key, "seq": message.header.topic_seq} | times | message.payload))
        else:
            click.echo(f"{message.key}: {spell(message)}")
    if not standing and not as_json:
        click.echo("no alarm stands")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _alarms(engine: "Subscriber", prefix: str) -> list["Message"]:
    from vitalcore.streams.protocol.live import decode

    found = []
    after, more = "", True
    while more:
        answer = engine.request("SNAPSHOT", prefix=prefix, after=after)
        items = answer["items"]
        found += [decode(topic.encode(), *frames) for topic, *frames in items if topic.endswith("/alarm/")]
        more = bool(answer["more"] and items)
        after = items[-1][0] if items else ""
    return found
