"""Every error that vitalcore raises, in one tree. Each message names the thing, the limit and the value."""


class VitalcoreError(Exception):
    """What vitalcore refuses to do, and why, in one line."""


class ParameterError(VitalcoreError, ValueError):
    """A parameter lies outside what an operator or a plan can do."""


class InputError(VitalcoreError, ValueError):
    """A chunk doesn't have the shape, type or order that its source declared."""


class SnapshotError(VitalcoreError, ValueError):
    """Bytes that are no snapshot, or one of another plan."""


class ReadError(VitalcoreError):
    """A file or folder that can't be read as a recording."""


class NoSignalError(ReadError):
    """A file that can be read but holds nothing that is analysed."""


class ProtocolError(VitalcoreError):
    """A peer broke the wire protocol, or refused what was asked of it."""


class JournalError(VitalcoreError):
    """A journal that can't be opened, or is none."""


class ForbiddenError(ProtocolError):
    """An engine's rights file does not allow this client what it asked for."""
