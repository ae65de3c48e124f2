"""The job of ``export`` around its network: what is refused, and that nothing is written then."""

from dataclasses import replace
from pathlib import Path

import pytest

from fastdefect.errors import UsageError
from fastdefect.jobs.export import DIFFERENCES, Export, RefusedBundleError, _require, check_export
from fastdefect.jobs.exporting.check import Check, Judged, Limits
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
    assert DIFFERENCES["fp32"] < DIFFERENCES["bf16"] < DIFFERENCES["int8"]


def test_table_has_the_run_and_each_form() -> None:
    wrong = replace(CHECK, name="onnx int8", flips=3, escapes=None)
    table = check_table(vars(judged()), [CHECK.as_json(), wrong.as_json()])
    assert table.rows[0] == ("the run, torch fp32", "", "", "1", "2", "15.0", "1.00", "9.1")
    assert table.rows[1] == ("onnx fp32", "2.6e-06", "0", "1", "2", "60.0", "4.00", "9.3")
    assert table.rows[2][2:4] == ("3", "")
    assert table.marks == {2: "bad"}
    assert "89 validation photos" in table.title
