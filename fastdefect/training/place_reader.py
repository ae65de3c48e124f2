"""Read the features of places in good photos, for the memory of good parts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastdefect.aliases import Floats32
from fastdefect.errors import DataError
from fastdefect.events import OnEvent, Progress
from fastdefect.training.bag_probe import Tiles
from fastdefect.training.memory_inputs import MemoryInputs
from fastdefect.training.once import Stopped
from fastdefect.training.part_places import PartPlaces
from fastdefect.training.predict import View
from fastdefect.training.symmetries import DIHEDRAL

_BATCH = 16
_OUTSIDE = 4  # a place of the background is drawn for so many of the part


@dataclass(frozen=True)
class GoodPlaces:
    """The places of the good photos of a class: ``rows`` (k, d), and the photo of each (k,).

    ``outside`` (l, d) are places of the background; there are none if it counts like the part.
    """

    rows: Floats32
    photo: NDArray[np.int64]
    outside: Floats32


class PlaceReader:
    """Reads features of places, and reports the progress."""

    def __init__(
        self,
        inputs: MemoryInputs,
        on_event: OnEvent,
        stop_requested: Callable[[], bool],
        n_photos: int,
        turns: Sequence[View],
    ) -> None:
        self._inputs, self._on_event, self._stop = inputs, on_event, stop_requested
        self.n_photos, self._done, self.n_tiles, self.turns = n_photos, 0, 0, turns

    def tiles(self, photos: Sequence[int]) -> Tiles:
        """The tiles of photos, indices into the manifest; without tiles the photos."""
        return Tiles.of(self._inputs.data.store, self._inputs.data.rows(tuple(photos)))

    def outline_features(self, tiles: Tiles) -> Floats32:
        """The features (m, d, side, side) of tiles that tell the part from the background."""
        memory = self._inputs.memory
        return np.concatenate(
            [memory.outline_features(maps).cpu().numpy() for maps, _ in self.batches(tiles)]
        )

    def batches(
        self, tiles: Tiles, turns: Sequence[View] = DIHEDRAL[:1]
    ) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
        """The features of tiles in batches, on the device, and the photo of each tile.

        Each batch is read once for each of ``turns``. Raises ``Stopped`` on request.
        """
        cells, body = self._inputs.data.store.cells, self._inputs.body.eval()
        steps = self._inputs.preprocessing.of_tiles()
        at_once = steps.frame.at_once(_BATCH)
        for start in range(0, len(tiles.rows), at_once):
            here = slice(start, start + at_once)
            photos = steps.batch(cells[tiles.rows[here]], self._inputs.device)
            for turn in turns:
                if self._stop():
                    raise Stopped
                with torch.inference_mode():
                    maps = body(turn(photos))
                if not torch.isfinite(maps).all():
                    raise DataError(
                        "Expected finite features from the frozen backbone, but some are infinite "
                        "or NaN.",
                        "Check --weights: the file may be damaged or belong to another --arch.",
                    )
                yield maps, tiles.photo[here]

    def places(
        self, photos: Sequence[int], part: PartPlaces | None, most: int, rng: np.random.Generator
    ) -> GoodPlaces:
        """Places of the part in each photo, at most ``most`` in all, drawn at random."""
        tiles = self.tiles(photos)
        self.n_tiles += len(tiles.rows)
        each = max(1, most // (len(tiles.rows) * len(self.turns)))
        rows, owners, outside = [], [], []
        for batch, of in self.batches(tiles, self.turns):
            maps = batch.cpu().numpy()
            shown = np.ones((len(maps), *maps.shape[2:]), bool)
            if part:
                shown = part.of(self._inputs.memory.outline_features(batch).cpu().numpy())
            for features, on_part, at in zip(maps.transpose(0, 2, 3, 1), shown, of, strict=True):
                found, other = features[on_part], features[~on_part]
                drawn = rng.permutation(len(found))[:each]
                rows.append(found[drawn])
                outside.append(other[rng.permutation(len(other))[: each // _OUTSIDE]])
                owners.append(np.full(len(drawn), photos[at]))
            done = self._done + int(of[-1]) + 1
            self._on_event(Progress("reading good photos", done, self.n_photos))
        self._done += len(photos)
        return GoodPlaces(*map(np.concatenate, (rows, owners, outside)))
