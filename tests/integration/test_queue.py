"""From answers at the line to a model that was trained on them, as commands."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.cli import FitResult, invoke
from helpers.stores import MODEL, new_look

from fastdefect.files import read_csv
from fastdefect.sample.render import SampleSettings, render_sample
from fastdefect.serving.store import Store


@pytest.fixture(scope="module")
def line(castings: Path, trained: FitResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the answers on ten new parts, and on a photo that the model was trained on."""
    photos = tmp_path_factory.mktemp("line photos")
    render_sample(photos, SampleSettings(n=10, seed=99, size=64, difficulty=1))
    rows = [(photos, row) for row in read_csv(photos / "labels.csv")]
    rows.append((castings, read_csv(trained.folder / "split.csv")[0]))
    folder = tmp_path_factory.mktemp("line") / "store"
    with Store.open(folder) as store:
        store.register(replace(MODEL, classes=("defect", "good"), good=("good",)))
        for i, (place, row) in enumerate(rows):
            content = (place / row["path"]).read_bytes()
            store.add([new_look(f"id{i}", part=f"line part {i}", contents=[content])])
            store.answer(f"id{i}", "OK" if row["label"] == "good" else "defect", None, "Ann")
    return folder


@pytest.mark.slow
def test_the_answers_are_trained_on_beside_the_photos_of_the_run(
    line: Path, trained: FitResult, tmp_path: Path
) -> None:
    new = tmp_path / "set"
    result = invoke("queue", "export", line, "--out", new, "--with", trained.folder)
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert f"--from {trained.folder.name}" in result.output
    assert "1 photo left out: the photo is one of the run" in result.output
    runs = tmp_path / "runs"
    arguments = ["--from", trained.folder, "--runs", runs, "--epochs", "1", "--name", "next"]
    result = invoke("fit", new, *arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    before = {r["sha256"]: r["split"] for r in read_csv(trained.folder / "split.csv")}
    after = read_csv(runs / "next" / "split.csv")
    kept = {r["sha256"]: r["split"] for r in after if r["sha256"] in before}
    assert kept == before
    added = [r for r in after if r["sha256"] not in before]
    assert Counter(r["split"] for r in added) == {"train": 10}
    assert {r["given_part"] for r in added} == {f"line part {i}" for i in range(10)}
    labels = Counter(r["label"] for r in added)
    with Store.open(line) as store:
        said = Counter(answers[-1].answer for _, answers in store.answered())
    assert labels["good"] >= said["OK"] - 1
    assert labels.total() == 10
    result = invoke("compare", trained.folder, runs / "next", "--out", tmp_path / "compared")
    # The validation photos are the same ones, under the same names.
    assert result.exit_code == 0, result.output + repr(result.exception)
