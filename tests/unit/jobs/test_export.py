"""The job of ``export`` around its network: what is refused, and that nothing is written then."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.bundles import tiny_card, tiny_network
from helpers.exports import even, made_model, validation_photos

from fastdefect.errors import UsageError
from fastdefect.events import silent
from fastdefect.inference.bundle import ONNX, read_bundle
from fastdefect.inference.inspector import Inspector
from fastdefect.jobs import export as job
from fastdefect.jobs.export import Export, RefusedBundleError, _require, check_export, export
from fastdefect.jobs.exporting.check import Check, Judged, Limits
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.scorer import RunModel
from fastdefect.reporting.tables.export import check_table

CHECK = Check("onnx fp32", 89, 2.6e-6, 0, 1, 2, 60.0, 4.0, 9.3)


def judged() -> Judged:
    import numpy as np

    return Judged("the run, torch fp32", np.zeros((0, 2)), 1, 2, 15.0, 9.1)


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (Path("model.zip"), "expected a file that ends in .fdb"),
        (Path("nowhere/model.fdb"), "there is no folder nowhere"),
    ],
)
def test_files_that_cannot_be_written_are_refused(out: Path, said: str) -> None:
    with pytest.raises(UsageError) as error:
        check_export(Export(out))
    assert said in error.value.message


def test_a_form_that_is_not_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="int8"):
        check_export(Export(tmp_path / "x.fdb", runtime="openvino", precision="int8"))


def test_only_the_wanted_form_has_to_be_within_the_limits() -> None:
    wrong = replace(CHECK, name="onnx int8", flips=3, difference=0.4)
    _require(Limits(1e-3, 0), judged(), (wrong, CHECK))
    with pytest.raises(RefusedBundleError) as error:
        _require(Limits(0.2, 0), judged(), (CHECK, wrong))
    assert "onnx int8" in error.value.message
    assert "differs by 0.4" in error.value.message
    assert "3 of 89 decisions" in error.value.message
    assert "Nothing was written" in error.value.message
    run, checks = error.value.as_rows()
    assert run["escapes"] == 1
    assert [each["flips"] for each in checks] == [0, 3]


def test_each_precision_has_a_limit() -> None:
    usual = [Export(Path("x.fdb"), precision=each).limits for each in ("fp32", "bf16", "int8")]
    assert usual == [Limits(1e-3, 0), Limits(0.05, 0), Limits(0.2, 0)]
    given = Export(Path("x.fdb"), precision="int8", max_difference=0.0, max_flips=0.5)
    assert given.limits == Limits(0, 0.5)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunModel:
    """A run with two grey photos whose network is tiny, in int8 with other probabilities."""
    model, photos = made_model(tmp_path), validation_photos(tmp_path, ["good/a.png", "good/b.png"])
    run = Judged("the run", even(2), 0, 0, 1.0, 1.0)
    slopes = {"fp32": 1.0, "int8": 2.0}
    replaced: dict[str, Any] = {
        "load_run_model": lambda *given: model,
        "load_evaluation_photos": lambda *given, **others: photos,
        "_judge_run": lambda *given: (run, even(2)),
        "card_of": lambda *given: tiny_card(classes=("defect", "good"), good=("good",)),
        "calibration_photos": lambda *given: [],
        "onnx_file": lambda *given: b"",
        "network_files": lambda _, form, __: {ONNX: tiny_network(slope=slopes[form])},
        "photos_per_second": lambda *given: 1.0,
    }
    for name, value in replaced.items():
        monkeypatch.setattr(job, name, value)
    return model


def exported(made: RunModel, out: Path, **wanted: Any) -> Path:
    wanted = {"max_difference": 1.0, "max_flips": 1.0, "unlike_share": 0.0} | wanted
    return export(made.run, Request(), Export(out, **wanted), on_event=silent).out


def test_examples_have_the_probabilities_of_the_written_network(
    made: RunModel, tmp_path: Path
) -> None:
    for precision in ("fp32", "int8"):
        out = exported(made, tmp_path / f"{precision}.fdb", precision=precision, examples=2)
        inspector = Inspector(out, threads=1)
        assert inspector.self_test() == 0
        (first, _) = read_bundle(out).card.examples
        assert first.probabilities != (0.5, 0.5)


def test_what_a_card_may_not_have_is_refused_before_the_export(
    made: RunModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(*given: Any) -> bytes:
        raise AssertionError("exported")

    monkeypatch.setattr(job, "onnx_file", unexpected)
    with pytest.raises(UsageError, match="a bundle can't have its examples"):
        monkeypatch.setattr(job, "examples_of", lambda *given: [None])
        exported(made, tmp_path / "x.fdb")
    assert not (tmp_path / "x.fdb").exists()


def test_table_has_the_run_and_each_form() -> None:
    wrong = replace(CHECK, name="onnx int8", flips=3, escapes=None)
    table = check_table(vars(judged()), [CHECK.as_json(), wrong.as_json()])
    assert table.rows[0] == ("the run, torch fp32", "", "", "1", "2", "15.0", "1.00", "9.1")
    assert table.rows[1] == ("onnx fp32", "2.6e-06", "0", "1", "2", "60.0", "4.00", "9.3")
    assert table.rows[2][2:4] == ("3", "")
    assert table.marks == {2: "bad"}
    assert "89 validation photos" in table.title
