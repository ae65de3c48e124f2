"""Fill the memory of good parts, and fit the scale of its distances.

``fit_memory`` is ``--learn good``: it has the signature of ``fit`` and writes the same files.
``fill_memory`` is the memory alone, also for ``--learn both``. Defective training photos are not
used. The features of the good ones are computed once, by a frozen backbone.

The steps: the features of each depth get the same mean length, and a random projection (Johnson and
Lindenstrauss 1984) reduces them. Of the places of the parts, the memory keeps those that are
farthest from each other (greedy k-centre; Sener and Savarese 2018, PatchCore). A random choice of
the same size is far worse: rare places, such as a reflection, are missing in it. The scale of
the distances follows from photos of the memory itself, each compared with the places of other parts
only. Of photos in tiles, the places are those of all tiles, and the least familiar one decides.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from fastdefect.aliases import Floats, Floats32
from fastdefect.data.sampling import draw_evenly
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DataError
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.run import Run
from fastdefect.text import counted
from fastdefect.training.background_memory import separation
from fastdefect.training.bag_probe import Tiles
from fastdefect.training.checkpoint import Checkpoint
from fastdefect.training.fit import FitInputs, Fitted
from fastdefect.training.memory import PatchMemory, farthest
from fastdefect.training.memory_inputs import MemoryInputs
from fastdefect.training.once import Stopped, history_row, in_one_epoch
from fastdefect.training.part_places import PartPlaces, find_part_places
from fastdefect.training.predict import Predictor

MEMORY = 8000  # places that are kept, of all good classes together
_POOL = 60_000  # places from which the memory is chosen; limits the time and the memory
_FOR_SCALE = 200  # photos that fit the scale of the distances
_FEWEST_PARTS = 2
_BATCH = 16
_OUTSIDE = 4  # a place of the background is drawn for so many of the part
# Quantiles of the scores of good parts. At the first the odds of a defect are even, at the second
# they are 1 to 20, so that the log odds differ by 3.
_USUAL, _TYPICAL, _LOG_ODDS = 0.95, 0.5, 3.0
_LEAST_SPREAD = 0.02  # of the usual distance; parts that are all alike would have none


def fit_memory(
    inputs: FitInputs,
    run: Run,
    *,
    on_event: OnEvent,
    stop_requested: Callable[[], bool],
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Fill the memory with the good training photos; the run holds the model.

    An interrupted run starts again. Raises ``DataError`` if a feature is not finite.
    """
    return in_one_epoch(
        _fit, inputs, run, on_event=on_event, stop_requested=stop_requested, checkpoint=checkpoint
    )


@dataclass(frozen=True)
class _Places:
    """The places of the good photos of a class: ``rows`` (k, d), and the photo of each (k,).

    ``outside`` (l, d) are places of the background; there are none if it counts like the part.
    """

    rows: Floats32
    photo: NDArray[np.int64]
    outside: Floats32


def _fit(
    inputs: FitInputs, on_event: OnEvent, stop_requested: Callable[[], bool]
) -> dict[str, Any]:
    """Fill the memory; return the row of the history."""
    started = time.perf_counter()
    of_memory = MemoryInputs.of(inputs)
    measured, scores = fill_memory(of_memory, on_event, stop_requested)
    return _row(of_memory, measured, scores, time.perf_counter() - started)


def fill_memory(
    inputs: MemoryInputs, on_event: OnEvent, stop_requested: Callable[[], bool]
) -> tuple[list[int], Floats]:
    """Fill the memory with the good training photos, and set the scale of its distances.

    Return the photos that the scale was fitted to, indices into the manifest, and their scores
    (n,), each as that of a new part. Raises ``Stopped`` on request, and ``DataError`` if there are
    too few good parts or a feature is not finite.
    """
    data, seed, memory = inputs.data, inputs.seed, inputs.memory
    sides = _good_sides(data, on_event)
    good = [index for side in sides for index in side]
    reader = _Reader(inputs, on_event, stop_requested, len(good))
    part = find_part_places(data, good, (reader.tiles, reader.features), seed, on_event)
    rng = np.random.default_rng(seed)
    places = [reader.places(side, part, _POOL // len(sides), rng) for side in sides]
    _describe(memory, np.concatenate([each.rows for each in places]), memory.channels, part, seed)
    owners = _remember(memory, places, seed)
    measured = _some_of_each_part(data, good, seed)
    scores = _scale(memory, data, measured, owners, reader)
    pool, what = sum(len(each.rows) for each in places), _what(data, reader.n_tiles, len(good))
    on_event(Note(f"A memory of {len(owners):,} places, chosen from {pool:,} of {what}."))
    outside = np.concatenate([each.outside for each in places])
    if found := separation(inputs, outside):
        on_event(found.note())
    return measured, scores


def _good_sides(data: TrainingData, on_event: OnEvent) -> list[list[int]]:
    """The good training photos of each good class; a note tells how many others are not used."""
    manifest, parts = data.manifest, data.split.parts
    sides = [[i for i in data.split.train if manifest.photos[i].label == n] for n in manifest.good]
    good = [index for side in sides for index in side]
    if (found := len({parts[index] for index in good})) < _FEWEST_PARTS:
        raise DataError(
            f"A memory of good parts needs good photos of {_FEWEST_PARTS} parts or more in train, "
            f"to know how much parts differ, but found {found}.",
            "Add photos of other good parts. If the search joined different parts, name them: "
            "--part-from, or --parts none.",
        )
    if others := len(data.split.train) - len(good):
        on_event(Note(f"{counted(others, 'defective training photo')} not used for the memory."))
    return sides


def _some_of_each_part(data: TrainingData, good: Sequence[int], seed: int) -> list[int]:
    """At most ``_FOR_SCALE`` of the photos ``good``, of as many parts as possible."""
    parts = [data.split.parts[index] for index in good]
    return [good[place] for place in draw_evenly(parts, _FOR_SCALE, seed)]


class _Reader:
    """Reads features of places, and reports the progress."""

    def __init__(
        self,
        inputs: MemoryInputs,
        on_event: OnEvent,
        stop_requested: Callable[[], bool],
        total: int,
    ) -> None:
        self._inputs, self._on_event, self._stop = inputs, on_event, stop_requested
        self._total, self._done, self.n_tiles = total, 0, 0

    def tiles(self, photos: Sequence[int]) -> Tiles:
        """The tiles of photos, indices into the manifest; without tiles the photos."""
        return Tiles.of(self._inputs.data.store, self._inputs.data.rows(tuple(photos)))

    def features(self, tiles: Tiles) -> Floats32:
        """The features (m, d, side, side) of tiles."""
        return np.concatenate([each.cpu().numpy() for each, _ in self.batches(tiles)])

    def batches(self, tiles: Tiles) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
        """The features of tiles in batches, on the device, and the photo of each tile.

        Raises ``Stopped`` on request.
        """
        cells, body = self._inputs.data.store.cells, self._inputs.body.eval()
        steps = self._inputs.preprocessing.of_tiles()
        for start in range(0, len(tiles.rows), _BATCH):
            if self._stop():
                raise Stopped
            here = slice(start, start + _BATCH)
            batch = steps.batch(cells[tiles.rows[here]], self._inputs.device)
            with torch.inference_mode():
                maps = body(batch)
            if not torch.isfinite(maps).all():
                raise DataError(
                    "Expected finite features from the frozen backbone, but some are infinite or "
                    "NaN.",
                    "Check --weights: the file may be damaged or belong to another --arch.",
                )
            yield maps, tiles.photo[here]

    def places(
        self, photos: Sequence[int], part: PartPlaces | None, most: int, rng: np.random.Generator
    ) -> _Places:
        """Places of the part in each photo, at most ``most`` in all, drawn at random."""
        tiles = self.tiles(photos)
        self.n_tiles += len(tiles.rows)
        each = max(1, most // len(tiles.rows))
        rows, owners, outside = [], [], []
        for batch, of in self.batches(tiles):
            maps = batch.cpu().numpy()
            shown = part.of(maps) if part else np.ones((len(maps), *maps.shape[2:]), bool)
            for features, on_part, at in zip(maps.transpose(0, 2, 3, 1), shown, of, strict=True):
                found, other = features[on_part], features[~on_part]
                drawn = rng.permutation(len(found))[:each]
                rows.append(found[drawn])
                outside.append(other[rng.permutation(len(other))[: each // _OUTSIDE]])
                owners.append(np.full(len(drawn), photos[at]))
            done = self._done + int(of[-1]) + 1
            self._on_event(Progress("reading good photos", done, self._total))
        self._done += len(photos)
        return _Places(*map(np.concatenate, (rows, owners, outside)))


def _what(data: TrainingData, n_tiles: int, n_photos: int) -> str:
    photos = counted(n_photos, "good photo")
    return f"{counted(n_tiles, 'tile')} of {photos}" if data.store.frame.tiles > 1 else photos


def _describe(
    memory: PatchMemory, rows: Floats32, widths: Sequence[int], part: PartPlaces | None, seed: int
) -> None:
    """Set how a place is described, and which places show the part."""
    scales = np.concatenate(
        [
            np.full(block.shape[1], 1 / max(np.sqrt((block**2).sum(axis=1).mean()), 1e-12))
            for block in np.split(rows, np.cumsum(widths)[:-1], axis=1)
        ]
    )
    width, d = memory.project.weight.shape[:2]
    matrix = np.eye(d)
    if width < d:
        matrix = np.random.default_rng(seed).normal(size=(width, d)) / np.sqrt(width)
    with torch.no_grad():
        memory.project.weight.copy_(torch.from_numpy(matrix * scales)[..., None, None])
        memory.part.weight.zero_()
        memory.part_bias.fill_(1.0)
        if part is not None:
            memory.part.weight.copy_(torch.from_numpy(part.weight)[None, :, None, None])
            memory.part_bias.fill_(part.bias)


def _remember(memory: PatchMemory, places: Sequence[_Places], seed: int) -> NDArray[np.int64]:
    """Fill the memory; return the photo of each of its places."""
    device = memory.memory.device
    kept, owners, counts = [], [], []
    for each in places:
        rows = memory.describe(torch.from_numpy(each.rows).to(device))
        chosen = farthest(rows, MEMORY // len(places), seed)
        kept.append(rows[chosen])
        owners.append(each.photo[chosen.cpu().numpy()])
        counts.append(len(chosen))
    memory.fill(torch.cat(kept), counts)
    return np.concatenate(owners)


def _scale(
    memory: PatchMemory,
    data: TrainingData,
    photos: Sequence[int],
    owners: NDArray[np.int64],
    reader: _Reader,
) -> Floats:
    """Set the scale of the distances; return the scores (n,) of ``photos`` as those of new parts.

    Each photo is compared with the places of other parts only. The least familiar photo of a part
    is its score.
    """
    part_of = np.array(data.split.parts)
    scores = np.zeros(len(photos))
    for name in sorted({part_of[index] for index in photos}):
        here = [place for place, index in enumerate(photos) if part_of[index] == name]
        others = memory.with_rows(torch.from_numpy(part_of[owners] != name))
        of_part = np.zeros(len(here))
        for maps, of in reader.batches(reader.tiles([photos[i] for i in here])):
            np.maximum.at(of_part, of, others.scores(maps).cpu().numpy())
        scores[here] = of_part
    worst: dict[str, float] = {}
    for index, score in zip(photos, scores, strict=True):
        worst[part_of[index]] = max(worst.get(part_of[index], 0.0), float(score))
    typical, usual = np.quantile(list(worst.values()), [_TYPICAL, _USUAL], method="higher")
    memory.usual.fill_(max(float(usual), 1e-6))
    memory.spread.fill_(max(float(usual - typical) / _LOG_ODDS, _LEAST_SPREAD * float(usual), 1e-6))
    return scores


def _row(
    inputs: MemoryInputs, photos: Sequence[int], scores: Floats, seconds: float
) -> dict[str, Any]:
    """The row of the history: train are the photos of the scale, each as one of a new part."""
    data, memory = inputs.data, inputs.memory
    manifest, valid = data.manifest, data.split.valid
    labels = manifest.labels[list(photos)]
    y_prob = np.zeros((len(photos), len(manifest.classes)))
    odds = (scores - float(memory.usual)) / float(memory.spread)
    defect = next(i for i in range(len(manifest.classes)) if i not in manifest.good_indices)
    y_prob[:, defect] = expit(odds)
    y_prob[np.arange(len(photos)), labels] = 1 - y_prob[:, defect]
    predictor = Predictor(inputs.network, inputs.preprocessing, inputs.device)
    return history_row(
        {"train": labels, "valid": manifest.labels[list(valid)]},
        {"train": y_prob, "valid": predictor.probabilities(data.store, data.rows(valid))},
        data,
        seconds,
    )
