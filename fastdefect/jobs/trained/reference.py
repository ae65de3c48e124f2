"""What a run has learned: its reference for unlike photos, and the distances of held-out photos.

Both are computed once and stored in the run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastdefect.aliases import Floats, Floats32, Pixels
from fastdefect.data.splitting.split import saved_rows
from fastdefect.data.store import PhotoStore
from fastdefect.errors import BundleError, DataError, ModelError, RunError
from fastdefect.events import Note, OnEvent, Progress, progress_only
from fastdefect.files import write_bytes
from fastdefect.inference.reference_file import read_reference, reference_bytes
from fastdefect.inference.unlike import (
    ALPHA,
    Reference,
    distances,
    normalised,
    part_scores,
    usual,
)
from fastdefect.jobs.trained.run_photos import find_run_photos, settle_root
from fastdefect.run import Run
from fastdefect.text import counted

Network = Callable[[Pixels], tuple[Floats32, Floats32]]

# The nearest of 400 training photos is about as near as that of all, and found in 0.5 ms.
_MOST = 400
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
    data_root: Path | None = None,
    alpha: float = ALPHA,
) -> Learned | None:
    """What the run's model has learned: the stored values, or new ones, which are then stored.

    ``network`` maps (n, size, size, 3) uint8 to logits and features (n, d); ``blocks`` are the
    widths of the features by depth. New values need the run's photos; without them they are None,
    with a warning.
    """
    if (stored := _stored(run, blocks, alpha)) is not None:
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
    features = _features(store, network, len(names), on_event)
    return build_learned(run, names, features, blocks, alpha=alpha, on_event=on_event)


def build_learned(
    run: Run,
    names: Sequence[str],
    features: Floats32,
    blocks: Sequence[int],
    *,
    alpha: float,
    on_event: OnEvent,
) -> Learned:
    """The values from the ``features`` (n, d) of the photos called ``names``, by ``blocks``.

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
    scores = part_scores(by_photo, [parts[i] for i in measured])
    result = Reference(unit[kept], tuple(blocks), scales, scores, alpha)
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


def _features(store: PhotoStore, network: Network, n: int, on_event: OnEvent) -> Floats32:
    chunks = []
    for start in range(0, n, _BATCH):
        rows = np.arange(start, min(start + _BATCH, n))
        chunks.append(network(store[rows])[1])
        on_event(Progress("learning what the training photos look like", int(rows[-1]) + 1, n))
    features = np.concatenate(chunks)
    if not np.isfinite(features).all():
        raise ModelError(
            "Expected finite features from the network, but some are infinite or NaN.",
            "Train again: the weights are damaged.",
        )
    return features


def stored_distances(run: Run) -> Mapping[str, float] | None:
    """The stored distances of held-out photos, by name; None if there are none."""
    path = run.path("baseline.csv")
    if not path.exists():
        return None
    try:
        return {row["path"]: float(row["distance"]) for row in run.read("baseline.csv")}
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path} is damaged: {error!r}.", _AGAIN) from error


def _stored(run: Run, blocks: Sequence[int], alpha: float) -> Learned | None:
    """The stored values; None if there are none, or of another version's features."""
    path, by_name = run.path("reference.safetensors"), stored_distances(run)
    if by_name is None or not path.exists():
        return None
    try:
        reference = read_reference(path.read_bytes(), alpha, str(path))
    except BundleError as error:
        raise RunError(error.message, _AGAIN) from error
    return Learned(reference, by_name) if reference.blocks == tuple(blocks) else None
