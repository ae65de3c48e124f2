"""Where ``--tune head`` has a meaning, and where it has none."""

from fastdefect.config import RunConfig
from fastdefect.errors import UsageError


def check_head_alone(config: RunConfig) -> None:
    """Raise ``UsageError`` for settings that ``tune`` head has no use for, of a single training."""
    if config.training.tune != "head":
        return
    if config.model.head != "linear":
        raise UsageError(
            f"--tune head fits a linear head, but --head is {config.model.head}, by a flag, a file "
            f"or --recipe {config.training.recipe}.",
            "Leave --head and --recipe out, or train with --tune all.",
        )
    if config.training.members > 1:
        raise UsageError(
            f"--tune head --members {config.training.members}: a head on frozen features draws "
            "nothing at random, so that all networks would be the same.",
            "Leave --members out, or train with --tune all.",
        )


def refuse_head_alone(config: RunConfig) -> None:
    """Raise ``UsageError`` for ``tune`` head, where it is about how a whole network learns."""
    if config.training.tune == "head":
        raise UsageError(
            "--tune head: this command is about how the whole network learns.",
            "Leave tune out, of the config file too; fastdefect fit --tune head fits a head alone.",
        )
