"""Every field of the config is an option, and its value reaches the job."""

import inspect
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from helpers.settings import as_arguments, other_value, other_values
from typer.testing import CliRunner

from fastdefect.config import ConfigField, RunConfig, TrainingConfig, config_fields
from fastdefect.config_resolve import override, resolve, to_toml
from fastdefect.options import with_config_options
from fastdefect.recipes import RECIPES

LEAVES = config_fields()
HEAVY = (
    "torch",
    "torchvision",
    "fastai",
    "fastcore",
    "pandas",
    "sklearn",
    "matplotlib",
    "albumentations",
    "cv2",
    "numpy",
    "PIL",
    "timm",
    "safetensors",
)


def _app(received: list[tuple[dict[str, Any], int]], **kwargs: Any) -> typer.Typer:
    """A program with one command that records its arguments."""
    app = typer.Typer()

    @app.command()
    @with_config_options(**kwargs)
    def command(flags: dict[str, Any], *, own: int = 1) -> None:
        """Take the flags."""
        received.append((flags, own))

    return app


def _given(arguments: list[str], **kwargs: Any) -> dict[str, Any]:
    received: list[tuple[dict[str, Any], int]] = []
    kwargs = kwargs or {"sections": ("data", "model", "training", "report")}
    result = CliRunner().invoke(_app(received, **kwargs), arguments)
    assert result.exit_code == 0, result.output
    return received[0][0]


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.name)
def test_each_field_has_a_flag(leaf: ConfigField) -> None:
    value = other_value(leaf)
    flags = _given(as_arguments({leaf.name: value}))
    assert list(flags) == [leaf.name]
    assert resolve(flags) == resolve({leaf.name: value})


def test_nothing_given_is_nothing() -> None:
    assert _given([]) == {}


def test_zero_and_no_count_as_given() -> None:
    assert _given(["--mixup-alpha", "0", "--workers", "0", "--no-strict"]) == {
        "mixup_alpha": 0.0,
        "workers": 0,
        "strict": False,
    }


def test_the_old_name_of_arch_still_works() -> None:
    assert _given(["--model-type", "resnet18"]) == {"arch": "resnet18"}


def test_the_old_name_of_recipe_still_works_and_is_not_listed() -> None:
    assert _given(["--preset", "mission"]) == {"recipe": "legacy"}
    assert _given(["--preset", "mission", "--recipe", "plain"]) == {"recipe": "plain"}
    app = _app([], sections=("training",))
    assert "--preset" not in CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300"}).output


def test_former_values_are_accepted_and_not_listed() -> None:
    assert _given(["--targets", "mission"]) == _given(["--targets", "legacy"])
    app = _app([], sections=("report",))
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300"}).output
    assert "[none|legacy]" in shown
    assert "mission" not in shown
    refused = CliRunner().invoke(app, ["--targets", "best"], env={"COLUMNS": "300"})
    assert refused.exit_code == 2
    assert "'best' is not one of 'none', 'legacy'" in refused.output


def test_both_names_of_a_switch_work() -> None:
    for name in ("randomize-background-light", "light"):
        assert _given([f"--{name}"]) == {"light": True}
        assert _given([f"--no-{name}"]) == {"light": False}


def test_a_repeatable_flag_gathers_its_values() -> None:
    flags = _given(["--target", "f1=0.9", "--target", "auc=0.8"])
    assert resolve(flags).report.target == ("f1=0.9", "auc=0.8")


def test_the_commands_own_options_stay() -> None:
    received: list[tuple[dict[str, Any], int]] = []
    result = CliRunner().invoke(
        _app(received, only=("seed",)), ["--own", "7", "--seed", "3"], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert received == [({"seed": 3}, 7)]


def test_only_the_fields_asked_for_become_flags() -> None:
    result = CliRunner().invoke(_app([], only=("seed",)), ["--epochs", "3"])
    assert result.exit_code == 2
    result = CliRunner().invoke(_app([], sections=("model",)), ["--seed", "3"])
    assert result.exit_code == 2


@pytest.mark.parametrize("arguments", [["--optimizer", "lion"], ["--epochs", "many"]])
def test_values_that_typer_can_check_are_refused(arguments: list[str]) -> None:
    app = _app([], sections=("training",))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.output


def test_help_shows_each_flag_with_its_default() -> None:
    app = _app([], sections=("data", "model", "training", "report"))
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "340"}).output
    for leaf in LEAVES:
        if not leaf.flag.argument:
            assert leaf.option in shown
        assert leaf.flag.help in shown
    rate = str(TrainingConfig().learning_rate)
    for default in (rate, "resnet50", "camera", "(default: no)"):
        assert default in shown


@pytest.fixture
def job_calls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[tuple[RunConfig, dict[str, Any]]]:
    """The real program with jobs that only record their arguments, and then raise an error."""
    from fastdefect.errors import DataError
    from fastdefect.jobs import cross_validate, ensemble, final, fit

    # --weights must exist before a job starts.
    monkeypatch.chdir(tmp_path)
    Path(other_values()["weights"]).touch()
    received: list[tuple[RunConfig, dict[str, Any]]] = []

    def replace_start(job: ModuleType) -> None:
        # Bound to the real signature, so that a renamed parameter fails here.
        signature = inspect.signature(job.start)

        def start(*args: Any, **kwargs: Any) -> None:
            bound = signature.bind(*args, **kwargs).arguments
            received.append((bound.pop("config"), {**bound, "job": job.__name__}))
            raise DataError("stopped by the test")

        monkeypatch.setattr(job, "start", start)

    replace_start(fit)
    replace_start(cross_validate)
    replace_start(ensemble)
    replace_start(final)
    return received


def _fit(*arguments: str) -> None:
    from fastdefect.cli import app

    result = CliRunner().invoke(app, ["fit", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 1, result.output
    assert "stopped by the test" in result.output


def test_the_command_line_of_the_old_pipeline_works_unchanged(
    job_calls: list[tuple[RunConfig, dict[str, Any]]],
) -> None:
    line = (
        "--model-type resnet50 --epochs 25 --batch-size 24 --learning-rate 0.0008 "
        "--optimizer adamw --scheduler onecycle --mixup-alpha 0.3"
    )
    _fit(*line.split())

    config, _ = job_calls[0]
    assert config.model.arch == "resnet50"
    # Except for these three, the line has the default values.
    assert (config.training.mixup_alpha, config.training.learning_rate) == (0.3, 0.0008)
    default = {name: RECIPES["plain"][name] for name in ("mixup_alpha", "learning_rate")}
    assert override(config, {**default, "arch": "auto"}) == RunConfig()
    assert config.model.arch == "resnet50"
    assert config.training.batch_size == 24


def test_every_flag_reaches_the_job(
    job_calls: list[tuple[RunConfig, dict[str, Any]]],
) -> None:
    values = other_values()
    _fit(*as_arguments(values), "--runs", "elsewhere/runs", "--name", "trial")

    config, rest = job_calls[0]
    for leaf in LEAVES:
        assert getattr(getattr(config, leaf.section), leaf.name) == values[leaf.name], leaf.name
    assert rest["new_run"].runs == Path("elsewhere/runs")
    assert rest["new_run"].name == "trial"


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.name)
def test_each_flag_reaches_the_job_alone(
    leaf: ConfigField, job_calls: list[tuple[RunConfig, dict[str, Any]]]
) -> None:
    value = other_value(leaf)
    _fit(*as_arguments({leaf.name: value}))
    assert job_calls[0][0] == resolve({leaf.name: value})


def test_folds_and_members_are_separate_jobs(
    job_calls: list[tuple[RunConfig, dict[str, Any]]],
) -> None:
    jobs = {
        ("--folds", "4"): "cross_validate",
        ("--members", "2"): "ensemble",
        ("--members", "2", "--folds", "4"): "ensemble",  # rejects the combination
        ("--final", "refit"): "final",
        ("--final", "folds", "--folds", "4"): "final",
        ("--final", "none", "--folds", "4"): "cross_validate",
        ("--members", "1"): "fit",
        (): "fit",
    }
    for arguments in jobs:
        _fit(*arguments)
    assert [rest["job"].rpartition(".")[2] for _, rest in job_calls] == list(jobs.values())


def test_lr_find_and_preview_have_no_folds() -> None:
    from fastdefect.cli import app

    for command in ("lr-find", "preview"):
        result = CliRunner().invoke(app, [command, "--folds", "3"])
        assert result.exit_code == 2


def test_flags_beat_the_config_file_at_the_job(
    job_calls: list[tuple[RunConfig, dict[str, Any]]], tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(to_toml(resolve({"epochs": 3, "seed": 7})), encoding="utf-8")
    _fit("--config", str(file), "--epochs", "4")

    training = job_calls[0][0].training
    assert (training.epochs, training.seed) == (4, 7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], ["--epochs", "0"]),
        (["--learning-rate", "inf"], ["--learning-rate", "inf"]),
        (["--config", "gone.toml"], ["gone.toml"]),
        (["--resume", "x", "--epochs", "3"], ["--resume", "--epochs"]),
        (["--resume", "x", "--name", "y"], ["--resume", "--name"]),
        (["--quiet", "--json"], ["--quiet", "--json"]),
    ],
)
def test_a_mistake_in_usage_exits_with_2_and_names_the_flag(
    arguments: list[str], words: list[str]
) -> None:
    from fastdefect.cli import app

    result = CliRunner().invoke(app, ["fit", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 2, result.output
    assert all(word in result.output for word in words)
    assert "Traceback" not in result.output


LIST_RUNS = "runs --runs nowhere"
IMPORT_PROBE = """
import json, sys
from typing import Literal
import typer
from typer.testing import CliRunner
if sys.argv[1] == "bare":
    app = typer.Typer()
    @app.command()
    def fit(epochs: int = 1, optimizer: Literal["a", "b"] = "a"): ...
    @app.command()
    def runs(): ...
else:
    from fastdefect.cli import app
for line in sys.argv[2:]:
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == 0, result.output
    assert ("Usage" in result.output) == ("--help" in line)
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def _imported_for(app: str, *lines: str) -> dict[str, set[str]]:
    """Top-level modules in memory after each command line; one process for all.

    A module that one command imports also counts for the next ones.
    """
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_PROBE, app, *lines],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [set(json.loads(line)) for line in done.stdout.splitlines()]
    return dict(zip(lines, found, strict=True))


COMMANDS = (
    *("fit", "quick-test", "ablate", "learning-curve", "tune", "lr-find"),
    *("audit", "split", "sample", "preview"),
    *("evaluate", "compare", "stress", "tta-eval", "label-check", "explain", "report"),
    *("threshold", "gate"),
    *("predict", "show", "export", "serve", "drift", "runs", "queue export", "queue audit"),
)


@pytest.fixture(scope="module")
def bare() -> set[str]:
    """What a Typer app of two commands imports for its help, whatever Typer's version."""
    return _imported_for("bare", "fit --help")["fit --help"]


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """What our app imports for the help of each command, and then to list the runs."""
    return _imported_for("fastdefect", *(_help_of(name) for name in ("", *COMMANDS)), LIST_RUNS)


def _help_of(command: str) -> str:
    """The command line of its help; "" is the app itself."""
    return f"{command} --help".strip()


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_nothing_heavy(
    command: str, imported: dict[str, set[str]], bare: set[str]
) -> None:
    found = imported[_help_of(command)]
    assert "typer" in found
    assert found.isdisjoint(HEAVY), found & set(HEAVY)
    # Typer itself imports pydantic from some version on; we don't.
    assert "pydantic" not in found - bare


def test_the_list_of_runs_imports_nothing_that_takes_seconds(imported: dict[str, set[str]]) -> None:
    assert imported[LIST_RUNS].isdisjoint({"torch", "fastai", "scipy", "sklearn", "cv2", "pandas"})


def test_every_command_is_among_those_whose_help_is_tested() -> None:
    from fastdefect.cli import app

    groups = {"": app} | {f"{group.name} ": group.typer_instance for group in app.registered_groups}
    names = {
        start + (command.name or command.callback.__name__)  # type: ignore[union-attr]
        for start, group in groups.items()
        for command in group.registered_commands  # type: ignore[union-attr]
    }
    assert names == set(COMMANDS)
