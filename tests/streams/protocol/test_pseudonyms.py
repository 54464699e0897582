"""Subjects that are none."""

import random
import secrets
import string

import pytest

from vitalcore.streams.protocol.pseudonyms import looks_like, shown

PSEUDONYMS = ["p1", "p17", "p000", "bed7", "bed-7", "icu-bed-12", "-", "a", "100", "99999999", "ICU", "BX", "A12345678"]
PSEUDONYMS += ["left-arm", "my-ecg", "resting-ecg", "mitdb-100", "s20-0041", "nobody", "c1f0a9e2-7b1d-4b57-9d0e-3f6a5d"]


@pytest.mark.parametrize(
    ("subject", "what"),
    [
        ("19800412", "a date"),
        ("12041980", "a date"),
        ("12-04-1980", "a date"),
        ("1980-04-12", "a date"),
        ("1.4.1980", "a date"),
        ("04_31_1980", ""),  # no month has 31 days and is the 4th
        ("04-30-1980", "a date"),
        ("MA19800412", "a date"),
        ("p7-19800412", "a date"),
        ("A123456789", "the number of a health insurance card"),
        ("kvnr-a123456789", "the number of a health insurance card"),
        ("Mueller.Anna", "a name"),
        ("Mueller", "a name"),
        ("AnnaMueller", "a name"),
        ("A.Mueller", "a name"),
        ("anna_mueller", "a name"),
        ("Anna-Mueller-1980", "a name"),
    ],
)
def test_names_dates_and_insurance_numbers_are_no_pseudonyms(subject: str, what: str) -> None:
    assert looks_like(subject) == what


@pytest.mark.parametrize(
    "subject",
    PSEUDONYMS,
)
def test_what_people_use_as_pseudonyms_passes(subject: str) -> None:
    assert looks_like(subject) == ""


def test_random_pseudonyms_pass() -> None:
    draw = random.Random(4)
    alphabet = string.ascii_uppercase + "234567"
    coded = ["".join(draw.choices(alphabet, k=26)) for _ in range(20_000)]
    coded += [secrets.token_hex(16) for _ in range(20_000)] + [f"p{draw.randrange(10**6)}" for _ in range(20_000)]
    assert [each for each in coded if looks_like(each)] == []


def test_of_random_eight_digits_few_are_refused() -> None:
    draw = random.Random(5)
    refused = sum(bool(looks_like(f"{draw.randrange(10**8):08d}")) for _ in range(50_000))
    assert refused < 250  # 1 in 200: a date of birth can't be told from a number that happens to be one


def test_logs_show_no_subject_that_is_none() -> None:
    assert shown("icu/p7/monitor/ecg") == "icu/p7/monitor/ecg"
    assert shown("icu/Mueller.Anna/monitor/ecg/beat/") == "icu/?/monitor/ecg/beat/"
    assert shown("icu/p7\nx/monitor") == "icu/?/monitor"
    assert shown("Frau Müller") == "?"
