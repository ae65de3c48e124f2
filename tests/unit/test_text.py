"""Numbers in sentences."""

import math

import pytest

from fastdefect.text import (
    careful_percent,
    exact_percent,
    number_text,
    ordinal,
    percent,
    value_text,
)


@pytest.mark.parametrize(
    ("n", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (10, "10th"), (11, "11th"), (12, "12th"),
     (13, "13th"), (21, "21st"), (22, "22nd"), (101, "101st"), (111, "111th"), (113, "113th")],
)  # fmt: skip
def test_endings_of_ordinals(n: int, text: str) -> None:
    assert ordinal(n) == text


def test_percent_has_the_given_number_of_digits() -> None:
    assert [percent(0.12345, digits) for digits in (0, 1, 2)] == ["12%", "12.3%", "12.35%"]
    assert percent(-0.05) == "-5.0%"


def test_an_exact_percent_has_all_digits() -> None:
    assert list(map(exact_percent, (0.995, 0.00001, 0.05, 1))) == ["99.5%", "0.001%", "5%", "100%"]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (1, "100%"), (1e-9, "< 0.1%"), (0.0005, "0.1%"), (0.9996, "> 99.9%"),
     (0.9994, "99.9%"), (0.5, "50.0%")],
)  # fmt: skip
def test_only_exact_0_and_100_percent_are_shown_as_such(share: float, text: str) -> None:
    assert careful_percent(share) == text


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_no_number_is_a_dash(value: float | None) -> None:
    assert number_text(value, "{:.1f}") == "-"
    assert number_text(0.25, "{:+.1f} pts") == "+0.2 pts"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (False, "no"),
        (2e-4, "0.0002"),
        (0.98765, "0.9877"),
        (3, "3"),
        ("adamw", "adamw"),
    ],
)
def test_values_of_settings(value: object, text: str) -> None:
    assert value_text(value) == text
