"""The commands, one module each: parse the options, call the job, and show the result.

Nothing heavy is imported here. Each command imports its job when it runs, so that --help is fast.
The order of these imports is the order of the commands in their groups in --help.
"""

import sys

from fastdefect.cli import (  # noqa: F401
    ablate,
    audit,
    compare,
    drift,
    evaluate,
    explain,
    export,
    fit,
    gate,
    label_check,
    learning_curve,
    lr_find,
    predict,
    preview,
    queue,
    quick_test,
    report,
    runs,
    sample,
    serve,
    show,
    split,
    stress,
    threshold,
    tta_eval,
    tune,
)
from fastdefect.cli.session import app
from fastdefect.processes import place

__all__ = ["app", "main"]


def main() -> None:
    """The console script; see ``launched`` for one of several processes."""
    here = place()
    if here.size == 1:
        app()
        return
    from fastdefect.cli.launched import run_launched

    run_launched(here, sys.argv[1:], app)
