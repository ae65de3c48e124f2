import pytest

from fastdefect.data.reading.several_defects import known_kinds, split_label


def _split(*labels: str) -> dict[str, tuple[str, ...]]:
    """The labels that name several defects, with these."""
    known = known_kinds(labels)
    return {label: kinds for label in labels if (kinds := split_label(label, known))}


@pytest.mark.parametrize("between", ["|", ";", "+", ",", " | ", "; ", " + ", ", ", " & ", "/"])
def test_a_label_of_other_labels_is_several_defects(between: str) -> None:
    both = f"crack{between}burr"
    assert _split("ok", "crack", "burr", both) == {both: ("burr", "crack")}


@pytest.mark.parametrize(
    ("labels", "several"),
    [
        (("ok", "crack", "crack|dent"), {"crack|dent": ("crack", "dent")}),  # dent never alone
        (("ok", "a;b", "a;c"), {"a;b": ("a", "b"), "a;c": ("a", "c")}),  # a is shared
        (("ok", "a+b", "b+c"), {"a+b": ("a", "b"), "b+c": ("b", "c")}),  # b in both places
        (("ok", "a,b", "b", "a", "b,c"), {"a,b": ("a", "b"), "b,c": ("b", "c")}),
        (("ok", "burr", "burr|burr"), {"burr|burr": ("burr",)}),
        (("ok", "a", "b", "c", "a|b|c"), {"a|b|c": ("a", "b", "c")}),
        (("ok", "a", "b", "['a', 'b']"), {"['a', 'b']": ("a", "b")}),
    ],
)
def test_parts_that_the_set_confirms(
    labels: tuple[str, ...], several: dict[str, tuple[str, ...]]
) -> None:
    assert _split(*labels) == several


@pytest.mark.parametrize(
    "labels",
    [
        ("ok", "Al+Cu", "Al+Si"),
        ("scratch, small", "scratch, large", "dent, small", "dent, large", "ok"),
        ("scratch", "scratch, small", "dent, small", "ok"),
        ("ok", "front|crack"),
        ("ok", "crack+"),
        ("good", "bad"),
        ("n/a", "ok"),
    ],
)
def test_ordinary_names_are_left_alone(labels: tuple[str, ...]) -> None:
    assert _split(*labels) == {}
