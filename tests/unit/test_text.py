import pytest

from fastdefect.text import ordinal


@pytest.mark.parametrize(
    ("n", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (10, "10th"), (11, "11th"), (12, "12th"),
     (13, "13th"), (21, "21st"), (22, "22nd"), (101, "101st"), (111, "111th"), (113, "113th")],
)  # fmt: skip
def test_an_ordinal_ends_as_it_is_spoken(n: int, text: str) -> None:
    assert ordinal(n) == text
