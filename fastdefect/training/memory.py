"""A memory of good parts: a photo is as defective as its least familiar place.

The head of ``--learn good``, and a half of ``--learn both``. Each place of a photo is described by
the maps of a frozen network, and compared with the places of good training photos (Roth et al.
2022, "Towards total recall in industrial anomaly detection", PatchCore). It differs from PatchCore
in three points: the features are reduced to fewer dimensions, so that a decision takes little time
without a search library; half of a distance is that of the neighbouring places, so that a single
place counts less; and places of the background do not count where the outline of the part is known.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from fastdefect.training.stages import Staged, Tap

WIDTH = 256  # values that describe a place, at most
_COARSE = 32  # values by which the rows of a memory are chosen
_BLOCK = 1024  # rows of the memory that are compared at once; limits the memory of a batch


class Places(Staged):
    """A body that is read at its taps and returns the features of each place of a photo."""

    def __init__(self, body: nn.Module, taps: Sequence[Tap]) -> None:
        """Read ``body`` at ``taps``, which all give maps."""
        super().__init__(body, taps)
        self.describe = _smooth

    def forward(self, photos: Tensor) -> Tensor:
        """Return features (n, d, side, side) of photos (n, 3, h, w), float32.

        The places are those of the second finest map; each map is averaged over 3 x 3 of its own
        places, so that small shifts change little.
        """
        maps = self._read(photos)
        side = sorted((each.shape[-1] for each in maps), reverse=True)[:2][-1]
        return torch.cat([_on_grid(each, side) for each in maps], dim=1)


def _smooth(maps: Tensor) -> Tensor:
    return avg_pool2d(maps.float(), 3, stride=1, padding=1, count_include_pad=False)


def _on_grid(maps: Tensor, side: int) -> Tensor:
    """Maps (n, c, h, h) on ``side`` x ``side`` places: finer ones averaged, coarser ones repeated.

    ``interpolate`` is not used, because bundles do not accept its operator.
    """
    here = maps.shape[-1]
    if here > side:
        step = -(-here // side)
        maps = avg_pool2d(maps, step, stride=step, ceil_mode=True, count_include_pad=False)
    elif here < side:
        times = -(-side // here)
        maps = maps.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)
    maps = maps[..., :side, :side]
    missing = side - maps.shape[-1]
    return pad(maps, (0, missing, 0, missing), mode="replicate") if missing else maps


class PatchMemory(nn.Module):
    """From the features of places to logits: 0 for the nearest good class, the rest by distance.

    ``project`` reduces the features to few values, ``part`` is the log odds that a place
    shows the part, ``memory`` (m, w) has the places of good photos, those of the first good
    class first, ``sizes`` their number by class. A photo at the distance ``usual`` has even odds;
    they change by a factor of e for each ``spread``. All are fitted by ``training/fit_memory.py``.
    """

    memory: Tensor
    sizes: Tensor
    usual: Tensor
    spread: Tensor
    part_bias: Tensor

    def __init__(self, channels: Sequence[int], classes: int, good: Sequence[int]) -> None:
        """Create an empty memory for maps with ``channels`` at each depth.

        ``good`` has the indices of the good ones of ``classes``.
        """
        super().__init__()
        self.channels = tuple(channels)
        n_features = sum(channels)
        self.good, self.classes = tuple(good), classes
        width = min(n_features, WIDTH)
        self.project = nn.Conv2d(n_features, width, 1, bias=False)
        self.part = nn.Conv2d(n_features, 1, 1, bias=False)
        self.register_buffer("part_bias", torch.ones(()))
        self.register_buffer("memory", torch.zeros(len(self.good), width))
        self.register_buffer("sizes", torch.ones(len(self.good), dtype=torch.long))
        self.register_buffer("usual", torch.ones(()))
        self.register_buffer("spread", torch.ones(()))
        self.counts = (1,) * len(self.good)  # ``sizes``, as numbers that a graph can contain
        for parameter in self.parameters():
            parameter.requires_grad_(False)

    def forward(self, places: Tensor) -> Tensor:
        """Return logits (n, classes) of the features (n, d, h, w) of places."""
        far = [distance.amax(dim=(1, 2)) for distance in self.distances(places)]
        nearest = torch.stack(far).amin(dim=0)
        columns = []
        for index in range(self.classes):
            known = index in self.good
            column = nearest - (far[self.good.index(index)] if known else self.usual)
            columns.append(column / self.spread)
        return torch.stack(columns, dim=1)

    def distances(self, places: Tensor) -> list[Tensor]:
        """The distance (n, h, w) of each place to the memory of each good class, 0 or more.

        Half of each is the place's own, which finds the smallest defects, and half the mean over
        those of 3 x 3 places that show the part, which one strange place changes less. It is 0 for
        the background.
        """
        on_part = (self.part(places) + self.part_bias > 0).float()
        queries = self.project(places)
        n, width, height, side = queries.shape
        rows = queries.permute(0, 2, 3, 1).reshape(n, height * side, width)
        # A place at the border of the part has few neighbours; with fewer than 4 it counts less.
        share = avg_pool2d(on_part, 3, stride=1, padding=1).clamp(min=4 / 9)
        found = []
        for memory in torch.split(self.memory, list(self.counts)):
            near = nearest_distance(rows, memory).reshape(n, 1, height, side) * on_part
            mean = avg_pool2d(near, 3, stride=1, padding=1) / share
            found.append(((near + mean) / 2 * on_part)[:, 0])
        return found

    def describe(self, features: Tensor) -> Tensor:
        """The rows (k, w) that are compared, of the features (k, d) of places."""
        return features @ self.project.weight[:, :, 0, 0].T

    def fill(self, rows: Tensor, counts: Sequence[int]) -> None:
        """Remember ``rows`` (m, w), those of the first good class first; ``counts`` by class."""
        self.memory = rows.to(self.memory)
        self.counts = tuple(counts)
        self.sizes = torch.tensor(self.counts, device=self.sizes.device)

    def with_rows(self, kept: Tensor) -> "PatchMemory":
        """A copy that remembers the rows ``kept`` (m,) bool only, for ``distances``, ``scores``.

        Without the classes of which nothing is kept.
        """
        copy = deepcopy(self)
        counts = [int(each.sum()) for each in torch.split(kept, list(self.counts))]
        copy.fill(self.memory[kept.to(self.memory.device)], [n for n in counts if n])
        return copy

    def scores(self, places: Tensor) -> Tensor:
        """The distance (n,) of the least familiar place, to the nearest good class."""
        return torch.stack([each.amax(dim=(1, 2)) for each in self.distances(places)]).amin(dim=0)

    def odds(self, places: Tensor) -> Tensor:
        """The log odds (n,) of a defect, whatever it is: 0 at the distance ``usual``."""
        return (self.scores(places) - self.usual) / self.spread

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *others: Any) -> None:
        # The number of places depends on the photos, so the file decides.
        stored = state_dict.get(f"{prefix}memory")
        if stored is not None:
            self.memory = torch.empty_like(stored, device=self.memory.device)
        super()._load_from_state_dict(state_dict, prefix, *others)
        self.counts = tuple(self.sizes.tolist())


def nearest_distance(rows: Tensor, memory: Tensor) -> Tensor:
    """The Euclidean distance (n, p) of each of ``rows`` (n, p, w) to the nearest of (m, w)."""
    least: Tensor | None = None
    for block in torch.split(memory, _BLOCK):
        squared = (block * block).sum(dim=1) - 2 * (rows @ block.T)
        here = squared.amin(dim=2)
        least = here if least is None else torch.minimum(least, here)
    assert least is not None
    return (least + (rows * rows).sum(dim=2)).clamp(min=0).sqrt()


def farthest(rows: Tensor, most: int, seed: int) -> Tensor:
    """Indices of at most ``most`` rows (n, w), each the farthest from those before (k-centre).

    The distances are those of a random projection to 32 values, as in PatchCore.
    """
    if len(rows) <= most:
        return torch.arange(len(rows), device=rows.device)
    generator = torch.Generator().manual_seed(seed)
    projection = torch.randn(rows.shape[1], _COARSE, generator=generator).to(rows)
    coarse = rows @ projection
    at = int(torch.randint(len(rows), (1,), generator=generator))
    chosen = [at]
    least = ((coarse - coarse[at]) ** 2).sum(dim=1)
    for _ in range(most - 1):
        at = int(least.argmax())
        chosen.append(at)
        least = torch.minimum(least, ((coarse - coarse[at]) ** 2).sum(dim=1))
    return torch.tensor(chosen, device=rows.device)
