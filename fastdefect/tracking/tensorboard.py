"""TensorBoard: event files in the folder ``tensorboard`` of the run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from fastdefect.files import typed
from fastdefect.tracking.tracker import Closing, Opening


class TensorboardRun:
    """The event files of a run. A resumed run gets another file beside the first."""

    def __init__(self, opening: Opening) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = opening.folder / "tensorboard"
        self.id, self.epochs = folder.name, opening.epochs
        self.where = f"{folder}; show all runs with: tensorboard --logdir {typed(opening.root)}"
        # TensorBoard then ignores what an earlier file has of later epochs: a training can be
        # killed after it logs an epoch and before it notes it.
        purge = None if opening.id is None else self.epochs + 1
        self._writer: Any = SummaryWriter(str(folder), purge_step=purge)
        if opening.id is None:
            self._writer.add_text("settings", _table({**opening.about, **opening.settings}), 0)

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Write the figures to the disk, for a training that is killed later."""
        self._add({f"epoch/{name}": value for name, value in figures.items()}, epoch)
        self._writer.flush()

    def close(self, closing: Closing) -> None:
        """Write the figures and the pictures; TensorBoard has no other files."""
        self._add(closing.figures, closing.epochs)
        for file in closing.files:
            if file.suffix == ".png":
                with Image.open(file) as picture:
                    pixels = np.array(picture.convert("RGB"))
                self._writer.add_image(file.stem, pixels, closing.epochs, dataformats="HWC")
        self._writer.close()

    def _add(self, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)


def _table(values: Mapping[str, Any]) -> str:
    rows = [
        f"| {key} | {str(value).replace('|', chr(92) + '|')} |" for key, value in values.items()
    ]
    return "\n".join(["| setting | value |", "|---|---|", *rows])
