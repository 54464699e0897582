"""The golden frames and what each must come to."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("golden")
MANIFEST: dict[str, dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))


def frame(name: str) -> bytes:
    """Return the bytes of a golden frame."""
    return bytes.fromhex((FOLDER / f"{name}.hex").read_text())


def names(what: str) -> list[str]:
    """List the frames of one sort."""
    return [name for name, entry in MANIFEST.items() if entry["what"] == what]
