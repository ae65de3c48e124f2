"""The products of a run's photos, as its split has them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fastdefect.data.photos import PRODUCT_COLUMN, Manifest
from fastdefect.files import read_csv
from fastdefect.run import Run

Row = Mapping[str, str]


def products_of(run: Run) -> dict[str, str]:
    """The product of each photo that has one, by the name of the photo."""
    rows = read_csv(run.path("split.csv"))
    return {row["path"]: product for row in rows if (product := row.get("product"))}


def products_for(run: Run, names: Sequence[str]) -> tuple[str | None, ...]:
    """The product of each of the photos ``names`` (n,), None if it is not known."""
    known = products_of(run)
    return tuple(known.get(name) for name in names)


def trained_by_product(run: Run) -> dict[str, int] | None:
    """The number of training photos of each product; None if no product is known.

    With folds, a network was trained on each photo that is not of the test.
    """
    sides = {"train", "valid"} if run.path("folds.csv").exists() else {"train"}
    rows = [row for row in read_csv(run.path("split.csv")) if row.get("product")]
    return Counter(row["product"] for row in rows if row["split"] in sides) if rows else None


def with_products(manifest: Manifest, rows: Mapping[str, Row]) -> Manifest:
    """The photos with the products of the split, where their folder does not have them now."""
    photos = tuple(
        replace(photo, columns=(*photo.columns, (PRODUCT_COLUMN, product)))
        if photo.product is None and (product := rows[photo.name].get("product"))
        else photo
        for photo in manifest.photos
    )
    return replace(manifest, photos=photos)
