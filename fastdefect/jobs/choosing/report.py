"""The result of ``threshold``: its values, and its closing event."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastdefect.config import PartRule, Unit
from fastdefect.evaluation.by_part import PartFacts
from fastdefect.evaluation.decisions.by_product import ProductPoint
from fastdefect.evaluation.decisions.conformal import GoodPoint
from fastdefect.evaluation.decisions.guarantees import Guarantee
from fastdefect.evaluation.decisions.operating_point import OperatingPoint, Tally
from fastdefect.evaluation.decisions.review_band import Band, Load
from fastdefect.evaluation.decisions.stacking import RankedBy
from fastdefect.inference.stacking import Stacking
from fastdefect.run import Run


@dataclass(frozen=True)
class ThresholdReport:
    """The choice, and for comparison the decisions by the most probable class (``before``).

    ``point`` or ``band`` is set, or ``alone``, if there are photos of good parts only. ``said``
    describes the rule and ``source`` the photos that it was chosen on. All counts are of photos, or
    of parts if there is a ``part_rule``; ``facts`` then describe the parts. ``promise`` is set if
    the limit of the point is guaranteed. ``products`` are the thresholds by product, if they were
    asked for. ``stacking`` is what the rule of this name learned, and ``rules`` how it ranks the
    parts beside the other rules.
    """

    run: Run
    said: str
    source: str
    views: str
    temperature: float
    before: Tally
    point: OperatingPoint | None
    promise: Guarantee | None
    band: Band | None
    load: Load | None
    path: Path
    part_rule: PartRule | None = None
    facts: PartFacts | None = None
    products: tuple[ProductPoint, ...] = ()
    alone: GoodPoint | None = None
    stacking: Stacking | None = None
    rules: tuple[RankedBy, ...] = ()

    @property
    def unit(self) -> Unit:
        """What one decision is about."""
        return "photo" if self.part_rule is None else "part"

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``, and the content of the run's file."""
        chosen: dict[str, Any] = self.point.as_json() if self.point else {}
        if self.band is not None:
            chosen = {"rule": "band", "settings": {}, "threshold": self.band.low}
            chosen["tally"] = self.band.tally.as_json()
        if self.alone is not None:
            chosen = self.alone.as_json()
        return {
            "run": str(self.run.folder),
            **chosen,
            "high": self.band.high if self.band else None,
            "said": self.said,
            "chosen_on": self.source,
            "unit": self.unit,
            "part_rule": self.part_rule,
            "parts": self.facts.as_json() if self.facts else None,
            "views": self.views,
            "temperature": self.temperature,
            "promise": self.promise.as_json() if self.promise else None,
            "band": self.band.as_json() if self.band else None,
            "load": self.load.as_json() if self.load else None,
            **({"products": [p.as_json() for p in self.products]} if self.products else {}),
            **({"stacking": self.stacking.as_json()} if self.stacking else {}),
            **({"rules": [each.as_json() for each in self.rules]} if self.rules else {}),
        }
