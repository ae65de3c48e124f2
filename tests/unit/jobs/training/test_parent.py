"""``fit --from RUN``: what of a run a new training takes, and what contradicts it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.made_runs import made_run, split_row

from fastdefect.config import ModelConfig, TrainingConfig
from fastdefect.config_resolve import resolve
from fastdefect.errors import RunError, UsageError
from fastdefect.jobs.training.parent import (
    earlier_sides,
    record_parent,
    refuse_parent,
    with_parent,
)
from fastdefect.run import DataRoot, Run

ROWS = [
    *(split_row(f"good/{i}.png", f"P{i}", "train") for i in range(3)),
    split_row("defect/7.png", "P7", "valid"),
    split_row("defect/8.png", "P8", "test"),
]
RIGHT = {row["path"]: 0.5 for row in ROWS}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return made_run(
        tmp_path / "runs", "old", ROWS, RIGHT, data=tmp_path / "photos",
        model=ModelConfig(arch="small-cnn", weights="auto", head="mlp"),
        training=TrainingConfig(recipe="steady", epochs=7, members=3, device="cuda", seed=5),
    )  # fmt: skip


def settled(run: Run, **flags: Any) -> Any:
    return with_parent(resolve({"from_run": "old", **flags}), run.folder.parent)


def test_all_that_is_not_given_comes_from_the_run(run: Run, tmp_path: Path) -> None:
    config = settled(run)
    model, training, data = config.model, config.training, config.data
    assert (model.arch, model.head, data.image_size) == ("small-cnn", "mlp", 16)
    assert (training.recipe, training.epochs, training.seed) == ("steady", 7, 5)
    assert data.data == tmp_path / "photos"
    assert (training.members, training.final, training.device) == (1, "none", "auto")
    folder = run.folder.as_posix()
    assert model.from_run == model.weights == folder
    assert with_parent(config, Path("elsewhere")) == config  # as its config.toml repeats it


def test_what_is_given_stays(run: Run) -> None:
    config = settled(run, data=Path("more"), epochs=2, head="linear", image_size=32)
    assert (config.training.epochs, config.model.head) == (2, "linear")
    assert (config.data.data, config.data.image_size) == (Path("more"), 32)
    assert {"arch", "epochs"} <= config.given
    full = settled(run, recipe="full")
    assert full.training.mixup_alpha == resolve({"recipe": "full"}).training.mixup_alpha > 0


def test_the_folder_where_the_photos_were_found_again(run: Run, tmp_path: Path) -> None:
    run.note_data_root(DataRoot(tmp_path, {}, tmp_path / "moved"))
    assert settled(run).data.data == tmp_path / "moved"
    run.note_data_root(DataRoot(tmp_path, {}, None))
    with pytest.raises(UsageError, match="no folder there has the layout of its data") as caught:
        settled(run)
    assert "fastdefect fit DATA --from old" in caught.value.hint
    assert settled(run, data=Path("given")).data.data == Path("given")


def test_a_run_in_the_working_folder_is_found_from_another_one(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.folder.parent.parent)
    config = with_parent(resolve({"from_run": "old"}), Path("runs"))
    assert config.model.from_run == config.model.weights == run.folder.resolve().as_posix()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"members": 2}, "--from old and --members exclude each other"),
        ({"folds": 5}, "--from old and --folds exclude each other"),
        ({"final": "folds"}, "--from old and --final folds exclude each other"),
        ({"weights": "none"}, "--from old and --weights none exclude each other"),
    ],
)
def test_contradictions(run: Run, flags: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        settled(run, **flags)


def test_a_run_that_is_none_or_has_no_model(run: Run) -> None:
    with pytest.raises(RunError, match="No run at nowhere"):
        settled(run, from_run="nowhere")
    run.path("model.safetensors").unlink()
    with pytest.raises(RunError, match="has no model yet"):
        settled(run)


def test_other_commands_refuse_it(run: Run) -> None:
    refuse_parent(resolve({}))
    with pytest.raises(UsageError, match="only a single training of fastdefect fit"):
        refuse_parent(settled(run))


def test_the_sides_of_its_photos_and_of_those_before_it(run: Run, tmp_path: Path) -> None:
    assert earlier_sides(resolve({})) is None
    model = ModelConfig(from_run=run.folder.as_posix())
    rows = [split_row("good/9.png", "P9", "valid")]
    child = made_run(tmp_path / "runs", "child", rows, {"good/9.png": 0.5}, model=model)
    record_parent(child, child.read_config())
    shutil.rmtree(run.folder)  # the child needs its parent no more
    earlier = earlier_sides(with_parent(resolve({"from_run": str(child.folder)}), tmp_path))
    assert earlier is not None
    assert {part: set(sides) for part, sides in earlier.by_part.items()} == {
        **{f"P{i}": {"train"} for i in range(3)}, "P7": {"valid"}, "P8": {"test"}, "P9": {"valid"}
    }  # fmt: skip


def test_the_openings_of_the_test_are_kept(run: Run, tmp_path: Path) -> None:
    config = settled(run)
    child = made_run(tmp_path / "runs", "child", ROWS, RIGHT)
    record_parent(child, config)
    assert child.read_openings() == []
    assert child.read_state()["from_run"] == run.folder.as_posix()
    run.note_opening("fastdefect evaluate", "a look")
    record_parent(child, config)
    assert child.read_openings() == run.read_openings()
