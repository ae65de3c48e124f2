"""Weights & Biases: runs in the folder ``wandb`` of a run, or online if there is a login."""

import os
from collections.abc import Mapping
from glob import escape
from pathlib import Path
from shutil import rmtree
from typing import Any

from fastdefect.files import typed
from fastdefect.tracking.tracker import Closing, Opening


class WandbRun:
    """A run of Weights & Biases, in the group of the run that contains it."""

    def __init__(self, opening: Opening) -> None:
        # Read by the library: without a login, it must not send its own errors either.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        mode = _mode(wandb)
        # One folder for all trainings of a series, so that one command uploads them.
        home = opening.folder if opening.group is None else opening.folder.parent
        epochs = opening.epochs
        if mode == "offline" and opening.id is not None:
            epochs = epochs if _was_uploaded(home, opening.id) else 0
        self._run: Any = _init(wandb, opening, home, mode)
        # Steps of the library only grow, also where a picture is logged; epochs are the axis.
        self._run.define_metric("*", step_metric="epoch")
        self.id, self.epochs = str(self._run.id), epochs
        self.where = f"mode {mode}"
        if mode == "online":
            # The server knows best what it has: a training can be killed before it notes it.
            self.epochs = max(epochs, int(self._run.summary.get("epoch", 0)))
            self.where = str(self._run.url)
        elif mode == "offline":
            files = typed(home / "wandb")
            self.where = (
                f"offline in {files}; upload it later with: wandb sync {files}/offline-run-*"
            )

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log the figures as one row."""
        self._run.log({**figures, "epoch": epoch})

    def close(self, closing: Closing) -> None:
        """Log the pictures, the files as one artifact, and the figures in the summary."""
        import wandb

        pictures = {
            f"plots/{file.stem}": wandb.Image(str(file))
            for file in closing.files
            if file.suffix == ".png"
        }
        if pictures:
            self._run.log(pictures)
        if closing.files:
            artifact = wandb.Artifact(f"run-{self.id}", type="run")
            for file in closing.files:
                artifact.add_file(str(file))
            self._run.log_artifact(artifact)
        self._run.summary.update(dict(closing.figures))
        self._run.finish(exit_code=int(closing.failed or closing.interrupted))


def _init(wandb: Any, opening: Opening, home: Path, mode: str) -> Any:
    return wandb.init(
        project=os.environ.get("WANDB_PROJECT", "fastdefect"),
        dir=str(home),
        id=opening.id,
        # Offline, the library has no use for this option, and warns of it.
        resume="allow" if opening.id and mode == "online" else None,
        name=opening.name,
        group=opening.group,
        config={**opening.settings, "about": dict(opening.about)},
        mode=mode,
        # The run of a series is open while its trainings are logged.
        reinit="create_new",
        settings=wandb.Settings(console="off", silent=True),
    )


def _was_uploaded(home: Path, run_id: str) -> bool:
    """Whether offline files of the run were uploaded; if none was, they are deleted.

    The library writes the end of such a file when the run ends. Of a training that was killed, the
    epochs are missing, so all of them are logged again. ``history.csv`` has them.
    """
    folders = list((home / "wandb").glob(f"offline-run-*-{escape(run_id)}"))
    if any(list(each.glob("*.synced")) for each in folders):
        return True
    for each in folders:
        rmtree(each)
    return False


def _mode(wandb: Any) -> str:
    """The mode of the user's configuration; offline instead of online if there is no login."""
    mode = str(wandb.setup().settings.mode)
    # Without a login, the library would ask for a key in the middle of a training.
    if mode == "online" and not wandb.login(prompt=False, verify=False):
        return "offline"
    return mode
