"""Predictions as plain values, and their CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.errors import RunError
from fastdefect.files import read_csv
from fastdefect.good import Good, good_indices
from fastdefect.metrics import Metrics, score


@dataclass(frozen=True)
class Predictions:
    """``y_prob`` (n, n_classes) float64 for the photos ``names``; ``y_true`` (n,) indices."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    good: tuple[str, ...]
    y_true: NDArray[np.int64]
    y_prob: Floats

    @property
    def good_indices(self) -> Good:
        """The indices of the good classes; empty if every class is a defect."""
        return good_indices(self.classes, self.good)

    def metrics(self) -> Metrics:
        """The metrics of these predictions."""
        return score(self.y_true, self.y_prob, self.classes, self.good)

    def columns(self) -> list[str]:
        """The header of the CSV."""
        return ["path", "label", "predicted", *(f"p_{name}" for name in self.classes)]

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the CSV, in the order of the photos."""
        predicted = self.y_prob.argmax(axis=1)
        return [
            {
                "path": name,
                "label": self.classes[truth],
                "predicted": self.classes[guess],
                **{f"p_{c}": float(p) for c, p in zip(self.classes, probabilities, strict=True)},
            }
            for name, truth, guess, probabilities in zip(
                self.names, self.y_true, predicted, self.y_prob, strict=True
            )
        ]


def predictions_of(
    photos: Sequence[Any],
    classes: tuple[str, ...],
    good: tuple[str, ...],
    y_prob: Floats,
) -> Predictions:
    """Join the photos (with ``name`` and ``label``) with their probabilities."""
    index = {name: i for i, name in enumerate(classes)}
    return Predictions(
        tuple(photo.name for photo in photos),
        classes,
        good,
        np.array([index[photo.label] for photo in photos], np.int64),
        y_prob,
    )


def read_predictions(path: Path, classes: tuple[str, ...], good: tuple[str, ...]) -> Predictions:
    """Read the rows of ``Predictions.rows`` exactly; raises ``RunError`` if the file is damaged."""
    try:
        rows = read_csv(path)
        return Predictions(
            tuple(row["path"] for row in rows),
            classes,
            good,
            np.array([classes.index(row["label"]) for row in rows], np.int64),
            np.array([[float(row[f"p_{name}"]) for name in classes] for row in rows], np.float64),
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise RunError(
            f"{path} can't be read as predictions of {', '.join(classes)}: {error!r}.",
            "Delete the file. It is written again if the photos and the model are available.",
        ) from error


def pooled(several: Sequence[Predictions]) -> Predictions:
    """Concatenate one or more predictions of the same classes."""
    first = several[0]
    return Predictions(
        tuple(name for each in several for name in each.names),
        first.classes,
        first.good,
        np.concatenate([each.y_true for each in several]),
        np.concatenate([each.y_prob for each in several]),
    )
