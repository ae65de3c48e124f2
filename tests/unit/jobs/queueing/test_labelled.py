from dataclasses import replace

import pytest
from helpers.stores import MODEL, NOON, new_inspection, new_look

from fastdefect.jobs.queueing.labelled import (
    Labelled,
    LeftOut,
    Reason,
    label_of,
    labelled,
    one_label_each,
)
from fastdefect.serving.records import Answer, Answered, Model

ONE_DEFECT = replace(MODEL, classes=("defect", "good"), good=("good",))
TWO_GOOD = replace(MODEL, classes=("back", "crack", "front"), good=("back", "front"))


def said(*answers: tuple[str, Answered, str | None]) -> list[Answer]:
    return [
        Answer(n, "a", answer, label, person, NOON)
        for n, (person, answer, label) in enumerate(answers)
    ]


@pytest.mark.parametrize(
    ("model", "answer", "label", "expected"),
    [
        (MODEL, "OK", None, "ok"),
        (MODEL, "OK", "ok", "ok"),
        (MODEL, "OK", "crack", Reason.CLASS_CONTRADICTS),
        (MODEL, "defect", "crack", "crack"),
        (MODEL, "defect", "dent", "dent"),  # a class that the model does not know yet
        (MODEL, "defect", "ok", Reason.CLASS_CONTRADICTS),
        (MODEL, "defect", None, Reason.NO_DEFECT_CLASS),
        (ONE_DEFECT, "defect", None, "defect"),
        (TWO_GOOD, "OK", None, Reason.NO_GOOD_CLASS),
        (TWO_GOOD, "OK", "front", "front"),
        (TWO_GOOD, "defect", None, "crack"),
    ],
)
def test_the_label_of_one_answer(
    model: Model, answer: Answered, label: str | None, expected: str
) -> None:
    assert label_of(said(("Ann", answer, label)), model) == expected


def test_two_persons_agree_or_contradict_each_other() -> None:
    crack: tuple[str, Answered, str | None] = ("Ann", "defect", "crack")
    assert label_of(said(crack, ("Bob", "defect", None)), MODEL) == "crack"
    assert label_of(said(crack, ("Bob", "OK", None)), MODEL) == Reason.PEOPLE
    assert label_of(said(crack, ("Bob", "defect", "burr")), MODEL) == Reason.PEOPLE


def test_a_person_may_think_again() -> None:
    answers = said(("Ann", "defect", "crack"), ("Bob", "OK", None), ("Ann", "OK", None))
    assert label_of(answers, MODEL) == "ok"


def test_a_good_part_is_good_on_each_photo_a_defect_is_on_any() -> None:
    two = new_look("a", contents=[b"1", b"2"]).numbered(1)
    good = labelled(two, said(("Ann", "OK", None)), MODEL)
    assert [each.label for each in good if isinstance(each, Labelled)] == ["ok", "ok"]
    bad = labelled(two, said(("Ann", "defect", "crack")), MODEL)
    assert [each.reason for each in bad if isinstance(each, LeftOut)] == [Reason.WHICH_PHOTO] * 2


def test_a_photo_says_its_part_and_why_people_saw_it() -> None:
    def first(inspection: object) -> Labelled:
        found = labelled(inspection, said(("Ann", "OK", None)), MODEL)[0]  # type: ignore[arg-type]
        assert isinstance(found, Labelled)
        return found

    look = first(new_look("a", part="7").numbered(1))
    assert (look.part, look.chosen_by) == ("7", "look")
    check = first(new_inspection("b", chosen=True).numbered(2))
    assert (check.part, check.chosen_by) == ("b", "check")
    assert first(new_inspection("c").numbered(3)).chosen_by == "person"


def test_the_same_photo_has_one_label_or_none() -> None:
    def one(name: str, content: bytes, answer: Answered) -> Labelled:
        new = new_look(name, contents=[content]).numbered(1)
        found = labelled(new, said(("Ann", answer, "crack" if answer == "defect" else None)), MODEL)
        assert isinstance(found[0], Labelled)
        return found[0]

    a, b = one("a", b"1", "OK"), one("b", b"1", "OK")
    c, d, e = one("c", b"2", "OK"), one("d", b"2", "defect"), one("e", b"3", "OK")
    kept, disputed = one_label_each([a, b, c, d, e])
    assert kept == [a, e]
    assert [each.inspection.id for each in disputed] == ["c", "d"]
    assert {each.reason for each in disputed} == {Reason.SAME_PHOTO}
