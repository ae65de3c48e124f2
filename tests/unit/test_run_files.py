"""The files of a run folder: each is in one table, which defines how it is read and written."""

import math
from pathlib import Path

import pytest

from fastdefect.errors import RunError
from fastdefect.run import Run
from fastdefect.run_files import FILES, file_called


def test_every_file_has_its_contents_described() -> None:
    assert all(file.contents for file in FILES.values())
    assert {Path(name).suffix for name in FILES} == {
        *(".json", ".csv", ".toml", ".txt", ".png", ".html", ".safetensors"),
    }


@pytest.mark.parametrize("name", ["run.json", "predictions-valid-flips.csv", "stress-test.png"])
def test_a_name_is_found_with_its_split_and_views(name: str) -> None:
    assert file_called(name).contents


@pytest.mark.parametrize("name", ["metric.json", "", "predictions.csv", "run.JSON"])
def test_an_unknown_name_is_an_error(name: str, tmp_path: Path) -> None:
    run = Run(tmp_path)
    for ask in (run.path, run.read, lambda name: run.write(name, {})):
        with pytest.raises(ValueError, match="Expected a file of a run folder, got"):
            ask(name)
    assert list(tmp_path.iterdir()) == []


def test_json_is_read_back(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.write("model.json", {"a": [1, math.nan]}) == tmp_path / "model.json"
    assert run.read("model.json") == {"a": [1, None]}


def test_rows_are_read_back_as_text_with_the_columns_of_the_table(tmp_path: Path) -> None:
    run = Run(tmp_path)
    row = {**dict.fromkeys(FILES["split.csv"].columns, "0"), "path": "a.png", "split": "valid"}
    run.write("split.csv", [row])
    assert run.read("split.csv") == [row]
    with pytest.raises(ValueError, match="fold"):
        run.write("split.csv", [{**row, "fold": "1"}])


def test_the_writer_gives_columns_where_the_table_has_none(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write("trials.csv", [{"trial": 1, "rate": 0.1}], ["trial", "rate"])
    assert run.read("trials.csv") == [{"trial": "1", "rate": "0.1"}]


def test_weights_are_not_written_as_text(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected a JSON or CSV file, got 'model.safetensors'"):
        Run(tmp_path).write("model.safetensors", {})


@pytest.mark.parametrize(
    ("name", "empty"), [("metrics.json", {}), ("openings.json", []), ("history.csv", [])]
)
def test_an_optional_file_that_is_not_there_is_empty(
    name: str, empty: object, tmp_path: Path
) -> None:
    assert Run(tmp_path).read(name) == empty


@pytest.mark.parametrize("name", ["model.json", "split.csv"])
def test_a_missing_required_file_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"is not a run: it has no {name}"):
        Run(tmp_path).read(name)


@pytest.mark.parametrize("content", [b"\xff", b"{", b"[]", b"null"])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.path("metrics.json").write_bytes(content)
    with pytest.raises(RunError, match=r"metrics\.json"):
        run.read("metrics.json")
    with pytest.raises(RunError, match=r"metrics\.json"):
        run.put("metrics.json", "valid", {})
    assert run.path("metrics.json").read_bytes() == content


def test_an_entry_is_put_beside_the_others(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.put("tta.json", ("valid", "flips"), 1)
    run.put("tta.json", ("valid", "mirror"), 2)
    run.put("tta.json", "test", {})
    run.put("tta.json", ("valid", "flips"), 3)
    assert run.read("tta.json") == {"valid": {"flips": 3, "mirror": 2}, "test": {}}
