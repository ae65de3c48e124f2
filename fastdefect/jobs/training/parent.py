"""``fit --from RUN``: the settings, the weights and the split of a new training come from a run.

The new run keeps each photo of the earlier one on its side: a model that was trained on a photo
can't be measured on it, and a sealed photo must not be trained on.
"""

from dataclasses import replace
from pathlib import Path

from fastdefect.config import RunConfig, config_fields
from fastdefect.config_resolve import override
from fastdefect.data.splitting.earlier import EarlierSides
from fastdefect.data.splitting.folds import fold_numbers
from fastdefect.data.splitting.split import saved_rows
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import UsageError
from fastdefect.events import Note, OnEvent
from fastdefect.recipes import RECIPES
from fastdefect.run import Run
from fastdefect.run_registry import open_run
from fastdefect.text import counted
from fastdefect.training.trained_network import trained_network

# Settings of the machine, and of how many networks are trained: not those of the earlier run.
_OWN = frozenset(
    "from_run weights members final folds photos_per_class "
    "resplit device precision workers cache_mb".split()
)
# Settings that depend on the names of the files: of no use for other photos.
_OF_NAMES = frozenset("part_from parts label_from".split())


def with_parent(config: RunConfig, runs: Path) -> RunConfig:
    """``config`` with what the user did not give taken from the run of ``--from``, if there is one.

    The run is a folder or a name in ``runs``. Raises ``UsageError`` for settings that contradict
    ``--from``, and ``RunError`` for a run without a model.
    """
    if config.model.from_run is None:
        return config
    run = open_run(config.model.from_run, runs)
    run.require_model()
    _refuse(config, run)
    before = run.read_config()
    inherited = {
        leaf.name: getattr(getattr(before, leaf.section), leaf.name)
        for leaf in config_fields()
        if leaf.name not in _not_inherited(config.given)
    }
    known = run.read_data_root()
    if "data" not in config.given and known is not None:
        inherited["data"] = known[0]
    if "arch" not in config.given:  # an older run may not have settled it
        inherited["arch"] = run.read("model.json")["arch"]
    folder = run.folder.as_posix()
    start = {"from_run": folder, "weights": folder, "final": "none"}
    settled = override(config, {**inherited, **start})
    return replace(settled, given=config.given | inherited.keys())


def _not_inherited(given: frozenset[str]) -> frozenset[str]:
    names = given | _OWN
    if "data" in given:
        names |= _OF_NAMES
    if "recipe" in given:  # its settings replace those of the earlier recipe
        names |= {name for recipe in RECIPES.values() for name in recipe}
    return names


def _refuse(config: RunConfig, run: Run) -> None:
    """Raise ``UsageError`` for settings that contradict ``--from``."""
    training, weights = config.training, config.model.weights
    several = {
        "--members": training.members > 1,
        "--folds": config.report.folds is not None,
        f"--final {training.final}": training.final in ("folds", "refit"),
    }
    if found := [flag for flag, given in several.items() if given]:
        raise UsageError(
            f"--from {run.name} and {found[0]} exclude each other: the photos held out would be "
            "among those that the run was trained on.",
            "Remove one of them.",
        )
    if "weights" in config.given and weights != run.folder.as_posix():
        raise UsageError(
            f"--from {run.name} and --weights {weights} exclude each other: --from starts from the "
            "weights of the run.",
            "Remove one of them.",
        )


def refuse_parent(config: RunConfig) -> None:
    """Raise ``UsageError`` for ``--from`` where it is not a single training that continues."""
    if config.model.from_run is not None:
        raise UsageError(
            f"--from {config.model.from_run}: only a single training of fastdefect fit continues a "
            "run.",
            "Remove --from (in a config file: from_run), or start from the weights alone: "
            "--weights RUN, with the folder of the run.",
        )


def earlier_sides(config: RunConfig) -> EarlierSides | None:
    """The sides that photos had in the run of ``--from``; None without it."""
    run = parent_of(config)
    return None if run is None else EarlierSides.of(run.name, sides_of(run))


def parent_of(config: RunConfig) -> Run | None:
    """The run that the training starts from."""
    return None if config.model.from_run is None else Run(Path(config.model.from_run))


def sides_of(run: Run) -> list[dict[str, str]]:
    """The rows of the run's split and of those of its ancestors, with what its weights have seen.

    Of a run by folds, ``TrainedNetwork`` is the network without the first fold: that fold is
    valid, the others are train. A refitted network was trained on all of them.
    """
    rows = saved_rows(run.path("split.csv"))
    if run.path("folds.csv").exists():
        held_out = 0 if run.read_config().training.final == "refit" else 1
        fold = fold_numbers(run.path("folds.csv"))
        rows = [
            row
            if row["split"] != "valid"
            else {**row, "split": "valid" if fold.get(row["path"]) == held_out else "train"}
            for row in rows
        ]
    parent = parent_of(run.read_config())
    has_parent = parent is not None and parent.path("split.csv").exists()
    return [*rows, *(sides_of(parent) if parent is not None and has_parent else ())]


def record_parent(run: Run, config: RunConfig) -> None:
    """Note the earlier run in ``run.json``, and its openings of the test that both share."""
    parent = parent_of(config)
    if parent is None:
        return
    run.update_state(from_run=parent.folder.as_posix())
    if openings := parent.read_openings():
        run.write("openings.json", openings)


def warn_of_seen(config: RunConfig, data: TrainingData, on_event: OnEvent) -> None:
    """Warn if ``--weights RUN`` was trained on photos that are held out here."""
    network = trained_network(config.model.weights)
    if network is None or config.model.from_run is not None:
        return
    run = Run(network.folder)
    if not run.path("split.csv").exists():
        return
    seen = {row["sha256"] for row in sides_of(run) if row["split"] == "train"}
    held_out = (*data.split.valid, *data.split.test)
    n = sum(data.manifest.photos[i].sha256 in seen for i in held_out)
    if n:
        on_event(
            Note(
                f"{run.name} was trained on {counted(n, 'photo')} of valid and test: their figures "
                "are too good. --from keeps each photo on the side that it had.",
                "warning",
            )
        )
