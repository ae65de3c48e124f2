"""Weights & Biases: runs in the folder ``wandb`` of the run, and online if there is a login."""

import os
from collections.abc import Mapping
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
        # "create_new": the run of a series is open while its trainings are logged.
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "fastdefect"),
            dir=str(opening.folder),
            id=opening.id,
            resume="allow" if opening.id and mode == "online" else None,
            name=opening.name,
            group=opening.group,
            config={**opening.settings, "about": dict(opening.about)},
            mode=mode,
            reinit="create_new",
            settings=wandb.Settings(console="off", silent=True),
        )
        # Steps of the library only grow, also where a picture is logged; epochs are the axis.
        self._run.define_metric("*", step_metric="epoch")
        self.id = str(self._run.id)
        known = self._run.summary.get("epoch", 0) if mode == "online" else 0
        self.epochs = max(opening.epochs, int(known))
        self.where = str(self._run.url or f"mode {mode}")
        if mode == "offline":
            files = typed(opening.folder / "wandb")
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


def _mode(wandb: Any) -> str:
    """The mode of the user's configuration; offline instead of online if there is no login."""
    mode = str(wandb.setup().settings.mode)
    # Without a login, the library would ask for a key in the middle of a training.
    if mode == "online" and not wandb.login(prompt=False, verify=False):
        return "offline"
    return mode
