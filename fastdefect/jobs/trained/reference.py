"""The reference of a run for photos unlike its training photos; computed once and stored."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.data.splitting.split import saved_rows
from fastdefect.data.store import PhotoStore
from fastdefect.errors import DataError, ModelError
from fastdefect.events import Event, Note, OnEvent, Progress
from fastdefect.files import write_bytes
from fastdefect.inference.reference_file import read_reference, reference_bytes
from fastdefect.inference.unlike import (
    ALPHA,
    Features,
    Reference,
    distances,
    normalised,
    part_scores,
    usual,
)
from fastdefect.jobs.trained.run_photos import find_run_photos, settle_root
from fastdefect.run import Run
from fastdefect.text import counted

Network = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]

# The nearest of 1,000 training photos is about as near as that of all.
_MOST = 1000
_BATCH = 32


def reference_for(
    run: Run,
    network: Network,
    blocks: Sequence[int],
    on_event: OnEvent,
    *,
    data_root: Path | None = None,
    alpha: float = ALPHA,
) -> Reference | None:
    """The reference of the run's model: the stored one, or a new one, which is then stored.

    ``network`` maps (n, size, size, 3) uint8 to logits and features (n, d); ``blocks`` are the
    widths of the features by depth. A new one needs the run's
    photos; without them it is None, with a warning.
    """
    if (stored := _stored(run, alpha)) is not None:
        return stored
    try:
        settle_root(run, data_root, ("train", "valid"), on_event)
        names, store = _read(run, on_event)
    except DataError as error:
        on_event(
            Note(
                f"Photos unlike the training photos are not detected, because these are not found: "
                f"{error.message} {error.hint}",
                "warning",
            )
        )
        return None
    features = _features(store, network, len(names), on_event)
    reference = build_reference(run, names, features, blocks, alpha=alpha, on_event=on_event)
    write_bytes(run.path("reference.safetensors"), reference_bytes(reference))
    return reference


def build_reference(
    run: Run,
    names: Sequence[str],
    features: Features,
    blocks: Sequence[int],
    *,
    alpha: float,
    on_event: OnEvent,
) -> Reference:
    """The reference from the ``features`` (n, d) of the photos called ``names``, by ``blocks``.

    Calibrated on the parts of validation. Where validation photos were trained on, or are absent,
    each training part is compared with the others instead, which makes the limit a little narrow.
    """
    rows = {row["path"]: row for row in saved_rows(run.path("split.csv"))}
    held_out = not run.path("folds.csv").exists()
    parts = [rows[name]["part"] for name in names]
    valid = np.array([rows[name]["split"] == "valid" and held_out for name in names])
    unit = normalised(features, blocks).astype(np.float16).astype(np.float32)  # as it is stored
    train = np.flatnonzero(~valid)
    kept = np.sort(np.random.default_rng(0).permutation(train)[:_MOST])
    if valid.any():
        found = distances(unit[valid], unit[kept], blocks)
        calibration = [part for part, is_valid in zip(parts, valid, strict=True) if is_valid]
    else:
        calibration = [parts[i] for i in kept]
        found = _to_other_parts(unit[kept], calibration, blocks)
    scales = usual(found)
    scores = part_scores((found / np.array(scales)).max(axis=1), calibration)
    result = Reference(unit[kept], tuple(blocks), scales, scores, alpha)
    if result.level > alpha:
        on_event(
            Note(
                f"With {counted(len(scores), 'part')} to calibrate, up to {result.level:.1%} of "
                f"new parts (not {alpha:.1%}) are sent to people as unlike the training photos."
            )
        )
    return result


def _to_other_parts(unit: Features, parts: Sequence[str], blocks: Sequence[int]) -> Floats:
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
        ("train", "valid"), found.config, workers=0, on_event=_progress_only(on_event)
    )
    return [photo.name for photo in manifest.photos], store


def _progress_only(on_event: OnEvent) -> OnEvent:
    def pass_on(event: Event) -> None:
        if isinstance(event, Progress):
            on_event(event)

    return pass_on


def _features(store: PhotoStore, network: Network, n: int, on_event: OnEvent) -> Features:
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


def _stored(run: Run, alpha: float) -> Reference | None:
    path = run.path("reference.safetensors")
    return read_reference(path.read_bytes(), alpha, str(path)) if path.exists() else None
