"""Fill the memory of good parts, and fit the scale of its distances.

``fit_memory`` is ``--learn good``: it has the signature of ``fit`` and writes the same files.
``fill_memory`` is the memory alone, also for ``--learn both``. Defective training photos are not
used. The features of the good ones are computed once, by a frozen backbone.

The steps: the features of each stage get the same mean length, and a random projection (Johnson and
Lindenstrauss 1984) reduces them. Of the places of the parts, each depth keeps those that are
farthest from each other (greedy k-centre; Sener and Savarese 2018, PatchCore). A random choice of
the same size is far worse: rare places, such as a reflection, are missing in it. The scale of
the distances, and the proportion of the depths, follow from photos of the memory itself, each
compared with the places of other parts only. Of photos in tiles, the places are those of all tiles,
and the least familiar one decides. Few photos are also remembered turned and mirrored.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from fastdefect.aliases import Floats, Floats32
from fastdefect.data.sampling import draw_evenly
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DataError
from fastdefect.events import Note, OnEvent
from fastdefect.run import Run
from fastdefect.text import counted
from fastdefect.training.background_memory import separation
from fastdefect.training.checkpoint import Checkpoint
from fastdefect.training.fit import FitInputs, Fitted
from fastdefect.training.memory import PatchMemory, farthest
from fastdefect.training.memory_inputs import MemoryInputs
from fastdefect.training.once import history_row, in_one_epoch
from fastdefect.training.part_places import PartPlaces, find_part_places
from fastdefect.training.place_reader import GoodPlaces, PlaceReader
from fastdefect.training.predict import Predictor
from fastdefect.training.symmetries import DIHEDRAL

KEPT = (6000, 2000)  # places, of details and of surroundings, of all good classes together
# The surroundings recognise the part, the details the defect. Measured: docs/benchmarks.md.
_WEIGHTS = (1.0, 0.5)
FEW = 250  # good photos; fewer are remembered turned, too
_POOL = 60_000  # places from which the memory is chosen; limits the time and the memory
_FOR_SCALE = 200  # photos that fit the scale of the distances
_FEWEST_PARTS = 2
_FEW_PARTS = 20  # from about here on, a promise of 5 % overkill is possible, too
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
    turns = DIHEDRAL if _turns(inputs.turned, len(good)) else DIHEDRAL[:1]
    reader = PlaceReader(inputs, on_event, stop_requested, len(good), turns)
    part = find_part_places(data, good, (reader.tiles, reader.outline_features), seed, on_event)
    rng = np.random.default_rng(seed)
    places = [reader.places(side, part, _POOL // len(sides), rng) for side in sides]
    _describe(memory, np.concatenate([each.rows for each in places]), part, seed)
    owners = _remember(memory, places, seed)
    measured = _some_of_each_part(data, good, seed)
    scores = _scale(memory, data, measured, owners, reader)
    n_parts = len({data.split.parts[index] for index in good})
    of = counted(len(good), "good photo")
    if n_parts < len(good):
        of += f" ({counted(n_parts, 'part')})"
    on_event(Note(_told(memory, reader, sum(len(each.rows) for each in places), of)))
    if n_parts < min(_FEW_PARTS, len(good)):
        on_event(_of_few_parts(n_parts))
    outside = np.concatenate([each.outside for each in places])
    if found := separation(inputs, outside):
        on_event(found.note())
    return measured, scores


def _turns(asked: bool | None, n_good: int) -> bool:
    """Whether good photos are remembered turned, too; by default fewer than ``FEW``."""
    return n_good < FEW if asked is None else asked


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


def _of_few_parts(n_parts: int) -> Note:
    """That parts are missing, not photos: docs/benchmarks.md, only good parts."""
    return Note(
        f"The good training photos show only {counted(n_parts, 'part')}. Another good part may be "
        "as far from the memory as a defect. Add photos of other good parts.",
        "warning",
    )


def _told(memory: PatchMemory, reader: PlaceReader, pool: int, photos: str) -> str:
    """What is remembered, of which ``photos`` or how many tiles of them."""
    of_details, *of_surroundings = (len(depth.memory) for depth in memory.memories)
    kept = f"{of_details:,} places" + "".join(f" and {n:,} surroundings" for n in of_surroundings)
    tiled = reader.n_tiles > reader.n_photos
    what = f"{counted(reader.n_tiles, 'tile')} of {photos}" if tiled else photos
    turned = f", each in {len(reader.turns)} orientations" if len(reader.turns) > 1 else ""
    return f"A memory of {kept}, chosen from {pool:,} places of {what}{turned}."


def _describe(memory: PatchMemory, rows: Floats32, part: PartPlaces | None, seed: int) -> None:
    """Set how a place is described at each depth, and which places show the part."""
    scales = np.concatenate(
        [
            np.full(block.shape[1], 1 / max(np.sqrt((block**2).sum(axis=1).mean()), 1e-12))
            for block in np.split(rows, np.cumsum(memory.channels)[:-1], axis=1)
        ]
    )
    for depth in memory.memories:
        width, d = depth.project.weight.shape[:2]
        matrix = np.eye(d)
        if width < d:
            matrix = np.random.default_rng(seed).normal(size=(width, d)) / np.sqrt(width)
        matrix = matrix * scales[depth.features]
        with torch.no_grad():
            depth.project.weight.copy_(torch.from_numpy(matrix[..., None, None]))
    with torch.no_grad():
        memory.part.weight.zero_()
        memory.part_bias.fill_(1.0)
        if part is not None:
            memory.part.weight.copy_(torch.from_numpy(part.weight)[None, :, None, None])
            memory.part_bias.fill_(part.bias)


def _remember(
    memory: PatchMemory, places: Sequence[GoodPlaces], seed: int
) -> list[NDArray[np.int64]]:
    """Fill the depths of the memory; return the photo of each place, by depth."""
    owners = []
    for depth, most in zip(memory.memories, KEPT, strict=False):
        kept, of = [], []
        for each in places:
            rows = depth.describe(torch.from_numpy(each.rows).to(depth.memory.device))
            chosen = farthest(rows, most // len(places), seed)
            kept.append(rows[chosen])
            of.append(each.photo[chosen.cpu().numpy()])
        depth.fill(torch.cat(kept), [len(rows) for rows in kept])
        owners.append(np.concatenate(of))
    return owners


def _scale(
    memory: PatchMemory,
    data: TrainingData,
    photos: Sequence[int],
    owners: Sequence[NDArray[np.int64]],
    reader: PlaceReader,
) -> Floats:
    """Set the scale of the distances; return the scores (n,) of ``photos`` as those of new parts.

    Each photo is compared with the places of other parts only. The least familiar photo of a part
    is its score. At each depth, the usual one of a good part becomes the weight of the depth.
    """
    part_of = np.array(data.split.parts)
    parts = part_of[list(photos)]
    found, of = [], []
    for name in sorted(set(parts)):
        here = np.flatnonzero(parts == name)
        others = memory.keeping([torch.from_numpy(part_of[each] != name) for each in owners])
        for maps, at in reader.batches(reader.tiles([photos[int(i)] for i in here])):
            found.append(others.depth_scores(maps).cpu().double().numpy())
            of.append(here[at])
    by_depth, photo = np.concatenate(found), np.concatenate(of)  # a row for each tile
    usual_by_depth = [_typical_and_usual(column, parts[photo])[1] for column in by_depth.T]
    stretch = np.array(_WEIGHTS[: len(usual_by_depth)]) / np.maximum(usual_by_depth, 1e-6)
    for depth, factor in zip(memory.memories, stretch, strict=True):
        depth.stretch(float(factor))
    scores = np.full(len(photos), -np.inf)
    np.maximum.at(scores, photo, by_depth @ stretch)
    typical, usual = _typical_and_usual(scores, parts)
    memory.usual.fill_(max(usual, 1e-6))
    memory.spread.fill_(max((usual - typical) / _LOG_ODDS, _LEAST_SPREAD * usual, 1e-6))
    return scores


def _typical_and_usual(scores: Floats, parts: NDArray[np.str_]) -> tuple[float, float]:
    """The quantiles ``_TYPICAL`` and ``_USUAL`` of the parts' highest scores."""
    names, of = np.unique(parts, return_inverse=True)
    worst = np.full(len(names), -np.inf)
    np.maximum.at(worst, of, scores)
    typical, usual = np.quantile(worst, [_TYPICAL, _USUAL], method="higher")
    return float(typical), float(usual)


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
