"""The catalogue agrees with the kernels' numbers."""

from vitalcore import catalogue
from vitalcore.kernels.core import codes

NUMBERS = {name.lower(): value for name, value in vars(codes).items() if name.isupper()}


def test_every_number_of_the_kernels_has_its_name_and_back() -> None:
    listed = {code.name: 1 << code.id if code.kind == "reason" else code.id for code in catalogue.codes()}
    assert listed == NUMBERS


def test_every_code_has_english_and_german_words() -> None:
    assert all(code.en and code.de for code in catalogue.codes())


def test_every_feature_has_a_unit() -> None:
    assert all(code.ucum for code in catalogue.codes() if code.kind == "feature")


def test_the_codes_of_others_are_those_of_the_published_lists() -> None:
    assert catalogue.by_name()["heart_rate"].mdc == "147842"
    assert catalogue.by_name()["heart_rate"].loinc == "8867-4"
    assert catalogue.by_name()["pulse_rate"].mdc == "149530"
    assert catalogue.by_name()["perfusion_index"].loinc == "61006-3"


def test_reasons_are_read_from_bits() -> None:
    assert catalogue.reasons(codes.FLAT | codes.NOISE) == ("flat", "noise")
    assert catalogue.reasons(0) == ()
