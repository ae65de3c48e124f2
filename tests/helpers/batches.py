"""The batches of a loader, and their photos."""

import torch
from torch import Tensor

from fastdefect.data.loaders import RepeatableDL


def batches_of(
    loader: RepeatableDL, epoch: int = 0, skipped: int = 0
) -> list[tuple[Tensor, Tensor]]:
    loader.start(epoch, skipped)
    return [(x.as_subclass(Tensor).clone(), y.as_subclass(Tensor).clone()) for x, y in loader]


def same_batches(first: list[tuple[Tensor, Tensor]], second: list[tuple[Tensor, Tensor]]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(x1, x2) and torch.equal(y1, y2)
        for (x1, y1), (x2, y2) in zip(first, second, strict=True)
    )
