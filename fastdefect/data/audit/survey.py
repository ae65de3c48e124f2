"""Measurements for the audit, collected while the photos are read for the first time."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.audit.appearance import Appearance, measure_appearance
from fastdefect.data.parts.keypoint_store import KeypointStore, StoredKeypoints
from fastdefect.data.parts.result_cache import read_result, result_path, write_result
from fastdefect.data.parts.search import OnStage, SameParts, find_same_parts
from fastdefect.data.photos import Manifest
from fastdefect.files import cache_folder

_T = TypeVar("_T")


class Survey:
    """Appearance and, for a search for parts, keypoints of up to ``capacity`` photos.

    ``put`` may be called from several threads, once for each row. A row needs some 15 KB.
    Keypoints, and the result of a search, are kept in the user's cache folder for later commands;
    without such a folder the keypoints are in memory, up to 60 KB for each photo.
    """

    def __init__(self, capacity: int, *, search: bool) -> None:
        self.searches = search
        self._looks: list[Appearance | None] = [None] * capacity
        self._digests: list[bytes | None] = [None] * capacity
        self._cache = cache_folder() if search else None
        self._keypoints = KeypointStore(self._cache and self._cache / "keypoints")

    def put(self, row: int, image: NDArray[np.uint8]) -> None:
        """Measure a decoded photo (height, width, 3) uint8 RGB; the photo is not kept."""
        self._looks[row] = measure_appearance(image)
        if self.searches:
            self._digests[row] = self._keypoints.add(image)

    def looks(self, manifest: Manifest) -> tuple[Appearance, ...]:
        """The appearance of every photo of the manifest that was read with ``put``."""
        return tuple(_seen(self._looks[photo.row]) for photo in manifest.photos)

    def search(self, manifest: Manifest, on_progress: OnStage | None = None) -> SameParts:
        """Find the photos that appear to show the same part; identical files always do.

        The links contain indices into ``manifest.photos``, the first of each set of identical
        files. A search in the same photos in the same order is done once: later commands read its
        result. Raises ``ValueError`` if the survey was not created with ``search``.
        """
        if not self.searches:
            raise ValueError("Expected a survey created with search=True")
        first: dict[str, int] = {}
        for i, photo in enumerate(manifest.photos):
            first.setdefault(photo.sha256, i)
        shots = list(first.values())
        self._keypoints.save()
        found = self._find(
            [_seen(self._digests[manifest.photos[i].row]) for i in shots], on_progress
        )
        group = dict(zip(first, found.group, strict=True))
        links = tuple(
            replace(link, one=shots[link.one], other=shots[link.other]) for link in found.links
        )
        return SameParts(tuple(group[photo.sha256] for photo in manifest.photos), links)

    def _find(self, digests: list[bytes], on_progress: OnStage | None) -> SameParts:
        """The groups of photos that are known by their digests, from the cache or searched."""
        kept = result_path(self._cache / "same_parts", digests) if self._cache else None
        found = read_result(kept, len(digests)) if kept else None
        if found is None:
            found = find_same_parts(StoredKeypoints(self._keypoints, digests), on_progress)
            if kept:
                write_result(kept, found)
        return found


def _seen(value: _T | None) -> _T:
    if value is None:
        raise ValueError("Expected photos that were read with this survey")
    return value
