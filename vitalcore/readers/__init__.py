"""Readers: `read` gives a recording whatever the format of the file; `find` the recordings in folders and patterns."""

from vitalcore.readers.choose import FORMATS, Found, find, read
from vitalcore.readers.kinds import Hints

__all__ = ["FORMATS", "Found", "Hints", "find", "read"]
