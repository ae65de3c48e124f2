"""Several products in one folder: from the data to figures by product."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import Result, invoke, run_fit
from helpers.folders import photo_folder

from fastdefect.files import read_csv
from fastdefect.run import Run

NAMES = [
    (product, label, part)
    for product in ("axle", "cover", "lid")
    for label in ("bad", "fine")
    for part in range(5)
    if part or product != "lid"
]


def _rows() -> list[tuple[str, ...]]:
    """Two photos of each part; the lids are in valid alone."""
    return [
        (
            *(f"{product}-{label}-{part}-{shot}.png", label, f"{product} {label} {part}"),
            "valid" if product == "lid" or part < 2 else "train",
            product,
        )
        for product, label, part in NAMES
        for shot in range(2)
    ]


def _command(*arguments: str, code: int = 0) -> Result:
    result = invoke(*arguments)
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


def _closing(*arguments: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(_command(*arguments, "--json").stdout.splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("mixed")
    photo_folder(folder / "photos", _rows(), "part", "split", "product")
    options = ("--good", "fine", "--epochs", "1", "--image-size", "32", "--test", "0")
    fitted = run_fit(folder / "photos", folder / "runs", "--name", "mixed", *options)
    assert "Products: axle 20, cover 20, lid 16." in fitted.output
    return Run(fitted.folder)


def test_evaluate_shows_each_product_and_what_train_lacks(mixed: Run) -> None:
    closing = _closing("evaluate", str(mixed.folder))
    found = {each["name"]: each for each in closing["by_product"]}
    assert {name: each["photos"] for name, each in found.items()} == {
        "axle": 8, "cover": 8, "lid": 16
    }  # fmt: skip
    assert {name: each["trained"] for name, each in found.items()} == {
        "axle": 12, "cover": 12, "lid": 0
    }  # fmt: skip
    assert sum(each["escape"]["count"] for each in found.values()) == closing["escape"]["count"]
    assert "product" not in closing["by_type"]
    shown = " ".join(_command("evaluate", str(mixed.folder)).stdout.split())
    assert "Train has no photo of lid" in shown


def test_the_run_keeps_the_products_where_the_data_lose_them(mixed: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(mixed.folder, tmp_path / "run"))
    photos = shutil.copytree(run.read_config().data.data, tmp_path / "photos")
    (photos / "photos.csv").unlink()
    closing = _closing("evaluate", str(run.folder), "--data-root", str(photos))
    assert [each["name"] for each in closing["by_product"]] == ["axle", "cover", "lid"]


def _with_thresholds(mixed: Run, tmp_path: Path) -> Run:
    """A copy that rejects every axle and lid, and no cover."""
    run = Run(shutil.copytree(mixed.folder, tmp_path / "run"))
    limits = {"axle": 0.0, "cover": 1.0000000000000002}  # reject all, reject none
    run.write(
        "operating_point.json",
        {
            **{"threshold": 0.0, "high": None, "said": "by hand", "views": "none"},
            **{"temperature": 1.0, "rule": "f1", "settings": {}},
            "products": [
                {"product": name, "threshold": limit, "own": True, "reason": ""}
                for name, limit in limits.items()
            ],
        },
    )
    return run


def _decided(model: Path, photos: Path, out: Path) -> set[tuple[str, str]]:
    """Product and class of the decisions of ``predict``."""
    _command(
        *("predict", str(model), str(photos), "--out", str(out), "--product-from", "^[a-z]+"),
        *("--fail-on", "never"),
    )
    return {(row["product"], row["label"]) for row in read_csv(out)}


DECIDED = {("axle", "bad"), ("cover", "fine"), ("lid", "bad")}


def test_thresholds_by_product_decide(mixed: Run, tmp_path: Path) -> None:
    run = _with_thresholds(mixed, tmp_path)
    found = {each["name"]: each for each in _closing("evaluate", str(run.folder))["by_product"]}
    assert {name: (each["escape"]["value"], each["overkill"]["value"])
            for name, each in found.items()} == {
        "axle": (0, 1), "cover": (1, 0), "lid": (0, 1)
    }  # fmt: skip
    photos = run.read_config().data.data
    assert _decided(run.folder, photos, tmp_path / "a.csv") == DECIDED
    _command("report", str(run.folder), "--photos", "none")
    page = run.path("report.html").read_text(encoding="utf-8")
    assert "Train has no photo of lid" in page
    assert "8 of 8, 100.00%" in page  # the good lids that are rejected


@pytest.mark.slow
def test_a_bundle_decides_by_product_as_its_run(mixed: Run, tmp_path: Path) -> None:
    run, bundle = _with_thresholds(mixed, tmp_path), tmp_path / "m.fdb"
    _command("export", str(run.folder), "--out", str(bundle))
    assert _decided(bundle, run.read_config().data.data, tmp_path / "b.csv") == DECIDED


def test_the_product_is_found_in_names(mixed: Run, tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "photos", [row[:3] for row in _rows()], "part")
    options = ("--good", "fine", "--epochs", "1", "--image-size", "32", "--product-from", "^[ac]+")
    run = Run(run_fit(photos, tmp_path / "runs", *options).folder)
    products = {row["path"]: row["product"] for row in read_csv(run.path("split.csv"))}
    assert products["axle-bad-0-0.png"] == "a"
    assert products["cover-bad-0-0.png"] == "c"
    assert products["lid-bad-1-0.png"] == ""
    findings = {each["kind"]: each["message"] for each in run.read("findings.json")}
    assert findings["no_product"].startswith("16 of 56 names do not match --product-from")
    wrong = _command("fit", str(photos), "--product-from", "(", "--runs", str(tmp_path), code=2)
    assert "Expected a regular expression in --product-from" in wrong.stderr


@pytest.fixture(scope="module")
def each(mixed: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of each product, with the settings and the split of ``mixed``."""
    photos, runs = mixed.read_config().data.data, tmp_path_factory.mktemp("each")
    options = ("--good", "fine", "--epochs", "1", "--image-size", "32", "--test", "0")
    fitted = run_fit(photos, runs, "--name", "each", "--each-product", *options)
    shown = " ".join(fitted.output.split())
    assert "lid is not trained: its train has photos of no class alone." in shown
    assert "A run for each product, on its validation photos" in shown
    return Run(runs / "each")


def test_each_product_has_a_run_on_its_side_of_the_common_split(mixed: Run, each: Run) -> None:
    assert [run.name for run in each.members()] == ["axle", "cover"]
    side = {row["path"]: row["split"] for row in read_csv(mixed.path("split.csv"))}
    for run in each.members():
        for row in read_csv(run.path("split.csv")):
            own = row["product"] == run.name
            assert row["split"] == (side[row["path"]] if own else "unused")
    again = _closing("fit", "--resume", str(each.folder))
    assert [found["product"] for found in again["products"]] == ["axle", "cover"]
    assert again["products"][0]["train"] == 12


def test_one_model_of_all_is_compared_with_those_by_product(
    mixed: Run, each: Run, tmp_path: Path
) -> None:
    out = tmp_path / "compare"
    found = _closing("compare", str(mixed.folder), str(each.folder), "--out", str(out))
    (together,) = found["comparisons"]
    assert [pair["after"] for pair in found["products"]] == ["each, axle", "each, cover"]
    for name, run in zip(("axle", "cover"), each.members(), strict=True):
        (of_product,) = (p for p in found["products"] if p["after"] == f"each, {name}")
        evaluated = _closing("evaluate", str(run.folder))["estimates"]
        for metric in ("escape_rate", "overkill_rate", "log_loss"):
            value = of_product["figures"][metric]["after"]
            assert value == pytest.approx(evaluated[metric]["value"])
    assert together["figures"]["accuracy"]["after"] is not None
    text = _command("compare", str(mixed.folder), str(each.folder), "--out", str(out))
    shown = " ".join(text.output.split())
    assert "16 photos of products or classes without a run of their own are left out." in shown


def test_the_page_of_a_comparison_has_the_run_of_each_product(
    mixed: Run, each: Run, tmp_path: Path
) -> None:
    page = tmp_path / "a.html"
    asked = ("--out", str(tmp_path / "out"), "--report", str(page))
    _command("compare", str(mixed.folder), str(each.folder), *asked)
    text = page.read_text(encoding="utf-8")
    assert "mixed → each" in text
    for name in ("axle", "cover"):
        assert text.count(f"each, {name}") >= 3  # its rule, its figures and its record
    found = json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8"))
    assert found["report"] == str(page)
    # Also as the run that the others are compared with.
    found = _closing("compare", str(each.folder), str(mixed.folder), *asked)
    assert [pair["before"] for pair in found["products"]] == ["each, axle", "each, cover"]
    assert "each → mixed" in page.read_text(encoding="utf-8")


def test_other_photos_are_decided_by_the_run_of_their_product(
    mixed: Run, each: Run, tmp_path: Path
) -> None:
    rows = [(name, label, part, product) for name, label, part, _, product in _rows()]
    photos = photo_folder(tmp_path / "shift", rows, "part", "product", first=1000)
    asked = ("--out", str(tmp_path / "out"), "--data", str(photos))
    found = _closing("compare", str(mixed.folder), str(each.folder), *asked)
    assert found["split"] == "data"
    (together,) = found["comparisons"]
    assert together["n"] == 16  # without the lids, and the parts that the runs were trained on
    for name, run in zip(("axle", "cover"), each.members(), strict=True):
        (of_product,) = (p for p in found["products"] if p["after"] == f"each, {name}")
        mine = photo_folder(
            tmp_path / name, [row for row in rows if row[3] == name], "part", "product",
            first=1000 + [row[3] for row in rows].index(name),
        )  # fmt: skip
        evaluated = _closing("evaluate", str(run.folder), "--data", str(mine))["estimates"]
        value = of_product["figures"]["log_loss"]["after"]
        assert value == pytest.approx(evaluated["log_loss"]["value"])
    unknown = photo_folder(tmp_path / "unknown", [row[:3] for row in rows], "part", first=1000)
    asked = ("--out", str(tmp_path / "out"), "--data", str(unknown))
    refused = _command("compare", str(mixed.folder), str(each.folder), *asked, code=1)
    assert "has no photo of a product that each has a run for: axle, cover" in refused.stderr


def test_one_product_alone_is_refused(mixed: Run, tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "photos", [row[:3] for row in _rows()], "part")
    options = ("--each-product", "--good", "fine", "--runs", str(tmp_path / "runs"))
    refused = _command("fit", str(photos), *options, code=1)
    assert "needs two products or more" in refused.stderr
    assert not (tmp_path / "runs").exists()
    several = _command("fit", str(photos), *options, "--folds", "2", code=2)
    assert "Remove --folds and --final." in several.stderr
