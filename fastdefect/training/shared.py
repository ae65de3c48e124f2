"""A training step of several processes: each computes its share of the batch, all step alike.

Of the photos of a batch at places 0, 1, 2, ..., process r of w has r, r + w, ... The gradient
is that of the loss of the whole batch. Batch-norm, dropout and MixUp are those of the whole batch,
too. So the weights are those of one process, up to rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from fastdefect.aliases import Floats
from fastdefect.data.sampling import share_of_batches
from fastdefect.errors import UsageError
from fastdefect.text import counted
from fastdefect.training.callbacks import Position
from fastdefect.training.loss import DefectLoss
from fastdefect.training.processes import Processes
from fastdefect.training.whole_batch import Share, share_layers

Row = dict[str, Any]
Predict = Callable[[Sequence[int]], Floats]


class SharedSteps(Callback):
    """Trains ``learn`` together with the other processes; ``loss`` is its loss without MixUp.

    ``share`` is this process's share of the batch, and ``stopped`` says whether a process was asked
    to stop.
    """

    order = -4  # after fastai has set the mode and the draws are seeded, before MixUp draws

    def __init__(
        self,
        processes: Processes,
        position: Position,
        loss: DefectLoss,
        requested: Callable[[], bool],
    ) -> None:
        self.processes, self.position = processes, position
        self.loss_of_share, self.requested = loss, requested
        self.share, self.stopped = Share(0, ()), False
        self._restore: Callable[[], None] | None = None

    def before_train(self) -> None:
        """Connect the network in the first epoch, when other callbacks have fixed its layers."""
        if self._restore is None:
            self._connect()

    def _connect(self) -> None:
        learn, plain = self.learn, self.learn.model
        restore_layers = share_layers(plain, lambda: self.share)

        def restore() -> None:  # after the fit, a callback has no learner
            restore_layers()
            learn.model = plain

        self.plain, self._restore = plain, restore
        self.connected = DistributedDataParallel(self.plain)

    def before_batch(self) -> None:
        """Compute this batch with the connected network, and its loss over all processes."""
        if self.training:
            batch = self.position.batch
            own = self.dl.own_places(batch)
            self.share = Share(self.dl.photos_in(batch), own or range(1), counted=bool(own))
            self.learn.model = self.connected
            self.loss_of_share.mean_of = self._mean

    def after_pred(self) -> None:
        """Give back the network itself, whose layers other callbacks look up."""
        if self.training:
            self.learn.model = self.plain

    def _mean(self, total: Tensor, weight: Tensor) -> Tensor:
        """Return the share of the batch's mean loss, times the number of processes.

        The gradients are averaged over the processes; this makes their mean the whole gradient.
        """
        counted = float(self.share.counted)
        mine = torch.stack([total.detach(), weight.detach()]).double() * counted
        stop = mine.new_tensor([float(self.requested())])
        loss, whole, stops = self.processes.sum(torch.cat([mine, stop])).unbind()
        self.stopped = bool(stops > 0)
        self.whole_loss = (loss / whole).to(total.dtype)
        return total * counted * self.processes.size / whole.to(total.dtype)

    def after_loss(self) -> None:
        """Report the loss of the whole batch."""
        if self.training:
            self.loss_of_share.mean_of = torch.div
            self.learn.loss = self.whole_loss

    def exchanged(self, own: Tensor, order: Tensor) -> Tensor:
        """Return the rows of the whole batch that ``order`` puts at the places of this process.

        ``own`` has the rows of this process, and ``order`` a place for each place of the batch.
        """
        size, rank = self.processes.size, self.processes.place.rank
        wanted = [order[list(range(of, self.share.photos, size) or range(1))] for of in range(size)]
        sent = [places[places % size == rank] // size for places in wanted]
        received = [wanted[rank] % size == of for of in range(size)]
        rows = self.processes.to_each(
            own[torch.cat(sent).to(own.device)],
            [len(each) for each in sent],
            [int(each.sum()) for each in received],
        )
        result = torch.empty_like(rows)
        at = torch.cat([torch.nonzero(each).flatten() for each in received])
        result[at.to(own.device)] = rows
        return result

    def before_validate(self) -> None:
        """Forget the last validation."""
        self.logits: list[Tensor] = []
        self.labels: list[Tensor] = []

    def after_batch(self) -> None:
        """Keep the logits and labels of a validation batch."""
        if not self.training:
            self.logits.append(self.pred.detach().float().as_subclass(Tensor))
            self.labels.append(self.y.detach().as_subclass(Tensor))

    def valid_loss(self) -> float:
        """Return the validation loss of one process: the mean of its batches, by their photos."""
        valid = self.learn.dls.valid
        logits, labels = (
            self.processes.whole(torch.cat(own), valid.n, valid.whole_bs)
            for own in (self.logits, self.labels)
        )
        starts = range(0, valid.n, valid.whole_bs)
        batches = [slice(start, start + valid.whole_bs) for start in starts]
        loss = self.loss_of_share
        sums = [float(loss(logits[b], labels[b])) * len(labels[b]) for b in batches]
        return sum(sums) / valid.n

    def after_fit(self) -> None:
        """Disconnect the network: the next stage trains other layers."""
        self.release()

    def release(self) -> None:
        """Disconnect the network, also after an error."""
        self.loss_of_share.mean_of = torch.div
        if self._restore is not None:
            self._restore()
            self._restore = None
            del self.connected


class Alone:
    """The work of a training in one process: all of it."""

    writes = True
    callbacks: tuple[Callback, ...] = ()

    def __init__(self, stop_requested: Callable[[], bool]) -> None:
        self.stop_requested = stop_requested

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Train in the block."""
        yield

    def validated(self, rows: Tensor) -> Tensor:
        """Return the rows of all validation photos."""
        return rows

    def agreed(self, row: Row) -> Row:
        """Return the row of an epoch."""
        return row

    def predicted(self, predict: Predict, rows: Sequence[int]) -> Floats:
        """Return the predictions of all rows."""
        return predict(rows)


class Together:
    """The work of one of several processes: its share of every batch, and of what is predicted.

    The loaders of ``learn`` load this share from now on. The first process decides for all: the
    best epoch and early stopping follow from its rows of the history.
    """

    def __init__(
        self,
        processes: Processes,
        learn: Learner,
        position: Position,
        requested: Callable[[], bool],
    ) -> None:
        """Raises ``UsageError`` if a batch has fewer photos than there are processes."""
        _take_shares(learn, processes)
        self.processes, self.valid = processes, learn.dls.valid
        self.steps = SharedSteps(processes, position, learn.loss_func, requested)
        self.callbacks: tuple[Callback, ...] = (self.steps,)
        self.writes = processes.first

    def stop_requested(self) -> bool:
        """Whether a process was asked to stop before the last training batch."""
        return self.steps.stopped

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Train in the block; the loss of a process in it is a ``ProcessLostError``."""
        try:
            with self.processes.watched():
                yield
        finally:
            self.steps.release()

    def validated(self, rows: Tensor) -> Tensor:
        """Return the rows of all validation photos; ``rows`` are those of this process."""
        return self.processes.whole(rows, self.valid.n, self.valid.whole_bs)

    def agreed(self, row: Row) -> Row:
        """Return the row of an epoch of all processes, as the first one rounds it."""
        return self.processes.from_first({**row, "valid_loss": self.steps.valid_loss()})

    def predicted(self, predict: Predict, rows: Sequence[int]) -> Floats:
        """Return the predictions of all rows; this process predicts its share."""
        n = len(rows)
        own = share_of_batches(n, n, self.processes.place.rank, self.processes.size)
        part = predict([rows[place] for place in own] or [rows[0]])
        return self.processes.whole(torch.from_numpy(part), n, n).numpy()


def _take_shares(learn: Learner, processes: Processes) -> None:
    smallest = min(loader.whole_bs for loader in learn.dls.loaders)
    if smallest < processes.size:
        raise UsageError(
            f"A batch has {counted(smallest, 'photo')}, but there are {processes.size} processes: "
            "each needs one or more.",
            f"Use --batch-size {processes.size} or more, or fewer processes.",
        )
    for loader in learn.dls.loaders:
        loader.take_share(processes.place.rank, processes.size)
