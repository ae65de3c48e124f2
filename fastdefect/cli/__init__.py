"""The commands: options to a config, one call, and what it gave to the screen.

Nothing heavy is imported here: each command imports its job when it runs, so that help
appears at once. Help lists the commands in the order of these imports.
"""

from fastdefect.cli import fit, series, tune, data, evaluation, compare, robustness, look  # noqa: F401, I001
from fastdefect.cli.session import app

__all__ = ["app", "main"]


def main() -> None:
    """The console script."""
    app()
