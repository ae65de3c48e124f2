"""What a run has learned: its reference for unlike photos, and the distances of held-out photos.

Both are computed once and stored in the run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Floats32, Pixels
from fastdefect.data.splitting.split import saved_rows
from fastdefect.data.store import PhotoStore
from fastdefect.errors import BundleError, DataError, ModelError, RunError
from fastdefect.events import Note, OnEvent, Progress, progress_only
from fastdefect.files import write_bytes
from fastdefect.inference.outputs import Given, TileFeatures
from fastdefect.inference.reference_file import read_reference, reference_bytes
from fastdefect.inference.unlike import (
    ALPHA,
    Reference,
    TileReference,
    distances,
    normalised,
    part_scores,
    tile_distances,
    usual,
)
from fastdefect.jobs.trained.run_photos import find_run_photos, settle_root
from fastdefect.run import Run
from fastdefect.text import counted

Network = Callable[[Pixels], Given]

# The nearest of 400 training photos is about as near as that of all, and found in 0.5 ms.
_MOST = 400
_MOST_TILES = 1000  # of these photos, drawn at random
_BATCH = 32
_AGAIN = "Delete it: it is then written again."


@dataclass(frozen=True, eq=False)
class Learned:
    """``reference``, and the distance to it of each held-out photo, by its name."""

    reference: Reference
    distances: Mapping[str, float]


def learned_for(
    run: Run,
    network: Network,
    blocks: Sequence[int],
    on_event: OnEvent,
    *,
    in_tiles: bool = False,
    data_root: Path | None = None,
    alpha: float = ALPHA,
) -> Learned | None:
    """What the run's model has learned: the stored values, or new ones, which are then stored.

    ``network`` maps photos in the frame to logits and features (n, d); ``blocks`` are the
    widths of the features by depth. ``in_tiles``: of a model in tiles. New values need the
    run's photos; without them they are None, with a warning.
    """
    if (stored := _stored(run, blocks, alpha, in_tiles)) is not None:
        return stored
    try:
        learned = learn(run, network, blocks, on_event, data_root=data_root, alpha=alpha)
    except DataError as error:
        on_event(
            Note(
                "Photos unlike the training photos are not detected: this needs the training "
                f"photos. {error.message} {error.hint}",
                "warning",
            )
        )
        return None
    try:
        _store(run, learned)
    except OSError as error:  # such as a run without write permission
        on_event(
            Note(
                "What the run has learned of its training photos can't be stored in "
                f"{run.folder}, so each command computes it again: {error.strerror or error}.",
                "warning",
            )
        )
    return learned


def _store(run: Run, learned: Learned) -> None:
    write_bytes(run.path("reference.safetensors"), reference_bytes(learned.reference))
    parts = {row["path"]: row["part"] for row in saved_rows(run.path("split.csv"))}
    rows = [{"path": n, "part": parts[n], "distance": d} for n, d in learned.distances.items()]
    run.write("baseline.csv", rows)


def learn(
    run: Run,
    network: Network,
    blocks: Sequence[int],
    on_event: OnEvent,
    *,
    data_root: Path | None = None,
    alpha: float = ALPHA,
) -> Learned:
    """The values of ``learned_for``, computed from the run's photos and not stored.

    Raises ``DataError`` if the photos are missing, or too few to measure distances.
    """
    settle_root(run, data_root, ("train", "valid"), on_event)
    names, store = _read(run, on_event)
    features, tiles = _features(store, network, len(names), blocks, on_event)
    return build_learned(run, names, features, blocks, tiles=tiles, alpha=alpha, on_event=on_event)


def build_learned(
    run: Run,
    names: Sequence[str],
    features: Floats32,
    blocks: Sequence[int],
    *,
    tiles: TileFeatures | None = None,
    alpha: float,
    on_event: OnEvent,
) -> Learned:
    """The values from the ``features`` (n, d) of the photos called ``names``, by ``blocks``.

    ``tiles`` are those of their tiles, for a model in tiles.

    Calibrated on the parts of validation. Where validation photos were trained on, or are absent,
    each training part is compared with the others instead, which makes the limit a little narrow.
    Raises ``DataError`` if there are no others.
    """
    rows = {row["path"]: row for row in saved_rows(run.path("split.csv"))}
    held_out = not run.path("folds.csv").exists()
    parts = [rows[name]["part"] for name in names]
    valid = np.array([rows[name]["split"] == "valid" and held_out for name in names])
    unit = normalised(features, blocks).astype(np.float16).astype(np.float32)  # as it is stored
    train = np.flatnonzero(~valid)
    kept = np.sort(np.random.default_rng(0).permutation(train)[:_MOST])
    if not valid.any() and len({parts[i] for i in kept}) < 2:
        raise DataError(
            f"Expected validation photos, or at least two parts to compare with each other, but "
            f"{run.name} has photos of one part.",
            "Train on photos of more parts.",
        )
    if valid.any():
        measured = np.flatnonzero(valid)
        found = distances(unit[valid], unit[kept], blocks)
    else:
        measured = kept
        found = _to_other_parts(unit[kept], [parts[i] for i in kept], blocks)
    scales = usual(found)
    by_photo = (found / np.array(scales)).max(axis=1)
    of_tiles = None
    if tiles is not None:
        of_tiles, far = _tiles_of(tiles, kept, measured, parts, blocks, held_out=bool(valid.any()))
        by_photo = np.maximum(by_photo, far)
    scores = part_scores(by_photo, [parts[i] for i in measured])
    result = Reference(unit[kept], tuple(blocks), scales, scores, alpha, of_tiles)
    if result.level > alpha:
        on_event(
            Note(
                f"Only {counted(len(scores), 'part')} to calibrate: up to {result.level:.1%} of "
                "new parts go to people as unlike the training photos. With more parts it is "
                f"{alpha:.1%}."
            )
        )
    by_name = zip((names[int(i)] for i in measured), by_photo.tolist(), strict=True)
    return Learned(result, dict(by_name))


def _tiles_of(
    tiles: TileFeatures,
    kept: NDArray[np.int64],
    measured: NDArray[np.int64],
    parts: Sequence[str],
    blocks: Sequence[int],
    *,
    held_out: bool,
) -> tuple[TileReference, Floats]:
    """The tiles of the photos ``kept``, and the scores (m,) of the photos ``measured``.

    The score is that of the worst tile. Photos that are not ``held_out`` are compared with the
    tiles of other parts.
    """
    photo, place = np.nonzero(tiles.counts[kept])
    drawn = np.sort(np.random.default_rng(0).permutation(len(photo))[:_MOST_TILES])
    owner = kept[photo[drawn]]
    unit = normalised(tiles.features[owner, place[drawn]], blocks)
    unit = unit.astype(np.float16).astype(np.float32)  # as it is stored
    owners = np.array([parts[i] for i in owner])
    found = np.zeros((len(measured), len(blocks)))
    for row, index in enumerate(measured.tolist()):
        others = np.full(len(unit), True) if held_out else owners != parts[index]
        if others.any():
            one = TileFeatures(tiles.features[[index]], tiles.counts[[index]])
            found[row] = tile_distances(one, unit[others], blocks)[0].max(axis=0)
    scales = usual(found)
    return TileReference(unit, scales), (found / np.array(scales)).max(axis=1)


def _to_other_parts(unit: Floats32, parts: Sequence[str], blocks: Sequence[int]) -> Floats:
    names = np.array(parts)
    found = np.zeros((len(names), len(blocks)))
    for part in dict.fromkeys(parts):
        mine = names == part
        if not mine.all():
            found[mine] = distances(unit[mine], unit[~mine], blocks)
    return found


def _read(run: Run, on_event: OnEvent) -> tuple[list[str], PhotoStore]:
    found = find_run_photos(run, on_event)
    found.require(("train", "valid"))
    manifest, store = found.read(
        ("train", "valid"), found.config, workers=0, on_event=progress_only(on_event)
    )
    return [photo.name for photo in manifest.photos], store


def _features(
    store: PhotoStore, network: Network, n: int, blocks: Sequence[int], on_event: OnEvent
) -> tuple[Floats32, TileFeatures | None]:
    """The features of all photos, and those of their many tiles, normalised, as float16."""
    chunks, tiles = [], []
    at_once = store.frame.at_once(_BATCH)
    for start in range(0, n, at_once):
        rows = np.arange(start, min(start + at_once, n))
        given = network(store[rows])
        chunks.append(given.features)
        if given.tiles is not None:
            flat = normalised(given.tiles.features.reshape(-1, sum(blocks)), blocks)
            shaped = flat.reshape(given.tiles.features.shape).astype(np.float16)
            tiles.append((shaped, given.tiles.counts))
        on_event(Progress("learning what the training photos look like", int(rows[-1]) + 1, n))
    features = np.concatenate(chunks)
    of_tiles = None
    if tiles:
        of_tiles = TileFeatures(*(np.concatenate(each) for each in zip(*tiles, strict=True)))
    if not np.isfinite(features).all():
        raise ModelError(
            "Expected finite features from the network, but some are infinite or NaN.",
            "Train again: the weights are damaged.",
        )
    return features, of_tiles


def stored_distances(run: Run) -> Mapping[str, float] | None:
    """The stored distances of held-out photos, by name; None if there are none."""
    path = run.path("baseline.csv")
    if not path.exists():
        return None
    try:
        return {row["path"]: float(row["distance"]) for row in run.read("baseline.csv")}
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path} is damaged: {error!r}.", _AGAIN) from error


def _stored(run: Run, blocks: Sequence[int], alpha: float, in_tiles: bool) -> Learned | None:
    """The stored values; None if there are none, or of another version's features."""
    path, by_name = run.path("reference.safetensors"), stored_distances(run)
    if by_name is None or not path.exists():
        return None
    try:
        reference = read_reference(path.read_bytes(), alpha, str(path))
    except BundleError as error:
        raise RunError(error.message, _AGAIN) from error
    same = reference.blocks == tuple(blocks) and (reference.tiles is not None) == in_tiles
    return Learned(reference, by_name) if same else None
