"""One tree of errors."""

from vitalcore import errors


def test_every_error_can_be_caught_as_one() -> None:
    ours = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert len(ours) > 1
    assert all(issubclass(e, errors.VitalcoreError) for e in ours)
