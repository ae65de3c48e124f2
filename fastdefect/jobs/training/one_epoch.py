"""Checks of ``--tune head``, ``--learn`` and ``--view-input`` against other settings."""

from fastdefect.config import RunConfig
from fastdefect.errors import UsageError


def check_one_epoch(config: RunConfig) -> None:
    """Raise ``UsageError`` for settings of a single training that conflict with them."""
    if config.data.learn != "classes":
        _check_memory(config)
    elif config.training.turned != "auto":
        raise UsageError(
            f"--turned {config.training.turned} is for the memory of good parts, but this training "
            "has none.",
            "Remove --turned, or add --learn good or --learn both.",
        )
    if config.training.tune == "head":
        _check_head(config)
    if config.data.view_input:
        _check_view_input(config)


def refuse_one_epoch(config: RunConfig) -> None:
    """Raise ``UsageError`` for them in a command that trains whole networks."""
    if config.training.tune == "head":
        raise UsageError(
            "--tune head: this command trains the whole network.",
            "Remove tune, also from the config file; fastdefect fit --tune head fits a head alone.",
        )
    if config.data.learn != "classes":
        raise UsageError(
            f"--learn {config.data.learn}: this command trains networks with several classes, "
            "without a memory of good parts.",
            "Remove learn, also from the config file; fastdefect fit takes it.",
        )


def _check_memory(config: RunConfig) -> None:
    """What a memory of good parts, alone or beside a classifier, can't be combined with."""
    learn = f"--learn {config.data.learn}"
    joint = config.data.learn == "both"
    conflicts = {
        "--tune head": config.training.tune == "head" and not joint,
        f"--members {config.training.members}": config.training.members > 1,
        f"--folds {config.report.folds}": config.report.folds is not None,
        f"--final {config.training.final}": config.training.final in ("folds", "refit"),
        f"--from {config.model.from_run}": config.model.from_run is not None,
        f"--views {config.report.views}": config.report.views not in ("auto", "none") and joint,
    }
    if found := next((flag for flag, given in conflicts.items() if given), None):
        raise UsageError(
            f"{learn} compares new photos with the good ones of one training, and can't be "
            f"combined with {found}.",
            f"Remove {found.split()[0]}, or remove {learn}.",
        )
    if config.data.good == "none":
        raise UsageError(
            f"{learn} needs a good class, but --good none says that there is none.",
            f"Name the good class, or remove {learn}.",
        )


def _check_view_input(config: RunConfig) -> None:
    conflicts = {
        f"--learn {config.data.learn}": (
            config.data.learn != "classes",
            "a memory compares a photo with good ones of all views",
        ),
        f"--tiles {config.data.tiles}": (
            config.data.tiles not in ("none", "marked", "1"),
            "the network for tiles takes tiles alone",
        ),
    }
    for flag, (given, reason) in conflicts.items():
        if given:
            raise UsageError(
                f"--view-input can't be combined with {flag}: {reason}.",
                f"Remove {flag.split()[0]} or --view-input, or train a run for each view, with the "
                "view in a column product: fastdefect fit --each-product.",
            )


def _check_head(config: RunConfig) -> None:
    if config.model.head != "linear":
        raise UsageError(
            f"--tune head fits a linear head, but --head is {config.model.head}, by a flag, a file "
            f"or --recipe {config.training.recipe}.",
            "Remove --head and --recipe, or train with --tune all.",
        )
    if config.training.members > 1:
        raise UsageError(
            f"--tune head --members {config.training.members}: a head on frozen features has no "
            "random draws, so that all networks would be the same.",
            "Remove --members, or train with --tune all.",
        )
