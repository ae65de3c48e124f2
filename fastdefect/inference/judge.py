"""From the outputs of a network to decisions on photos; the same for a run and a bundle."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.data.reading.frame import TileBox
from fastdefect.good import Good
from fastdefect.inference.decision_rule import DecisionRule, Verdict, defect_score
from fastdefect.inference.halves import RejectedBy, rejected_by
from fastdefect.inference.outputs import Outputs, TileOutputs
from fastdefect.inference.part_decision import OfPart, OfPhoto, PartContext, decide_part
from fastdefect.inference.unlike import Distances, Reference


@dataclass(frozen=True)
class DecidingTile(TileBox):
    """The tile of a photo in tiles that decided, in pixels of the upright photo.

    It has the highest ``probability`` of a defect; if the photo is unlike the training photos, the
    largest ``distance`` to their tiles, 1 being usual for a photo. None without this check.
    """

    probability: float
    distance: float | None


@dataclass(frozen=True)
class Decision:
    """The decision on one photo.

    ``decision`` is OK, look (a person decides) or reject. ``probability`` is that of a defect, and
    ``probabilities`` those of all classes, calibrated. ``label`` is the class of the decision, and
    ``defect_class`` the most probable defect; None if the photo is OK. ``likeness`` is the p-value
    of the check for photos unlike the training photos, None without this check; ``unlike`` photos
    are never OK. ``milliseconds`` is the time from the bytes to the decision. ``distance`` is that
    to the training photos, 1 being usual; None as ``likeness``. ``rejected_by`` is the half of a
    joint model that does not pass the photo; None if it is passed, and for other models. If that is
    the memory alone, the defect may be of an unknown kind: then ``defect_class`` is only the most
    similar of the known ones. ``tile`` is the tile that
    decided, None without tiles and with bundles of earlier versions.
    """

    decision: Verdict
    probability: float
    probabilities: Mapping[str, float]
    label: str
    defect_class: str | None
    unlike: bool
    likeness: float | None
    milliseconds: float
    distance: float | None = None
    rejected_by: RejectedBy | None = None
    tile: DecidingTile | None = None

    def as_json(self) -> dict[str, Any]:
        """All fields; ``rejected_by`` and ``tile`` only where they are known."""
        known = {**vars(self), "probabilities": dict(self.probabilities)}
        if self.rejected_by is None:
            del known["rejected_by"]
        if self.tile is None:
            del known["tile"]
        else:
            known["tile"] = vars(self.tile)
        return known


@dataclass(frozen=True)
class Judge:
    """A model's classes, rule and reference: all that decides once the network has run."""

    classes: tuple[str, ...]
    good: Good
    rule: DecisionRule
    reference: Reference | None

    def decide(
        self,
        outputs: Outputs,
        milliseconds: Sequence[float],
        products: Sequence[str | None] = (),
        boxes: Sequence[Sequence[TileBox]] = (),
    ) -> list[Decision]:
        """Decide on n photos by the outputs of the network; without features they are all alike.

        ``products`` (n,) are those of the photos; a rule may have a threshold for each. ``boxes``
        (n,) are the places of the tiles; without them no deciding tile is named.
        """
        calibrated = self.rule.calibrated(outputs.y_prob)
        n, far = len(calibrated), self._distances(outputs)
        by_half: Sequence[RejectedBy | None] = [None] * n
        if outputs.halves is not None:
            by_half = rejected_by(outputs.halves, self.rule, self.good, products)
        columns = zip(
            self.rule.verdicts(calibrated, self.good, products),
            defect_score(calibrated, self.good) if self.good else np.ones(n),
            calibrated,
            labels := self.rule.decide(calibrated, self.good, products),
            *self._likeness(far, n),
            milliseconds,
            by_half,
            strict=True,
        )
        decisions = [self._decision(*row) for row in columns]
        if outputs.tiles is None or not boxes:
            return decisions
        found = self._tiles(outputs.tiles, labels, [each.unlike for each in decisions], far, boxes)
        return [replace(each, tile=tile) for each, tile in zip(decisions, found, strict=True)]

    def decide_part(
        self, photos: Sequence[OfPhoto], views: Sequence[str | None], product: str | None
    ) -> OfPart:
        """The decision on the part that ``photos`` show; see ``part_decision.decide_part``.

        ``views`` and ``product`` are as in ``PartContext``.
        """
        context = PartContext(views, product)
        return decide_part(photos, self.rule, self.classes, self.good, context)

    def _distances(self, outputs: Outputs) -> Distances | None:
        """To the training photos, and to their tiles; None without a reference or features."""
        if self.reference is None or outputs.features is None:
            return None
        return self.reference.distances(outputs.features, outputs.tiles)

    def _likeness(
        self, far: Distances | None, n: int
    ) -> tuple[Sequence[float | None], Sequence[float | None]]:
        """The p-value and the distance of each photo."""
        if self.reference is None or far is None:
            return [None] * n, [None] * n
        return self.reference.p_values(far.photos).tolist(), far.photos.tolist()

    def _tiles(
        self,
        tiles: TileOutputs,
        labels: NDArray[np.int64],
        unlike: Sequence[bool],
        far: Distances | None,
        boxes: Sequence[Sequence[TileBox]],
    ) -> Iterator[DecidingTile]:
        """The tile of each photo that decided; see ``DecidingTile``."""
        n, most, n_classes = tiles.y_prob.shape
        calibrated = self.rule.calibrated(tiles.y_prob.reshape(n * most, n_classes))
        if self.good and len(self.good) < n_classes:
            of_defect = defect_score(calibrated, self.good)
        else:  # what the photo was decided to be
            of_defect = calibrated[np.arange(n * most), np.repeat(labels, most)]
        score = of_defect.reshape(n, most)
        shown = np.where(tiles.counts, score, -np.inf)
        distances = far.tiles if far is not None else None
        for i, places in enumerate(boxes):
            by = distances[i] if distances is not None and unlike[i] else shown[i]
            at = int(by.argmax())
            distance = None if distances is None else float(distances[i, at])
            yield DecidingTile(
                **vars(places[at]), probability=float(score[i, at]), distance=distance
            )

    def _decision(  # a row of the columns above
        self,
        verdict: Verdict,
        score: float,
        probabilities: Floats,
        label: int,
        likeness: float | None,
        distance: float | None,
        milliseconds: float,
        by_half: RejectedBy | None,
    ) -> Decision:
        unlike = (
            self.reference is not None and likeness is not None and likeness <= self.reference.level
        )
        by_class = dict(zip(self.classes, probabilities.tolist(), strict=True))
        defects = {n: p for i, (n, p) in enumerate(by_class.items()) if i not in self.good}
        decision: Verdict = "look" if unlike else verdict
        suspected = decision != "OK" and defects
        return Decision(
            decision,
            float(score),
            MappingProxyType(by_class),
            self.classes[int(label)],
            max(defects, key=defects.__getitem__) if suspected else None,
            unlike,
            likeness,
            milliseconds,
            distance,
            by_half if verdict != "OK" else None,
        )
