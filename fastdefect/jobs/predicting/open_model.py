"""Open the model of ``predict``: a bundle, without torch, or a run."""

from dataclasses import dataclass
from pathlib import Path

from fastdefect.events import OnEvent
from fastdefect.inference.bundle import Bundle, read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.trained.bundle_path import bundle_path
from fastdefect.jobs.trained.request import Request


@dataclass(frozen=True)
class ModelSource:
    """What another process needs to open a model: a bundle itself, or where the run is.

    ``name`` is what the user named. ``runs`` and ``request`` are of a run, ``bundle`` is None then.
    """

    name: str
    runs: Path
    request: Request
    bundle: Bundle | None

    def open(self, on_event: OnEvent) -> Scorer:
        """The model. Raises ``BundleError`` or ``RunError`` if it can't be used."""
        if self.bundle is not None:
            # One thread a photo: as many photos are computed at the same time as there are cores.
            return bundle_scorer(self.bundle, self.name, threads=1)
        from fastdefect.jobs.trained.scorer import run_scorer
        from fastdefect.run_registry import open_run

        run = open_run(self.name, self.runs)
        run.require_model()
        return run_scorer(run, self.request, on_event)


def find_model(model: str, runs: Path, request: Request) -> ModelSource:
    """The bundle at the path ``model``, or the run with this name or folder.

    A bundle decides by its own rule. Raises ``UsageError`` for options that only a run has, and
    ``BundleError`` if the bundle can't be read.
    """
    path = bundle_path(model, request)
    if path is not None:
        return ModelSource(model, runs, request, read_bundle(path))
    folder = Path(model)  # a worker may have another working folder
    named = str(folder.absolute()) if folder.is_dir() else model
    return ModelSource(named, runs.absolute(), request, None)


def open_model(model: str, runs: Path, request: Request, on_event: OnEvent) -> Scorer:
    """The model that ``find_model`` finds. Raises as it does, and as ``ModelSource.open``."""
    return find_model(model, runs, request).open(on_event)
