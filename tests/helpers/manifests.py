"""Manifests without files, for tests of what is done with them."""

from collections.abc import Iterable
from pathlib import Path

from fastdefect.data.photos import FileFacts, Manifest, Photo

# Of a photo that was never a file.
FACTS = FileFacts(1000, "PNG", True, "RGB", 1, None, 0, None, None)


def photo(
    name: str,
    label: str,
    part: str | None = None,
    split: str | None = None,
    sha256: str | None = None,
) -> Photo:
    """A photo that was never read; its hash is its own unless one is given."""
    digest = f"sha of {name}" if sha256 is None else sha256
    return Photo(name, Path("/data") / name, label, part, split, digest, 8, 8, 0, FACTS)


def manifest(photos: Iterable[Photo]) -> Manifest:
    """The photos as a manifest, in the order given."""
    kept = tuple(photos)
    classes = tuple(sorted({photo.label for photo in kept}))
    return Manifest(Path("/data"), "csv", kept, classes, (), ())


def plain(**counts: int) -> Manifest:
    """So many photos of each class, each a part of its own."""
    return manifest(photo(f"{c}/{i:04}", c) for c, n in sorted(counts.items()) for i in range(n))
