"""The commands, one module each: parse the options, call the job, and show the result.

Nothing heavy is imported here. Each command imports its job when it runs, so that --help is fast.
The order of these imports is the order of the commands in their groups in --help.
"""

import sys  # noqa: I001

from fastdefect.cli import (  # noqa: F401
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
    explain,
    label_check,
    compare,
    threshold,
    gate,
    report,
    predict,
    show,
    export,
    drift,
    serve,
    queue,
    runs,
)
from fastdefect.cli.session import app
from fastdefect.processes import place

__all__ = ["app", "main"]


def main() -> None:
    """The console script; ``launched`` runs it in one of several processes."""
    here = place()
    if here.size == 1:
        app()
        return
    from fastdefect.cli.launched import run_launched

    run_launched(here, sys.argv[1:], app)
