"""Tables of a config file: values within bounds, and the place of what is wrong."""

from pathlib import Path

import pytest

from vitalcore.errors import ParameterError
from vitalcore.streams.process import toml

HERE = Path("/somewhere/my.toml")


def test_values_are_read_with_their_defaults() -> None:
    table = toml.parse('n = 3\nyes = true\nx = 0.5\nname = "a"\npath = "b/c"', HERE)
    assert (table.whole("n", 1, 5, 0), table.whole("m", 1, 5, 2)) == (3, 2)
    assert (table.switch("yes", False), table.switch("no", False)) == (True, False)
    assert (table.number("x", 0, 1), table.text("name"), table.text("other", "z")) == (0.5, "a", "z")
    assert (table.file("path"), table.file("none")) == (Path("/somewhere/b/c"), None)


@pytest.mark.parametrize("value", ["6", "true", "1.0", '"1"'])
def test_a_number_that_is_none_or_out_of_bounds_is_refused(value: str) -> None:
    with pytest.raises(ParameterError, match=r"line 2: \[t\] n is .*; it must be a whole number from 1 to 5"):
        toml.parse(f"[t]\nn = {value}", HERE).table("t").whole("n", 1, 5, 1)


def test_the_nearest_known_key_is_named_and_a_strange_one_has_none() -> None:
    with pytest.raises(ParameterError, match=r"there is no colour \(is color meant\?\); there are color, size"):
        toml.parse("colour = 1", HERE).only("color", "size")
    with pytest.raises(ParameterError, match="there is no x; there are color, size"):
        toml.parse("x = 1", HERE).only("color", "size")


def test_a_key_of_the_second_table_is_found_on_its_own_line() -> None:
    tables = toml.parse("[[t]]\nn = 1\n[[t]]\nn = 9", HERE).tables("t")
    with pytest.raises(ParameterError, match="line 4"):
        tables[1].number("n", 0, 5)
