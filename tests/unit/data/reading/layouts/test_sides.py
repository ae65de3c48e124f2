import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.reading.layouts.sides import side_of, sides_by_folder, sides_of


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *(
            (name, "train")
            for name in ("train", "Training", "TRN", "train_set", "TrainSet", "01_train")
        ),
        *((name, "valid") for name in ("valid", "val", "Validation", "dev", "val2017")),
        *((name, "test") for name in ("test", "testing", "Tst", "test images", "testset")),
        *((name, None) for name in ("crack", "test_bench", "invalid", "", "7", "trained", "reset")),
    ],
)
def test_usual_names(name: str, side: str | None) -> None:
    assert side_of(name) == side


def test_eval_is_the_side_that_is_missing() -> None:
    assert sides_of(["train", "eval"]) == {"train": "train", "eval": "valid"}
    assert sides_of(["train", "test", "eval"])["eval"] == "valid"
    assert sides_of(["train", "val", "Evaluation"])["Evaluation"] == "test"
    assert "eval" not in sides_of(["train", "val", "test", "eval"])
    assert sides_of(["eval", "crack"]) == {}


@given(st.text(max_size=12), st.sampled_from(["train", "VAL", "testing"]))
def test_any_name_is_one_side_or_none(name: str, known: str) -> None:
    sides = sides_of([name, known])
    assert known in sides
    assert set(sides) <= {name, known}
    assert set(sides.values()) <= {"train", "valid", "test"}


def test_sides_of_photos_at_any_depth() -> None:
    names = ["images/train2017/1.jpg", "images/val2017/2.jpg", "other/3.jpg", "4.jpg"]
    assert sides_by_folder(names) == {names[0]: "train", names[1]: "valid"}
    assert sides_by_folder(["test/1.jpg", "crack/2.jpg"]) == {}
