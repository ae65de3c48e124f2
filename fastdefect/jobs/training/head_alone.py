"""Checks of ``--tune head`` against the command and the other settings."""

from fastdefect.config import RunConfig
from fastdefect.errors import UsageError


def check_head_alone(config: RunConfig) -> None:
    """Raise ``UsageError`` for settings of a single training that conflict with ``tune`` head."""
    if config.training.tune != "head":
        return
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


def refuse_head_alone(config: RunConfig) -> None:
    """Raise ``UsageError`` for ``tune`` head in a command that trains whole networks."""
    if config.training.tune == "head":
        raise UsageError(
            "--tune head: this command trains the whole network.",
            "Remove tune, also from the config file; fastdefect fit --tune head fits a head alone.",
        )
