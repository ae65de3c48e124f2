"""What a threshold is chosen for: photos, or parts by a rule, with their scores."""

from dataclasses import dataclass, replace

from fastdefect.config import PartRule
from fastdefect.evaluation.by_part import Shown, part_predictions, part_products
from fastdefect.evaluation.decisions.operating_point import ScoredPhotos, Tally
from fastdefect.evaluation.decisions.stacking import RankedBy, learn_stacking, rank_parts
from fastdefect.evaluation.predictions import Predictions
from fastdefect.good import is_good
from fastdefect.inference.decision_rule import calibrated, defect_score
from fastdefect.inference.stacking import Stacking
from fastdefect.jobs.trained.decision import Judged


@dataclass(frozen=True)
class Units:
    """The calibrated predictions of what is decided, (n, ...), and the part of each.

    ``products`` (n,) is the product of each, empty if none is known. ``learned`` is the rule for
    parts if it is stacking, and ``rules`` how it ranks the parts beside the other rules.
    """

    predictions: Predictions
    parts: tuple[str, ...]
    products: tuple[str | None, ...]
    learned: Stacking | None = None
    rules: tuple[RankedBy, ...] = ()

    @property
    def has_defects(self) -> bool:
        """Whether there is one to choose a threshold for."""
        said = self.predictions
        return not is_good(said.y_true, said.good_indices).all()

    @property
    def scored(self) -> ScoredPhotos:
        """The truth and the score of each; ``DataError`` if all are of one kind."""
        said, good = self.predictions, self.predictions.good_indices
        return ScoredPhotos(
            ~is_good(said.y_true, good), defect_score(said.y_prob, good), self.parts
        )

    @property
    def by_most_probable(self) -> Tally:
        """The mistakes if the most probable class decides."""
        metrics = self.predictions.metrics()
        return Tally(metrics.escapes, metrics.n_defective, metrics.overkills, metrics.n_good)


def units_of(
    judged: Judged, temperature: float, part_rule: PartRule | None, validation: Judged | None
) -> Units:
    """What is decided of the photos ``judged``: each photo, or each part by ``part_rule``.

    Stacking is learned from ``validation``. On these photos themselves, each part has the score by
    a rule learned from the other parts. Raises ``DataError`` as ``learn_stacking``.
    """
    said, shown = _at(temperature, judged)
    if part_rule is None:
        return Units(said, shown.parts, shown.products)
    products = part_products(shown.parts, shown.products)
    # One score a part: a guarantee counts them exactly.
    if part_rule != "stacking":
        of_parts = part_predictions(said, shown.parts, part_rule)
        return Units(of_parts, of_parts.names, products)
    if validation is None:
        raise ValueError("Expected the validation photos to learn from")
    learned = learn_stacking(*_at(temperature, validation))
    of_parts = learned.held_out
    if validation is not judged:
        of_parts = part_predictions(said, shown.parts, learned.rule, shown.views)
    ranked = rank_parts(said, shown, of_parts)
    return Units(of_parts, of_parts.names, products, learned.rule, ranked)


def _at(temperature: float, judged: Judged) -> tuple[Predictions, Shown]:
    said = judged.predictions
    return replace(said, y_prob=calibrated(said.y_prob, temperature)), judged.shown
