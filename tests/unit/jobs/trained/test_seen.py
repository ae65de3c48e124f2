"""Photos from elsewhere: which of them a run was trained on, and the names of their files."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.folders import castings_of, photo_folder
from helpers.made_runs import split_row
from helpers.manifests import photo

from fastdefect.config import DataConfig, RunConfig
from fastdefect.data.load import load_training_data
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.splitting.earlier import KnownPhoto
from fastdefect.data.splitting.split import run_rows
from fastdefect.errors import DataError
from fastdefect.events import Event, Note, silent
from fastdefect.files import read_csv
from fastdefect.jobs.trained.photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.seen import Seen, choose_unseen, find_seen, other_stem
from fastdefect.run import Run
from fastdefect.run_files import file_called
from fastdefect.run_registry import create_run
from fastdefect.training.learner import ModelSpec

SPEC = ModelSpec(
    "none", ("defect", "good"), ("good",), Preprocessing(16, "squish", (0.0,) * 3, (1.0,) * 3)
)


def row(name: str, side: str, part: str | None = None) -> KnownPhoto:
    return KnownPhoto(f"sha of {name}", part, side)


def test_photos_are_known_by_their_bytes_and_their_parts() -> None:
    rows = [
        *(row("a", "train", "P1"), row("v", "valid", "P2"), row("c", "test", "P3")),
        row("b", "train"),
        row("d", "unused", "P4"),
    ]
    photos = [
        photo("x/a", "good", "P1", sha256="sha of a"),
        photo("x/v", "good", "P2", sha256="sha of v"),
        photo("x/b", "good", sha256="sha of b"),
        photo("x/b2", "good"),  # of the same found part as b
        photo("x/c", "good", "P3", sha256="sha of c"),
        photo("x/d", "good", "P4"),
        photo("x/e", "good", "P1"),
        photo("x/f", "good", "b"),  # a found part's name is not a part that the user named
    ]
    parts = ["P1", "P2", "B", "B", "P3", "P4", "P1", "b"]
    assert find_seen(photos, parts, rows) == Seen(train=(0, 2), part=(3, 6), valid=(1,))
    assert find_seen(photos, parts, []) == Seen((), (), ())


def test_a_photo_that_validated_one_run_and_trained_another_was_trained_on() -> None:
    photos = [photo("a", "good"), photo("b", "good")]
    child, parent = row("a", "valid"), row("a", "train")
    assert find_seen(photos, ["A", "A"], [child, parent]) == Seen((0,), (1,), ())
    assert find_seen(photos, ["A", "A"], [parent, child]) == Seen((0,), (1,), ())


def test_each_name_of_a_joined_part_is_known() -> None:
    """Parts P and Q were joined, as they have identical photos, and are stored as P."""
    rows = [split_row("good/1.png", "P", "train"), split_row("good/2.png", "P", "train")]
    known = [
        KnownPhoto(each["sha256"], part, "train") for each, part in zip(rows, "PQ", strict=True)
    ]
    photos = [photo("x", "good", "Q")]
    assert find_seen(photos, ["Q"], known) == Seen((), (0,), ())


def test_a_name_of_their_own_and_the_same_for_the_same_photos() -> None:
    here = other_stem(Path("runs/Line 2, früh"), ["1", "2"])
    assert here == other_stem(Path("other/Line 2, früh"), ["2", "1"])
    assert here != other_stem(Path("Line 2, früh"), ["1", "3"])
    assert here.startswith("data-Line-2-fr-h-")
    for name in (f"evaluation-{here}.json", f"predictions-{here}-flips.csv", f"stress-{here}.png"):
        assert file_called(name)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    data = photo_folder(tmp_path / "data", castings_of(12, 2), "part")
    config = DataConfig(data=data, image_size=16, valid=0.25, test=0.25)
    loaded = load_training_data(config, seed=1, workers=0, on_event=silent)
    made = create_run(tmp_path / "runs", "x", RunConfig(data=config), "fit")
    made.write("split.csv", run_rows(loaded.manifest, loaded.split))
    made.path("model.safetensors").write_bytes(b"weights")
    return made


def load(run: Run, events: list[Event], **request: Any) -> EvaluationPhotos:
    asked = replace(Request(command="evaluate"), **request)
    return load_evaluation_photos(run, asked, SPEC, what="a look", on_event=events.append)


def test_what_was_trained_on_is_told_and_left_out_unless_asked_for(
    run: Run, tmp_path: Path
) -> None:
    events: list[Event] = []
    photos = load(run, events, data=tmp_path / "data")
    (note,) = [each for each in events if isinstance(each, Note)]
    sides = Counter(row["split"] for row in read_csv(run.path("split.csv")))
    assert note.text == (
        f"x was trained on {sides['train']} of the 24 photos of data. They are left out, and "
        f"{24 - sides['train']} remain; --include-trained keeps them. {sides['valid']} of the "
        "others are validation photos: the epoch and the threshold were chosen on them."
    )
    assert note.level == "warning"
    others = {row["path"] for row in read_csv(run.path("split.csv")) if row["split"] != "train"}
    assert {photo.name for photo in photos.photos} == others
    assert photos.opening == 1
    every = load(run, events, data=tmp_path / "data", include_trained=True)
    assert len(every.side) == 24
    assert every.stem != photos.stem
    assert every.names[1] == photos.names[1] == "data"
    assert "They are included" in " ".join(e.text for e in events if isinstance(e, Note))


def copies(run: Run, rows: list[dict[str, str]], target: Path) -> Path:
    for each in rows:
        file = target / each["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(run.read_config().data.data / each["path"], file)
    return target


def told(run: Run, **request: Any) -> str:
    events: list[Event] = []
    load(run, events, **request)
    (text,) = [each.text for each in events if isinstance(each, Note)]
    return text


def test_photos_of_known_parts_alone_are_not_called_trained_on(run: Run, tmp_path: Path) -> None:
    rows = read_csv(run.path("split.csv"))
    train = next(each for each in rows if each["split"] == "train")
    test = [each for each in rows if each["split"] == "test"]
    data = copies(run, [train, *test], tmp_path / "line 2")
    (data / train["path"]).write_bytes((data / train["path"]).read_bytes() + b"\0")
    table = [f"{each['path']},{each['label']},{each['part']}" for each in (train, *test)]
    (data / "photos.csv").write_text("\n".join(["path,label,part", *table]), encoding="utf-8")
    assert told(run, data=data) == (
        f"1 of the {len(test) + 1} photos of line 2 shows a part that x was trained on. They are "
        f"left out, and {len(test)} remain; --include-trained keeps them."
    )


def test_validation_photos_alone(run: Run, tmp_path: Path) -> None:
    rows = [each for each in read_csv(run.path("split.csv")) if each["split"] == "valid"]
    n = len(rows)
    assert told(run, data=copies(run, rows, tmp_path / "v")) == (
        f"{n} of the {n} photos of v are validation photos of x: the epoch and the threshold were "
        "chosen on them."
    )


NAMES = [f"good/{i}.png" for i in range(6)]


def noted(runs: Path, own: str, other: str, **request: Any) -> tuple[str, ...]:
    """The notes on ``NAMES`` if their sides in x are ``own``, and in the run compared ``other``.

    A side is t (train), v (valid) or - (not a photo of the run).
    """
    names = {"t": "train", "v": "valid"}
    made = []
    for name, sides in (("x", own), ("other", other)):
        run = create_run(runs, name, RunConfig(), "fit")
        rows = [split_row(f"good/only-{name}.png", f"only-{name}", "train")]
        rows += [
            split_row(path, path, names[side])
            for path, side in zip(NAMES, sides, strict=True)
            if side != "-"
        ]
        run.write("split.csv", rows)
        made.append(run)
    photos = [photo(path, "good", sha256=split_row(path, "")["sha256"]) for path in NAMES]
    asked = Request(known_to=tuple(run.folder for run in made), **request)
    events: list[Event] = []
    choose_unseen(made[0], asked, photos, NAMES, events.append)
    return tuple(event.text for event in events if isinstance(event, Note))


def test_the_photos_of_compared_runs_are_counted(tmp_path: Path) -> None:
    assert noted(tmp_path, "ttt---", "--tt--", data=Path("both")) == (
        "x was trained on 3 of the 6 photos of both. The runs compared with x were trained on the "
        "parts of 1 other photo. They are left out, and 2 remain; --include-trained keeps them.",
    )


def test_photos_of_compared_runs_alone_are_counted(tmp_path: Path) -> None:
    assert noted(tmp_path, "vv----", "-tt---", data=Path("both")) == (
        "The runs compared with x were trained on the parts of 2 photos. They are left out, and 4 "
        "remain; --include-trained keeps them. 1 of the others is a validation photo: the epoch "
        "and the threshold were chosen on it.",
    )


def test_included_photos_of_compared_runs_can_be_validation_photos(tmp_path: Path) -> None:
    assert noted(tmp_path, "vv----", "-tt---", data=Path("both"), include_trained=True) == (
        "The runs compared with x were trained on the parts of 2 photos. They are included: the "
        "figures are too good. 2 of the 6 photos of both are validation photos of x: the epoch and "
        "the threshold were chosen on them.",
    )


def test_validation_photos_that_are_left_out_give_no_empty_note(tmp_path: Path) -> None:
    assert noted(tmp_path, "v-----", "t-----", data=Path("both")) == (
        "The runs compared with x were trained on the parts of 1 photo. They are left out, and 5 "
        "remain; --include-trained keeps them.",
    )


def test_photos_that_no_run_knows_give_no_note(tmp_path: Path) -> None:
    assert noted(tmp_path, "------", "v-----", data=Path("both")) == ()


def test_the_folder_of_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (note,) = noted(tmp_path, "tt----", "------", data=Path())
    assert note.startswith(f"x was trained on 2 of the 6 photos of {tmp_path.name}. They are left")


def test_nothing_left_is_an_error_and_opens_nothing(run: Run, tmp_path: Path) -> None:
    known = [row for row in read_csv(run.path("split.csv")) if row["split"] == "train"]
    for row_ in known:
        target = tmp_path / "known" / row_["label"] / Path(row_["path"]).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "data" / row_["path"], target)
    with pytest.raises(DataError, match="x was trained on all 12 photos") as caught:
        load(run, [], data=tmp_path / "known")
    assert "--include-trained" in caught.value.hint
    assert len(load(run, [], data=tmp_path / "known", include_trained=True).side) == 12
    assert run.read_openings() == []
