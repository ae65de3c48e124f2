"""What is a bundle, and which options it refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fastdefect.errors import UsageError
from fastdefect.jobs.trained.bundle_path import bundle_path
from fastdefect.jobs.trained.request import Request


def test_a_bundle_is_a_file_or_a_name_with_its_suffix(tmp_path: Path) -> None:
    file = tmp_path / "model"
    file.touch()
    assert bundle_path(str(file), Request()) == file
    assert bundle_path("missing.fdb", Request()) == Path("missing.fdb")
    for run in (str(tmp_path), "latest", "20260101-casting"):
        assert bundle_path(run, Request(threshold="0.3")) is None


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"threshold": "0.3"}, "--threshold"),
        ({"views": "mirror"}, "--views"),
        ({"device": "cpu"}, "--device"),
        ({"data_root": Path()}, "--data-root"),
    ],
)
def test_options_of_a_run_are_refused(changes: dict[str, Any], option: str) -> None:
    with pytest.raises(UsageError, match=f"{option} applies to a run, but model.fdb is a bundle"):
        bundle_path("model.fdb", replace(Request(), **changes))
