"""`vitalcore inspect`: what a file holds, and what would be analysed."""

import json as jsonlib
from fractions import Fraction
from typing import Any

import click

from vitalcore.analyze import why_not
from vitalcore.cli.options import hints
from vitalcore.readers import Hints, read
from vitalcore.readers.recording import Recording, Track


@click.command()
@click.argument("file", type=click.Path())
@hints
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def inspect(file: str, signal: str | None, fs_hz: Fraction | None, columns: tuple[str, ...], as_json: bool) -> None:
    """Show the tracks of FILE: kind, rate, duration, unit, missing samples, and what would be analysed."""
    recording = read(file, Hints(signal, fs_hz, columns))
    click.echo(jsonlib.dumps(describe(recording), indent=2) if as_json else _text(recording))


def describe(recording: Recording) -> dict[str, Any]:
    """Say what a recording holds, for a machine."""
    return {
        "name": recording.name,
        "start": recording.start.isoformat() if recording.start else None,
        "duration_s": recording.duration_s,
        "tracks": [_track(track) for track in recording.tracks],
    }


def _track(track: Track) -> dict[str, Any]:
    reason = why_not(track)
    return {
        "stream": track.stream,
        "kind": track.kind,
        "fs_hz": None if track.fs_hz is None else float(track.fs_hz),
        "fs_fraction": None if track.fs_hz is None else [track.fs_hz.numerator, track.fs_hz.denominator],
        "channels": list(track.channels),
        "unit": track.unit,
        "n_samples": track.n_samples,
        "duration_s": track.duration_s,
        "missing": track.n_missing / max(track.values.size, 1),
        "analysed": reason is None,
        "reason": reason,
    }


def _text(recording: Recording) -> str:
    start = recording.start.isoformat(sep=" ") if recording.start else "unknown"
    lines = [f"{recording.name}: {recording.duration_s:.6g} s, start {start}"]
    for track in recording.tracks:
        channels = track.channels
        shown = ", ".join(channels) if len(channels) <= 12 else f"{channels[0]} … {channels[-1]} ({len(channels)})"
        if track.fs_hz is not None:
            rate = f"{float(track.fs_hz):.10g} Hz"
        else:
            rate = f"variable rate, about {(track.n_samples - 1) / max(track.duration_s, 1e-9):.4g} Hz"
        missing = f", {track.n_missing / max(track.values.size, 1):.2%} missing" if track.n_missing else ""
        unit = f", {track.unit}" if track.unit else ""
        reason = why_not(track)
        lines += [
            f"  {track.stream} ({track.kind}): {shown}",
            f"    {rate}, {track.n_samples} samples, {track.duration_s:.6g} s{unit}{missing}",
            f"    {'analysed' if reason is None else 'left out: ' + reason}",
        ]
    return "\n".join(lines)
