"""A network for photos in tiles: each tile is classified, and the tiles decide together.

The labels are those of photos: one of the tiles of a defective photo shows a defect, and nobody
knows which. This is multiple-instance learning (Dietterich et al. 1997, "Solving the multiple
instance problem with axis-parallel rectangles"). The photo is as defective as its worst tile: other
ways to pool were measured (docs/benchmarks.md, tiles). In a training only the worst tiles of a
photo are computed with gradients, which is the same gradient for a fraction of the memory and time
(Campanella et al. 2019, "Clinical-grade computational pathology using weakly supervised deep
learning").
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fastdefect.data.reading.frame import squares_at_once
from fastdefect.good import Good

_TRAINED = 2  # tiles of a photo that a step trains on: each class may have another worst tile
_CHUNK = 32  # tiles that are computed at a time
_NOTHING = -1e4  # evidence of an empty tile; half precision can represent it


class Tiled(nn.Sequential):
    """A body and a head that are applied to the tiles of photos; a photo has one row of logits.

    It maps photos (n, 3, tiles * size, size), or turned by a quarter, to logits (n, n_classes). Its
    modules have the names of the network without tiles, so that their weights fit both.
    """

    def __init__(self, body: nn.Module, head: nn.Module, size: int, good: Good) -> None:
        """Cut photos into squares of ``size``; ``good`` are the indices of the good classes."""
        super().__init__(body, head)
        self.size, self.good = size, tuple(good)

    def forward(self, photos: Tensor) -> Tensor:
        """Return the logits (n, n_classes) of photos; see the class."""
        cells, n = cut(photos, self.size), photos.shape[0]
        tiles = (photos.shape[2] // self.size) * (photos.shape[3] // self.size)
        empty = empty_tiles(cells, tiles)
        if not (self.training and torch.is_grad_enabled()):
            return pool(self._of_filled(cells, empty), empty, self.good)
        with torch.no_grad(), _evaluating(self):
            logits = self._of_filled(cells, empty)
        chosen = _worst(logits, empty, self.good, min(_TRAINED, tiles))
        places = (chosen + torch.arange(n, device=chosen.device)[:, None] * tiles).reshape(-1)
        found = self._classify(cells[places]).reshape(n, chosen.shape[1], -1)
        # The others count without a gradient, as for several good classes or none.
        at = chosen[:, :, None].expand(-1, -1, found.shape[2])
        return pool(logits.to(found.dtype).scatter(1, at, found), empty, self.good)

    def by_tile(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (n, n_classes) of photos, and those of all tiles (n, tiles, n_classes).

        Empty tiles have logits, too, which do not count.
        """
        cells, n = cut(photos, self.size), photos.shape[0]
        tiles = (photos.shape[2] // self.size) * (photos.shape[3] // self.size)
        logits = self.classify(cells).reshape(n, tiles, -1)
        return pool(logits, empty_tiles(cells, tiles), self.good), logits

    def _of_filled(self, cells: Tensor, empty: Tensor) -> Tensor:
        """The logits (n, tiles, n_classes) of ``cells``; 0 for those that are ``empty``."""
        filled = ~empty.reshape(-1)
        found = self.classify(cells[filled])
        logits = found.new_zeros(len(cells), found.shape[1])
        logits[filled] = found
        return logits.reshape(*empty.shape, -1)

    def classify(self, cells: Tensor) -> Tensor:
        """Return the logits (m, n_classes) of tiles (m, 3, size, size)."""
        if torch.compiler.is_exporting():
            return self._classify(cells)
        at_once = squares_at_once(_CHUNK, self.size)
        starts = range(0, len(cells), at_once)
        return torch.cat([self._classify(cells[at : at + at_once]) for at in starts])

    def _classify(self, cells: Tensor) -> Tensor:
        body, head = self
        logits: Tensor = head(body(cells))
        return logits


def cut(photos: Tensor, size: int) -> Tensor:
    """The squares (n * tiles, 3, size, size) of photos (n, 3, h, w), those of a photo together."""
    rows, columns = photos.shape[2] // size, photos.shape[3] // size
    split = photos.reshape(-1, 3, rows, size, columns, size)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(-1, 3, size, size)


def pool(logits: Tensor, empty: Tensor, good: Sequence[int]) -> Tensor:
    """The logits (n, n_classes) of photos from those of their tiles (n, tiles, n_classes).

    The evidence for a defect is its logit less that of good; the photo's is that of its worst
    tile. With several good classes, theirs is the mean over the tiles. Tiles that are ``empty``
    (n, tiles) do not count. The softmax of a single tile's logits stays as it is.
    """
    evidence = _evidence(logits, good)
    n_classes = logits.shape[2]
    hidden = empty[:, :, None]
    counts = (~hidden).to(evidence.dtype).sum(dim=1)
    mean = evidence.masked_fill(hidden, 0.0).sum(dim=1) / counts
    worst = evidence.masked_fill(hidden, _NOTHING).amax(dim=1)
    is_good = torch.tensor([index in good for index in range(n_classes)], device=logits.device)
    return torch.where(is_good, mean, worst)


def _evidence(logits: Tensor, good: Sequence[int]) -> Tensor:
    """Logits less the log of the sum over the good classes; unchanged if there are none."""
    if not good:
        return logits
    of_good = torch.stack([logits[..., index] for index in good], dim=-1)
    return logits - of_good.logsumexp(dim=-1, keepdim=True)


def _worst(logits: Tensor, empty: Tensor, good: Sequence[int], number: int) -> Tensor:
    """(n, number) the tiles with the most evidence for any defect."""
    defects = [index for index in range(logits.shape[2]) if index not in good]
    evidence = _evidence(logits.float(), good)
    highest = evidence[..., defects].amax(dim=2) if defects else evidence.amax(dim=2)
    return highest.masked_fill(empty, _NOTHING).topk(number, dim=1).indices


def empty_tiles(cells: Tensor, tiles: int) -> Tensor:
    """(n, tiles): which tiles of photos have one colour, from tiles (n * tiles, 3, size, size).

    None of a photo without any content, so that it is judged by all its tiles.
    """
    spread = (cells.amax(dim=(2, 3)) - cells.amin(dim=(2, 3))).amax(dim=1).reshape(-1, tiles)
    return (spread == 0).float() * (spread.amax(dim=1, keepdim=True) != 0).float() > 0.5


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode in the block; each module then returns to its own mode."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
