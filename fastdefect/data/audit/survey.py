"""Measurements for the audit, collected while the photos are read for the first time."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.audit.appearance import Appearance, measure_appearance
from fastdefect.data.parts.keypoints import Keypoints, find_keypoints
from fastdefect.data.parts.search import SameParts, find_same_parts
from fastdefect.data.photos import Manifest

_T = TypeVar("_T")


class Survey:
    """Appearance and, for a search for parts, keypoints of up to ``capacity`` photos.

    ``put`` may be called from several threads, once for each row. A row needs some 70 KB.
    """

    def __init__(self, capacity: int, *, search: bool) -> None:
        self.searches = search
        self._looks: list[Appearance | None] = [None] * capacity
        self._keypoints: list[Keypoints | None] = [None] * capacity

    def put(self, row: int, image: NDArray[np.uint8]) -> None:
        """Measure a decoded photo (height, width, 3) uint8 RGB; the photo is not kept."""
        self._looks[row] = measure_appearance(image)
        if self.searches:
            self._keypoints[row] = find_keypoints(image)

    def looks(self, manifest: Manifest) -> tuple[Appearance, ...]:
        """The appearance of every photo of the manifest that was read with ``put``."""
        return tuple(_seen(self._looks[photo.row]) for photo in manifest.photos)

    def search(
        self, manifest: Manifest, on_progress: Callable[[int, int], None] | None = None
    ) -> SameParts:
        """Find the photos that appear to show the same part; identical files always do.

        The links contain indices into ``manifest.photos``, the first of each set of identical
        files. Raises ``ValueError`` if the survey was not created with ``search``.
        """
        if not self.searches:
            raise ValueError("Expected a survey created with search=True")
        first: dict[str, int] = {}
        for i, photo in enumerate(manifest.photos):
            first.setdefault(photo.sha256, i)
        shots = list(first.values())
        found = find_same_parts(
            [_seen(self._keypoints[manifest.photos[i].row]) for i in shots], on_progress
        )
        group = dict(zip(first, found.group, strict=True))
        links = tuple(
            replace(link, one=shots[link.one], other=shots[link.other]) for link in found.links
        )
        return SameParts(tuple(group[photo.sha256] for photo in manifest.photos), links)


def _seen(value: _T | None) -> _T:
    if value is None:
        raise ValueError("Expected photos that were read with this survey")
    return value
