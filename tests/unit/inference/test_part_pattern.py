import re
import time

import pytest

from fastdefect.inference.part_pattern import is_quick


@pytest.mark.parametrize(
    "pattern",
    [
        r"(\d+)_",
        r"part_(?P<part>\d+)",
        r"^([^_]+)_\d{3}",
        r"(?i)cast_(\w+)",
        "([+*]{2})",
        r"\)+a",
        r"(\d+?)_(?:a)b",
    ],
)
def test_usual_patterns_are_accepted(pattern: str) -> None:
    assert is_quick(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a)*$",
        "(?:a{1,9}){1,9}",
        r"(a)\1",
        "(?P<p>a)(?P=p)",
        "(?x)(a+) +$",
        "(a+)(?#note)+$",
        r"([\]]+)+",
        "a*a*a*a*b",
        "(?#[)(a+)+$(?#])",
        "a?" * 26 + "!",
        "}?" * 26 + "!",
        "(a|a)" * 22 + "b",
        ".*.*.*.*!$",
        "(",
        "a{99999999999999}",
        "(" * 1000 + ")" * 1000,
    ],
)
def test_patterns_that_can_take_long_or_are_not_valid_are_refused(pattern: str) -> None:
    assert not is_quick(pattern)


def test_an_accepted_pattern_is_quick_on_a_long_name() -> None:
    pattern = r"([a-z]+)_(\d+)x"
    assert is_quick(pattern)
    started = time.perf_counter()
    assert re.search(pattern, "a" * 200 + "_1" * 200) is None
    assert time.perf_counter() - started < 1
