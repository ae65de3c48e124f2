"""The part and the view in a name, as a training finds them."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.bundles import tiny_bundle

from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.errors import UsageError
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.trained.names import Names, Patterns


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    bundle = tiny_bundle(tmp_path_factory.mktemp("bundle") / "m.fdb")
    return bundle_scorer(read_bundle(bundle), "m.fdb")


@pytest.mark.parametrize(
    ("name", "inside", "given", "part"),
    [
        ("day_7_/12_a.png", "12_a.png", None, "12"),  # not 7, that of the folder
        ("12_/a.png", "a.png", None, "12"),  # no match inside
        ("a.png", "", None, None),
        ("12_a.png", "", "given", "given"),
    ],
)
def test_both_are_found_as_in_a_training(
    scorer: Scorer, name: str, inside: str, given: str | None, part: str | None
) -> None:
    names = Names(Patterns(r"(\d+)_", r"(\d+)_"), scorer)
    assert names.part(Candidate(name, Path(name), inside, given)) == part
    assert names.view(Candidate(name, Path(name), inside, view=given)) == part


@pytest.mark.parametrize("kind", ["part", "view"])
def test_a_pattern_that_is_no_regular_expression_is_refused(kind: str) -> None:
    with pytest.raises(UsageError, match=f"--{kind}-from"):
        Patterns(**{kind: "("}).check()


def test_the_pattern_of_a_model_is_not_searched_in_long_names(scorer: Scorer) -> None:
    of_model = Names(Patterns(), replace(scorer, part_from="part_[0-9]+"))
    of_user = Names(Patterns("part_[0-9]+"), scorer)
    for name, part in (("part_7.png", "part_7"), ("x" * 250 + "part_7.png", None)):
        candidate = Candidate(name, Path(name))
        assert of_model.part(candidate) == part
        assert of_user.part(candidate) == "part_7"
