"""``fit --from RUN``: the settings, the weights and the split of a new training come from a run.

The new run keeps each photo of the earlier one on its side: a model that was trained on a photo
can't be measured on it, and a sealed photo must not be trained on.
"""

from dataclasses import replace
from pathlib import Path

from fastdefect.config import RunConfig, config_fields
from fastdefect.config_resolve import override
from fastdefect.data.splitting.earlier import EarlierSides
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import UsageError
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.training.sides import keep_known_photos, known_photos
from fastdefect.recipes import RECIPES
from fastdefect.run import DataRoot, Run
from fastdefect.run_registry import open_run
from fastdefect.text import counted
from fastdefect.training.trained_network import trained_network

# Settings of the machine, and of how many networks are trained: not those of the earlier run.
_OWN = frozenset(
    "from_run weights members final folds photos_per_class "
    "resplit device precision workers cache_mb".split()
)
# Settings that depend on the names of the files: of no use for other photos.
_OF_NAMES = frozenset("part_from view_from product_from parts label_from".split())


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
    if "data" not in config.given and (known := run.read_data_root()) is not None:
        inherited["data"] = _found_data(run, known)
    if "arch" not in config.given:  # an older run may not have settled it
        inherited["arch"] = run.read("model.json")["arch"]
    folder = run.folder.resolve().as_posix()  # for a later command in another folder
    start = {"from_run": folder, "weights": folder, "final": "none"}
    settled = override(config, {**inherited, **start})
    return replace(settled, given=config.given | inherited.keys())


def _found_data(run: Run, known: DataRoot) -> Path:
    """The data of the run where they are now. The folder of ``--data-root`` may be far above."""
    if known.data is None:
        raise UsageError(
            f"--from {run.name} without DATA: its photos were found again below {known.folder}, "
            "but no folder there has the layout of its data.",
            f"Name the folder, CSV or zip of the photos: fastdefect fit DATA --from {run.name}",
        )
    return known.data


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
    return None if run is None else EarlierSides.of(run.name, known_photos(run))


def parent_of(config: RunConfig) -> Run | None:
    """The run that the training starts from."""
    return None if config.model.from_run is None else Run(Path(config.model.from_run))


def record_parent(run: Run, config: RunConfig) -> None:
    """Note the earlier run and its photos in the new one, and the openings of their test."""
    parent = parent_of(config)
    if parent is None:
        return
    run.update_state(from_run=parent.folder.as_posix())
    keep_known_photos(run, parent)
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
    seen = {photo.sha256 for photo in known_photos(run) if photo.side == "train"}
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
