from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from vitalcore import alarms
from vitalcore.errors import ParameterError, ReadError
from vitalcore.kernels.alarms import alarms as kernel
from vitalcore.kernels.core import codes


def test_the_presets_are_those_of_the_shipped_file_and_grow_slower_with_age() -> None:
    adult, child, infant = map(alarms.preset, ("adult", "child", "infant"))
    assert adult == alarms.shipped().of("any/key/at/all")
    for name in ("heart_rate_low_per_min", "heart_rate_high_per_min", "extreme_tachycardia_per_min"):
        assert getattr(adult, name) < getattr(child, name) < getattr(infant, name)
    assert (adult.asystole_s, adult.extreme_bradycardia_per_min, adult.extreme_tachycardia_per_min) == (4, 40, 140)


def test_every_alarm_has_a_priority_and_the_lethal_ones_latch() -> None:
    adult = alarms.preset()
    assert set(dict(adult.priority)) == set(alarms.NAMES.values())
    high = {name for name, priority in adult.priority if priority == "high"}
    assert high == set(adult.latching)
    assert len(high) == 5


def test_every_number_has_a_range_and_is_documented_in_the_file() -> None:
    numbers = {field.name for field in fields(alarms.Limits)} - {"priority", "latching"}
    assert numbers == set(alarms.RANGES)
    text = Path(alarms.__file__).with_name("alarms.toml").read_text()
    adult = text.split("[child]")[0]
    assert all(any(line.startswith(name) and "#" in line for line in adult.splitlines()) for name in numbers)


def test_limits_reach_the_kernel() -> None:
    changed = alarms.preset("child").changed({"heart_rate_high_per_min": 170, "priority": {"pause": "off"}})
    row = changed.params(250.0)[0]
    at = {code: k for k, code in enumerate(kernel.CODES)}
    assert row["limit"][at[codes.HEART_RATE_HIGH]] == 170
    assert row["limit"][at[codes.HEART_RATE_LOW]] == 75
    assert row["priority"][at[codes.PAUSE]] == 0
    assert row["latching"][at[codes.ASYSTOLE]] == 1
    assert np.isnan(row["limit"][at[codes.NO_USABLE_SIGNAL]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"asystole_s": 1.0}, "asystole_s is 1 s; it must lie between 2 and 10 s"),
        ({"heart_rate_low_per_min": 130}, "heart_rate_low_per_min is 130; it must lie below heart_rate_high_per_min"),
        ({"heart_rate": 130}, "there is no limit heart_rate; there are asystole_s"),
        ({"heart_rate_delay_s": 2.5}, "heart_rate_delay_s is 2.5; it must be a whole number"),
        ({"heart_rate_high_per_min": "120"}, "must be a number"),
        ({"heart_rate_high_per_min": float("nan")}, "must lie between"),
        ({"asystole_s": True}, "must be a number"),
        ({"preset": "elephant"}, "no preset 'elephant'; there are adult, child, infant"),
        ({"preset": 3}, "must be the name of a preset"),
        ({"priority": {"asystole": "loud"}}, "priority of asystole is 'loud'; it is high, medium, low, off"),
        ({"priority": {"hiccup": "low"}}, "there is no alarm hiccup; there are asystole"),
        ({"latching": {"pause": 1}}, "latching of pause is 1; it is true or false"),
        ({"latching": True}, "must map alarms"),
    ],
)
def test_what_cant_be_a_limit_is_refused_in_one_line(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ParameterError, match=words) as error:
        alarms.preset().changed(changes, "limits of icu/p7")
    assert "\n" not in str(error.value)


def test_a_file_changes_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(
        """
        preset = "child"
        [child]
        heart_rate_high_per_min = 150
        [priority]
        pause = "high"
        [latching]
        pause = true
        [streams."icu/"]
        preset = "adult"
        [streams."icu/p7/"]
        preset = "adult"
        extreme_tachycardia_per_min = 180
        """
    )
    book = alarms.read(path)
    assert book.of("home/x/y/ecg").heart_rate_high_per_min == 150
    assert book.of("home/x/y/ecg").heart_rate_low_per_min == alarms.preset("child").heart_rate_low_per_min
    assert book.of("icu/p1/y/ecg").extreme_tachycardia_per_min == 140
    assert book.of("icu/p7/y/ecg").extreme_tachycardia_per_min == 180
    assert dict(book.of("icu/p7/y/ecg").priority)["pause"] == "high"
    assert "pause" in book.of("").latching


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[adult", "no TOML"),
        ("grown_up = 1", "there is no grown_up; there are preset, adult, child, infant, priority"),
        ("[adult]\nasystole = 3", "adult: there is no limit asystole"),
        ("adult = 3", "adult is 3; it must be a table"),
        ('preset = "old"', "no preset 'old'"),
        ('[streams."icu/"]\npause_s = 9', "streams 'icu/': pause_s is 9 s"),
        ("[streams]\nicu = 3", "must be a table of limits"),
        ('[streams."icu/"]\npreset = "old"', "no preset 'old'"),
    ],
)
def test_a_file_that_cant_be_is_one_line_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(text)
    with pytest.raises((ParameterError, ReadError), match=words) as error:
        alarms.read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="can't be read"):
        alarms.read(tmp_path / "none.toml")
