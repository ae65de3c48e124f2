"""A memory of good parts: a photo is as defective as its least familiar place.

The head of ``--learn good``, and a half of ``--learn both``. Each place of a photo is described by
the maps of a frozen network, and compared with the places of good training photos (Roth et al.
2022, "Towards total recall in industrial anomaly detection", PatchCore). It differs from PatchCore
in four points. There are two memories: that of the details has the maps of two early stages as they
are, not averaged, because a fine defect is a single place; that of the surroundings has the last
maps, averaged, which recognise what is at a place. Features are reduced to few values, so that a
decision takes little time without a search library. Half of a distance is that of the neighbouring
places, so that a single place counts less. Places of the background do not count where the outline
of the part is known.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from fastdefect.errors import ModelError
from fastdefect.training.stages import Staged, Tap

DETAIL_STAGES = 2  # the first stages; a last one beyond them has the surroundings
WIDTH = 256  # values that describe a place at a depth, at most
_COARSE = 32  # values by which the rows of a memory are chosen
_BLOCK = 1024  # rows of the memory that are compared at once; limits the memory of a batch


class Places(Staged):
    """A body that is read at its taps and returns the features of each place of a photo."""

    def __init__(self, body: nn.Module, taps: Sequence[Tap]) -> None:
        """Read ``body`` at ``taps``, which all give maps: those of the details come first."""
        super().__init__(body, taps)
        self.describe = _as_given

    def forward(self, photos: Tensor) -> Tensor:
        """Return features (n, d, side, side) of photos (n, 3, h, w), float32.

        The places are those of the second finest map. The map of the surroundings is averaged over
        3 x 3 of its own places, so that small shifts change little.
        """
        maps = self._read(photos)
        side = sorted((each.shape[-1] for each in maps), reverse=True)[:2][-1]
        maps[DETAIL_STAGES:] = [smooth(each) for each in maps[DETAIL_STAGES:]]
        return torch.cat([_on_grid(each, side) for each in maps], dim=1)


def _as_given(maps: Tensor) -> Tensor:
    return maps.float().clone()  # the next layer may overwrite its input


def smooth(maps: Tensor) -> Tensor:
    """Maps (n, c, h, w), each place averaged with its neighbours."""
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


class Depth(nn.Module):
    """The memory of one depth: places of good photos, described by some of their features.

    ``project`` reduces these features to few values. ``memory`` (m, w) has those of the first good
    class first, ``sizes`` their number by class.
    """

    memory: Tensor
    sizes: Tensor

    def __init__(self, features: slice, classes: int) -> None:
        """Create an empty memory of the given ``features`` for so many good classes."""
        super().__init__()
        self.features = features
        n_features = features.stop - features.start
        width = min(n_features, WIDTH)
        self.project = nn.Conv2d(n_features, width, 1, bias=False)
        self.register_buffer("memory", torch.zeros(classes, width))
        self.register_buffer("sizes", torch.ones(classes, dtype=torch.long))
        self.counts = (1,) * classes  # ``sizes``, as numbers that a graph can contain

    def distances(self, places: Tensor, on_part: Tensor) -> list[Tensor]:
        """The distance (n, h, w) of each place to the memory of each good class, 0 or more.

        Half of each is the place's own, which finds the smallest defects, and half the mean over
        those of 3 x 3 places that show the part, which one strange place changes less. It is 0
        where ``on_part`` (n, 1, h, w) is 0.
        """
        queries = self.project(places[:, self.features])
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
        """The rows (k, w) that are compared, of all features (k, d) of places."""
        return features[:, self.features] @ self.project.weight[:, :, 0, 0].T

    def fill(self, rows: Tensor, counts: Sequence[int]) -> None:
        """Remember ``rows`` (m, w), those of the first good class first; ``counts`` by class."""
        self.memory = rows.to(self.memory)
        self.counts = tuple(counts)
        self.sizes = torch.tensor(self.counts, device=self.sizes.device)

    def stretch(self, factor: float) -> None:
        """Multiply all distances by ``factor``."""
        with torch.no_grad():
            self.project.weight.mul_(factor)
            self.memory = self.memory * factor

    def keep(self, kept: Sequence[Tensor]) -> None:
        """Forget all rows but those ``kept`` of each class, bool, and classes without any."""
        counts = [int(rows.sum()) for rows in kept]
        self.fill(
            self.memory[torch.cat(list(kept)).to(self.memory.device)], [n for n in counts if n]
        )

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *others: Any) -> None:
        # The number of places depends on the photos, so the file decides.
        stored = state_dict.get(f"{prefix}memory")
        if stored is not None:
            self.memory = torch.empty_like(stored, device=self.memory.device)
        super()._load_from_state_dict(state_dict, prefix, *others)
        self.counts = tuple(self.sizes.tolist())


class PatchMemory(nn.Module):
    """From the features of places to logits: 0 for the nearest good class, the rest by distance.

    ``depths`` are the memories: of the details, and of the surroundings if the network has stages
    for both. The distance of a photo is the sum of the farthest places of both. ``part`` is
    the log odds that a place shows the part, from the features of details. A photo at the distance
    ``usual`` has even odds; they change by a factor of e for each ``spread``. All are fitted by
    ``training/fit_memory.py``.
    """

    usual: Tensor
    spread: Tensor
    part_bias: Tensor

    def __init__(self, channels: Sequence[int], classes: int, good: Sequence[int]) -> None:
        """Create an empty memory for maps with ``channels`` at each tap of ``Places``.

        ``good`` has the indices of the good ones of ``classes``.
        """
        super().__init__()
        self.good, self.classes = tuple(good), classes
        self.detail, n_features = sum(channels[:DETAIL_STAGES]), sum(channels)
        self.channels = tuple(channels)
        blocks = [slice(0, self.detail), slice(self.detail, n_features)]
        self.depths = nn.ModuleList(Depth(b, len(self.good)) for b in blocks if b.start < b.stop)
        self.part = nn.Conv2d(self.detail, 1, 1, bias=False)
        self.register_buffer("part_bias", torch.ones(()))
        self.register_buffer("usual", torch.ones(()))
        self.register_buffer("spread", torch.ones(()))
        for parameter in self.parameters():
            parameter.requires_grad_(False)

    @property
    def memories(self) -> list[Depth]:
        """``depths``, with their type."""
        return cast("list[Depth]", list(self.depths))

    def forward(self, places: Tensor) -> Tensor:
        """Return logits (n, classes) of the features (n, d, h, w) of places."""
        far = self._far(places).sum(dim=0)
        nearest = far.amin(dim=0)
        columns = []
        for index in range(self.classes):
            known = index in self.good
            column = nearest - (far[self.good.index(index)] if known else self.usual)
            columns.append(column / self.spread)
        return torch.stack(columns, dim=1)

    def distances(self, places: Tensor) -> Tensor:
        """The distance (n, h, w) of each place to the nearest good class, the sum of all depths.

        0 for the background.
        """
        by_depth = torch.stack([torch.stack(each) for each in self._maps(places)])
        return by_depth.sum(dim=0).amin(dim=0)

    def outline_features(self, places: Tensor) -> Tensor:
        """The features (n, detail, h, w) that ``part`` weighs."""
        return smooth(places[:, : self.detail])

    def keeping(self, kept: Sequence[Tensor]) -> "PatchMemory":
        """A copy that remembers of each depth the rows ``kept`` (m,) bool only, for its distances.

        It gives no logits: a class of which a depth keeps nothing is missing in it.
        """
        copy = deepcopy(self)
        memories = copy.memories
        by_class = [
            torch.split(rows, list(depth.counts))
            for depth, rows in zip(memories, kept, strict=True)
        ]
        known = [all(rows.any() for rows in depths) for depths in zip(*by_class, strict=True)]
        for depth, classes in zip(memories, by_class, strict=True):
            depth.keep([rows & here for rows, here in zip(classes, known, strict=True)])
        return copy

    def depth_scores(self, places: Tensor) -> Tensor:
        """The distance (n, depths) of the least familiar place at each depth.

        It is that to the good class that is nearest in all.
        """
        far = self._far(places)
        nearest = far.sum(dim=0).argmin(dim=0)
        return far.gather(1, nearest[None, None].expand(len(far), 1, -1))[:, 0].T

    def scores(self, places: Tensor) -> Tensor:
        """The distance (n,) of the photo to the nearest good class."""
        return self._far(places).sum(dim=0).amin(dim=0)

    def odds(self, places: Tensor) -> Tensor:
        """The log odds (n,) of a defect, whatever it is: 0 at the distance ``usual``."""
        return (self.scores(places) - self.usual) / self.spread

    def _far(self, places: Tensor) -> Tensor:
        """The distance (depths, classes, n) of the least familiar place."""
        by_depth = [[each.amax(dim=(1, 2)) for each in maps] for maps in self._maps(places)]
        return torch.stack([torch.stack(each) for each in by_depth])

    def _maps(self, places: Tensor) -> list[list[Tensor]]:
        """The distances (n, h, w) of all places at each depth, to each good class."""
        # An average of the odds is that of the features, as ``outline_features`` gives them.
        on_part = (smooth(self.part(places[:, : self.detail])) + self.part_bias > 0).float()
        return [depth.distances(places, on_part) for depth in self.memories]

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *others: Any) -> None:
        if f"{prefix}memory" in state_dict:
            raise ModelError(
                "Expected a memory of good parts with details and surroundings, but an earlier "
                "version of fastdefect filled this one, with a single depth.",
                "Train it again: fastdefect fit DATA --learn good, or both. Bundles that were "
                "exported from it still work.",
            )
        super()._load_from_state_dict(state_dict, prefix, *others)


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
