"""Photos that never were files: a manifest, their pixels, and loaders over both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.data.core import DataLoaders

from fastdefect.data.loaders import LoaderOptions, Preprocessing, build_loaders
from fastdefect.data.reading.manifest import Manifest, Photo
from fastdefect.data.store import PhotoStore
from helpers.manifests import FACTS

SIZE = 32
PREPROCESSING = Preprocessing(SIZE, "squish", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CPU = torch.device("cpu")


def made_manifest(
    counts: dict[str, int], good: str | None = None, *, shift: int = 0, seed: int = 0
) -> Manifest:
    """``counts`` photos of each class, mixed.

    Photo ``i`` has row ``i + shift`` of the store, as if ``shift`` files before it had been
    unreadable: who takes an index for a row is found out.
    """
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(list(counts), list(counts.values())))
    photos = tuple(
        Photo(
            f"{label}/{i}.png",
            Path(f"{label}/{i}.png"),
            str(label),
            None,
            None,
            f"{i:064x}",
            SIZE,
            SIZE,
            i + shift,
            FACTS,
        )
        for i, label in enumerate(labels)
    )
    return Manifest(Path(), "classes", photos, tuple(counts), (good,) if good else (), ())


def made_store(capacity: int, size: int = SIZE, **kwargs: Any) -> PhotoStore:
    """Photos of noise around a grey level of their own, the same in every store."""
    store = PhotoStore(capacity, size, "squish", **{"limit_mb": 64, **kwargs})
    rng = np.random.default_rng(1)
    for row in range(capacity):
        level = 40 + 170 * row // max(capacity, 1)
        store.put(row, rng.integers(level - 30, level + 30, (size, size, 3)).astype(np.uint8))
    return store


def made_loaders(
    manifest: Manifest,
    store: PhotoStore,
    train: Sequence[int],
    valid: Sequence[int],
    **changes: Any,
) -> DataLoaders:
    """``build_loaders`` with what a test doesn't care about filled in."""
    options: dict[str, Any] = {
        "classes": manifest.classes,
        "preprocessing": PREPROCESSING,
        "augment": "none",
        "batch_size": 4,
        "seed": 1,
        "device": CPU,
    }
    return build_loaders(manifest, store, train, valid, LoaderOptions(**{**options, **changes}))
