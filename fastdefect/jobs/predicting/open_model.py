"""Open the model of ``predict``: a bundle, without torch, or a run."""

from pathlib import Path

from fastdefect.events import OnEvent
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.trained.bundle_path import bundle_path
from fastdefect.jobs.trained.request import Request


def open_model(model: str, runs: Path, request: Request, on_event: OnEvent) -> Scorer:
    """The bundle at the path ``model``, or the run with this name or folder.

    A bundle decides by its own rule. Raises ``UsageError`` for options that only a run has, and
    ``BundleError`` or ``RunError`` if there is no such model.
    """
    path = bundle_path(model, request)
    if path is None:
        from fastdefect.jobs.trained.scorer import run_scorer
        from fastdefect.run_registry import open_run

        run = open_run(model, runs)
        run.require_model()
        return run_scorer(run, request, on_event)
    # One thread a photo: as many photos are computed at the same time as there are cores.
    return bundle_scorer(read_bundle(path), model, threads=1)
