"""Which photos a finished run knows, and from which side: only this module interprets its files.

The weights of a run that continues another have also seen the photos of that run. The new run
keeps their rows in a file of its own (``earlier.csv``), so that they stay known if the folder of
the other run is moved or deleted.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from fastdefect.data.photos import PRODUCT_COLUMN, VIEW_COLUMN
from fastdefect.data.splitting.earlier import KnownPhoto
from fastdefect.data.splitting.folds import fold_numbers
from fastdefect.data.splitting.found import Row
from fastdefect.data.splitting.split import saved_rows
from fastdefect.errors import RunError
from fastdefect.evaluation.by_part import Shown
from fastdefect.run import Run


def known_photos(run: Run, *, whole: bool = False) -> tuple[KnownPhoto, ...]:
    """The photos of the run, then those of all runs that it continues, with the side of each.

    A run by folds has several networks. ``whole``: the sides are those of all networks together,
    which were trained on every fold. Otherwise they are those of the first network, which another
    training can start from: the fold that it was not trained on is valid. A refitted network was
    trained on all folds.

    Raises ``RunError`` if a file of the run is missing or damaged.
    """
    rows = saved_rows(run.path("split.csv"))
    folds = run.path("folds.csv")
    if folds.exists():
        refitted = whole or run.read_config().training.final == "refit"
        fold = fold_numbers(folds)
        held_out = {row["path"] for row in rows if fold.get(row["path"]) == 1 and not refitted}
        rows = [
            {**row, "split": "train"}
            if row["split"] == "valid" and row["path"] not in held_out
            else row
            for row in rows
        ]
    return (*_known(rows), *_earlier_photos(run))


def keep_known_photos(run: Run, parent: Run) -> None:
    """Write the photos that the network of ``parent`` knows into ``run``, which starts from it."""
    rows = [
        {"sha256": photo.sha256, "given_part": photo.part, "split": photo.side}
        for photo in dict.fromkeys(known_photos(parent))
    ]
    run.write("earlier.csv", rows)


def _earlier_photos(run: Run) -> tuple[KnownPhoto, ...]:
    continued = run.read_config().model.from_run
    if continued is None:
        return ()
    if not run.path("earlier.csv").exists():
        parent = Run(Path(continued))
        if parent.path("split.csv").exists():  # a run of an earlier version has no earlier.csv
            return known_photos(parent)
        raise RunError(
            f"Expected the photos of {continued}, which {run.name} continues, in "
            f"{run.path('earlier.csv')}, but there is no such file. Without it, photos that the "
            "network was trained on can't be recognised.",
            f"Restore the file, or the folder {continued}, from a copy.",
        )
    return tuple(
        KnownPhoto(row["sha256"], row["given_part"] or None, row["split"])
        for row in run.read("earlier.csv")
    )


def _known(rows: Sequence[Row]) -> tuple[KnownPhoto, ...]:
    given = given_parts(rows)
    return tuple(
        KnownPhoto(row["sha256"], part, row["split"]) for row, part in zip(rows, given, strict=True)
    )


def known_views(run: Run) -> frozenset[str]:
    """The views of the photos that the run learned from; empty if the photos have none."""
    return views_among(saved_rows(run.path("split.csv")))


def views_among(rows: Sequence[Row]) -> frozenset[str]:
    """The views of the photos to learn from: train, or valid if it was held out in turn."""
    side = "train" if any(row["split"] == "train" for row in rows) else "valid"
    views = (row.get(VIEW_COLUMN) for row in rows if row["split"] == side)
    return frozenset(filter(None, views))


def shown_by(rows: Sequence[Row], names: Sequence[str]) -> Shown:
    """What the photos ``names`` show, by all ``rows`` of ``split.csv``; ``KeyError`` if one is not.

    Rows of an earlier version have no views and no products.
    """
    given = {row["path"]: part for row, part in zip(rows, given_parts(rows), strict=True)}
    by_name = {row["path"]: row for row in rows}
    products = tuple(by_name[name].get(PRODUCT_COLUMN) or None for name in names)
    return Shown(
        tuple(by_name[name]["part"] for name in names),
        tuple(given[name] is not None for name in names),
        tuple(by_name[name].get(VIEW_COLUMN) or None for name in names),
        products if any(products) else (),
    )


def given_parts(rows: Iterable[Row]) -> list[str | None]:
    """The part of each photo in a saved split if the user named it.

    A split of an earlier version has only the parts after joining: one that is not the name of a
    photo is then a given one.
    """
    rows = list(rows)
    photos = {row["path"] for row in rows}

    def given(row: Row) -> str | None:
        named = row.get("given_part")
        if named is None:
            named = "" if row["part"].removeprefix("./") in photos else row["part"]
        return named or None

    return [given(row) for row in rows]
