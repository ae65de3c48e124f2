"""Stop a training at the first number that is not finite, before it reaches the weights.

A loss or a gradient that is NaN or infinite would make all weights NaN in one step. The step is not
taken, so that the checkpoint of the run stays usable, and the error names the batch and its photos.
"""

import math
from collections.abc import Sequence

from fastai.callback.core import Callback
from torch import nn

from fastdefect.errors import DivergedError
from fastdefect.text import first

_SLOWER = "Use a lower --learning-rate, or --precision fp32."


class StopIfNotFinite(Callback):
    """Raises ``DivergedError`` if the loss or the gradients of a batch are not finite."""

    # After mixed precision (10), which mends an overflow of fp16; before the clipping (11).
    order = 10.5

    def __init__(self, names: tuple[Sequence[str], Sequence[str]], first_epoch: int) -> None:
        """``names``: of the training and of the validation photos, in the order of the loaders.

        ``first_epoch`` is that of the stage, from 0.
        """
        self.names, self.first_epoch = names, first_epoch

    def after_loss(self) -> None:
        """Check the loss, in training and validation."""
        if not self.training and hasattr(self.learn, "shared_steps"):
            # Each of several processes has the loss of other photos, and none may stop alone. The
            # metrics check the predictions of all.
            return
        loss = float(self.learn.loss.detach())
        if math.isfinite(loss):
            return
        largest = [float(each.detach().abs().max()) for each in self.learn.model.parameters()]
        if all(map(math.isfinite, largest)):
            why = f"The weights are finite; the largest is {max(largest):.3g}."
        else:
            why = "The step before this batch made weights infinite or NaN."
        self._stop(f"Expected a finite loss, but that of {self._batch} is {loss}", why)

    def before_step(self) -> None:
        """Check the gradients of the batch."""
        given = [p.grad for p in self.learn.model.parameters() if p.grad is not None]
        norm = float(nn.utils.get_total_norm(given))
        if not math.isfinite(norm):
            what = f"Expected finite gradients, but the norm of those of {self._batch} is {norm}"
            self._stop(what, "The loss itself is finite.")

    def _stop(self, what: str, why: str) -> None:
        """Raise ``DivergedError`` for the current batch; ``what`` begins the message."""
        photos = self._photos()
        raise DivergedError(
            f"{what}. Its photos: {first(photos)}. {why}",
            f"{_SLOWER} run.json lists all photos of the batch.",
            photos,
        )

    @property
    def _batch(self) -> str:
        side = "" if self.training else " of the validation"
        return f"batch {self._number + 1}{side} in epoch {self.first_epoch + self.epoch + 1}"

    @property
    def _number(self) -> int:
        """The number of the batch in its epoch, from 0; a resumed epoch starts in its middle."""
        return int(self.iter) + int(self.dl.skipped_batches)

    def _photos(self) -> tuple[str, ...]:
        names = self.names[0] if self.training else self.names[1]
        return tuple(names[item] for item in self.dl.items_of(int(self.iter)))
