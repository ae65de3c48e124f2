import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.reading.labels import parse_renames
from fastdefect.data.reading.spelling import alike, quoted, rename_flag, spelling_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("crack", "Crack"),
        ("NG", "ng"),
        ("pin hole", "pinhole"),
        ("pin_hole", "Pin-Hole"),
        ("crack ", "crack"),
        (" crack", "CRACK"),
        ("rayé", "raye"),
        ("Größe", "GROSSE"),
        ("n.i.O.", "NIO"),
        ("ＮＧ", "ng"),
        ("type 1", "type1"),
    ],
)
def test_names_that_differ_in_spelling_only(one: str, other: str) -> None:
    assert spelling_key(one) == spelling_key(other)
    assert alike({one: 1, other: 2}) == [(other, one)]


@pytest.mark.parametrize(
    ("one", "other"),
    [("1-1", "11"), ("1 - 1", "11"), ("A1 2", "A12"), ("crack", "cracks"), ("-", "_")],
)
def test_names_that_differ_in_more(one: str, other: str) -> None:
    assert alike({one: 1, other: 1}) == []


def test_the_name_with_most_photos_remains() -> None:
    groups = alike({"Crack": 6, "crack": 24, "NG": 3, "ng": 3, "Ng": 4, "ok": 50})
    assert groups == [("crack", "Crack"), ("Ng", "NG", "ng")]
    assert rename_flag(groups) == "--rename Crack=crack,NG=Ng,ng=Ng"


def test_a_shell_reads_the_flag_as_one_word() -> None:
    assert rename_flag([("pin hole", "pin_hole")]) == '--rename "pin_hole=pin hole"'
    assert quoted("Überzug=a/b") == "Überzug=a/b"


def test_a_name_that_the_flag_cannot_give_is_the_old_one() -> None:
    assert rename_flag([("a, b", "A b")]) == '--rename "a, b=A b"'


@given(
    st.lists(st.text("aAbBé _-.,=", min_size=1, max_size=6), min_size=2, max_size=6, unique=True)
)
def test_the_flag_that_is_proposed_joins_the_classes(names: list[str]) -> None:
    groups = [g for g in alike(dict.fromkeys(names, 1)) if not any(set("=,") & set(n) for n in g)]
    for group in groups:
        pairs = parse_renames([rename_flag([group]).removeprefix("--rename ").strip('"')])
        new = {pairs.get(name, name) for name in group}
        assert new == {group[0].strip()} or new == {group[0], group[0].strip()}


def test_blank_names_are_not_joined() -> None:
    assert alike({" ": 1, "  ": 1}) == []
