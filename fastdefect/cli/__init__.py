"""The commands, a file each: options to a config, one call, and what it gave to the screen.

Nothing heavy is imported here: each command imports its job when it runs, so that help
appears at once. Within its group, help lists the commands in the order of these imports.
"""

from fastdefect.cli import (  # noqa: F401, I001
    fit,
    quick_test,
    learning_curve,
    tune,
    ablate,
    lr_find,
    audit,
    split,
    preview,
    sample,
    evaluate,
    tta_eval,
    stress,
    label_check,
    compare,
    threshold,
    gate,
    runs,
)
from fastdefect.cli.session import app

__all__ = ["app", "main"]


def main() -> None:
    """The console script."""
    app()
