"""Checks whether runs can be compared: the same photos, classes and labels, or an error."""

from collections.abc import Sequence

from fastdefect.errors import DataError, RunError
from fastdefect.files import read_csv
from fastdefect.run import Run
from fastdefect.text import first
from fastdefect.training.learner import ModelSpec


def names_of(runs: Sequence[Run]) -> list[str]:
    """Unique names of the runs, with the parent folder or a number where names are equal."""
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = [f"{run.folder.parent.name}/{run.name}" for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


def check_classes(
    reference: tuple[str, ModelSpec], other: tuple[str, ModelSpec], *, any_photos: bool
) -> None:
    """Raise ``DataError`` for different good classes and, without ``any_photos``, other classes."""
    (name, spec), (other_name, other_spec) = reference, other
    if spec.good != other_spec.good:
        raise DataError(
            f"{name} and {other_name} differ in the good class: {', '.join(spec.good) or 'none'} "
            f"and {', '.join(other_spec.good) or 'none'}.",
            "Their escapes can't be compared: train one again with the --good of the other.",
        )
    if not any_photos and set(spec.classes) != set(other_spec.classes):
        raise DataError(
            f"{name} and {other_name} differ in their classes: {', '.join(spec.classes)} and "
            f"{', '.join(other_spec.classes)}.",
            "Compare them on photos of the classes that both have: --data DIR.",
        )


def check_photos(reference: tuple[str, Run], other: tuple[str, Run], split: str) -> None:
    """Raise ``DataError``, with the differences, if the photos of ``split`` are not the same."""
    (name, run), (other_name, other_run) = reference, other
    rows, other_rows = rows_of(run, split), rows_of(other_run, split)
    both = [path for path in rows if path in other_rows]
    differences = {
        f"only in {name}": [path for path in rows if path not in other_rows],
        f"only in {other_name}": [path for path in other_rows if path not in rows],
        "changed": [p for p in both if rows[p]["sha256"] != other_rows[p]["sha256"]],
        "with another label": [p for p in both if rows[p]["label"] != other_rows[p]["label"]],
    }
    found = [f"{len(of)} {what} ({first(of)})" for what, of in differences.items() if of]
    if found:
        raise DataError(
            f"{name} and {other_name} have different splits: of their {len(rows)} and "
            f"{len(other_rows)} {split} photos, {'; '.join(found)}.",
            "Train both on the same photos, --seed, --valid, --test and --parts; or compare them "
            "on photos that neither was trained on: --data DIR.",
        )


def rows_of(run: Run, split: str) -> dict[str, dict[str, str]]:
    """The rows of one split in the run's ``split.csv``, by path."""
    path = run.path("split.csv")
    try:
        rows = {row["path"]: row for row in read_csv(path) if row["split"] == split}
    except (OSError, KeyError, ValueError) as error:
        raise RunError(
            f"{path} can't be read: {error!r}.", "Compare on other photos: --data DIR."
        ) from error
    if not rows:
        raise RunError(
            f"{run.name} has no {split} photos.",
            "Choose another --split, or other photos with --data DIR.",
        )
    return rows
