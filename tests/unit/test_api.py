"""The Python API: what it passes on to the jobs, and its errors. docs/python.md runs elsewhere."""

from pathlib import Path
from typing import Any

import cv2
import pytest
from helpers.bundles import photo_of, tiny_bundle
from helpers.made_runs import made_run, split_row

import fastdefect
from fastdefect.config import RunConfig
from fastdefect.errors import BundleError, DataError, RunError, UsageError
from fastdefect.events import Event, Progress
from fastdefect.jobs.train import training_of
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.run import Run as RunFolder
from fastdefect.run import RunStatus

ROWS = [split_row("good/1.png", "a"), split_row("defect/2.png", "b")]
P_DEFECT = {"good/1.png": 0.1, "defect/2.png": 0.8}


@pytest.fixture
def made(tmp_path: Path) -> RunFolder:
    return made_run(tmp_path / "runs", "made", ROWS, P_DEFECT)


def test_the_package_exports_its_names_when_they_are_used() -> None:
    for name in fastdefect.__all__:
        assert getattr(fastdefect, name) is not None
    assert dir(fastdefect) == sorted(fastdefect.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        fastdefect.nonsense  # noqa: B018
    assert (Path(fastdefect.__file__).parent / "py.typed").exists()


def test_fit_passes_its_settings_and_its_call(
    tmp_path: Path, made: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: dict[str, Any] = {}

    def train(config: RunConfig, new_run: NewRun, **_: object) -> RunFolder:
        passed.update(config=config, new_run=new_run)
        made.update_state(status=RunStatus.FINISHED)
        return made

    monkeypatch.setattr("fastdefect.jobs.train.train", train)
    run = fastdefect.fit(tmp_path, runs=tmp_path / "r", name="first", epochs=3, target=["f1=0.9"])
    assert run.folder == made.folder.resolve()
    config = passed["config"]
    assert (config.data.data, config.training.epochs) == (tmp_path, 3)
    assert config.report.target == ("f1=0.9",)
    assert config.given == {"data", "epochs", "target"}
    call = f"fastdefect.fit({str(tmp_path)!r}, epochs=3, target=['f1=0.9'])"
    assert passed["new_run"] == NewRun(tmp_path / "r", "first", call)


def test_an_interrupted_fit_does_not_look_finished(
    made: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.update_state(status=RunStatus.INTERRUPTED)
    monkeypatch.setattr("fastdefect.jobs.train.train", lambda *_, **__: made)
    with pytest.raises(KeyboardInterrupt, match="Resume with: fastdefect fit --resume"):
        fastdefect.fit("photos")


def test_settings_are_checked_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match=r"fit\(\) has no setting 'epoch'") as caught:
        fastdefect.fit("nowhere", epoch=3)
    assert caught.value.hint.startswith("Did you mean epochs? The settings are good, ")
    with pytest.raises(UsageError, match=r"--epochs: .* but got 0 \(from fit\(\)\)"):
        fastdefect.fit("nowhere", epochs=0)
    with pytest.raises(UsageError, match=r"audit\(\) has no setting 'out_dir'"):
        fastdefect.audit("nowhere", out_dir="x")
    with pytest.raises(DataError, match="nowhere"):
        fastdefect.audit("nowhere")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"final": "none"}, "one"),
        ({"final": "none", "folds": 3}, "folds"),
        ({"members": 2}, "ensemble"),
        ({"final": "folds", "members": 2}, "final"),
        ({"data": "nowhere"}, "one"),
    ],
)
def test_the_settings_choose_the_training(settings: dict[str, Any], expected: str) -> None:
    from fastdefect.config_resolve import resolve

    assert training_of(resolve(settings)) == expected


def test_a_run_is_opened_by_folder_or_name(
    made: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made.folder.parents[1])
    for run in (fastdefect.Run(made.folder), fastdefect.Run("made"), fastdefect.Run()):
        assert (run.name, run.folder) == ("made", made.folder.resolve())
    assert repr(run) == f"Run({str(made.folder.resolve())!r})"
    assert run.settings.data.image_size == 16
    assert "made" in run._repr_html_()
    with pytest.raises(RunError, match="No run at other"):
        fastdefect.Run("other")


def test_compare_needs_two_runs(made: RunFolder) -> None:
    with pytest.raises(UsageError, match="needs two runs or more, but got 1"):
        fastdefect.compare([made.folder])


def test_predict_keeps_the_order_and_the_errors(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "model.fdb")
    paths = [tmp_path / name for name in ("b.png", "damaged.png", "a.png")]
    for path, brightness in zip(paths, (20, 0, 200), strict=True):
        cv2.imwrite(str(path), photo_of(brightness))
    paths[1].write_bytes(b"no photo")
    events: list[Event] = []
    found = fastdefect.predict(bundle, paths, on_event=events.append)
    assert [each.item.path for each in found.photos] == paths
    assert [each.decision and each.decision.decision for each in found.photos] == [
        *("reject", None, "OK")
    ]
    assert [row["decision"] for row in found.rows] == ["reject", "look", "OK"]
    assert found.rows[1]["error"]
    assert events == [Progress("deciding", done, 3) for done in (1, 2, 3)]
    assert [row[1] for row in found.tables()[0].rows] == ["look", "reject", "OK"]
    one = fastdefect.predict(str(bundle), str(paths[2]))
    assert one.rows[0]["p_defective"] == found.rows[2]["p_defective"]
    with pytest.raises(BundleError, match="no such file"):
        fastdefect.predict(tmp_path / "none.fdb", paths)


@pytest.mark.parametrize("threads", [0, -1, "a", 1.5])
def test_threads_are_a_number(threads: Any) -> None:
    with pytest.raises(UsageError, match=f"threads as an integer of 1 or more, got {threads!r}"):
        fastdefect.predict("model.fdb", "photos", threads=threads)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"treshold": 0.5}, r"Run.evaluate\(\) has no setting 'treshold'"),
        ({"command": "x"}, "has no setting 'command'"),
        ({"known_to": ()}, "has no setting 'known_to'"),
        ({"split": "train"}, "expected valid or test as split, got 'train'"),
        ({"device": "gpu"}, "device: input should be 'auto', .*, but got 'gpu'"),
        ({"views": 3}, "views: input should be a valid string, but got 3"),
    ],
)
def test_arguments_of_a_measurement_are_checked(
    made: RunFolder, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        fastdefect.Run(made.folder).evaluate(**arguments)


def test_a_threshold_may_be_a_number(made: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []
    monkeypatch.setattr(
        "fastdefect.jobs.evaluate.evaluate", lambda run, request, **_: asked.append(request)
    )
    fastdefect.Run(made.folder).evaluate(threshold=0.3, data_root=str(made.folder))
    (request,) = asked
    assert (request.threshold, request.data_root) == ("0.3", made.folder)
    assert request.command == "Run.evaluate()"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"example": 3}, r"Run.export\(\) has no setting 'example'"),
        ({"precision": "int4"}, "precision: input should be .*, but got 'int4'"),
        ({"examples": -1}, "examples of an export from 0 to 1000, got -1"),
        ({"max_flips": 2}, "max_flips of an export from 0 to 1, got 2"),
        ({"unlike_share": 0.6}, "unlike_share of an export from 0 to 0.5, got 0.6"),
    ],
)
def test_arguments_of_an_export_are_checked(
    made: RunFolder, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        fastdefect.Run(made.folder).export("model.fdb", **arguments)
    assert not Path("model.fdb").exists()


def test_compare_finds_names_in_the_folder_of_the_runs(
    made: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[RunFolder] = []
    monkeypatch.setattr(
        "fastdefect.jobs.compare.compare", lambda runs, *_, **__: compared.extend(runs)
    )
    fastdefect.compare(["made", made.folder], runs=made.folder.parent)
    assert [each.name for each in compared] == ["made", "made"]
