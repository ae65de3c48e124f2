"""The result of explain, and what it writes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from fastdefect.aliases import Pixels
from fastdefect.data.reading.frame import TileBox
from fastdefect.explain.checks import Removal
from fastdefect.explain.maps import HeatMap
from fastdefect.explain.methods import Method
from fastdefect.explain.overlay import framed, overlay, with_legend
from fastdefect.files import atomic_path

_WEAK = 0.25  # of the usual evidence; below, there is no place to speak of
NOT_CONFIRMED = (
    "not confirmed: hiding this place changes the decision no more than hiding another place"
)


@dataclass(frozen=True)
class PhotoMap:
    """A photo with its decision and its heat map.

    ``label`` is the true class, None if unknown. ``probability`` is that of a defect. ``removal``
    is what hiding the place changes. ``shown`` is the photo in its shape. ``usual`` is the
    highest evidence of a usual photo that is rejected, in the unit of the method; None if unknown.
    ``size`` is width and height of the photo, and ``tile`` the tile that has the most evidence for
    the target, None without tiles. ``view`` is the view of the photo, if the network takes it.
    """

    name: str
    label: str | None
    decided: str
    probability: float
    shown: Pixels
    map: HeatMap
    removal: Removal
    size: tuple[int, int]
    tile: TileBox | None = None
    usual: float | None = None
    view: str | None = None

    @property
    def is_weak(self) -> bool:
        """Whether there is hardly any evidence, as in most good photos."""
        return self.map.highest == 0 or bool(self.usual and self.map.highest < _WEAK * self.usual)

    @property
    def confirmed(self) -> bool:
        """Whether the place counts more than other places; also if there is no place."""
        return self.is_weak or self.removal.confirms

    @property
    def where(self) -> str:
        """Where the evidence is, in words."""
        return "hardly any evidence" if self.is_weak else str(self.map.place)

    def as_json(self) -> dict[str, Any]:
        """All facts but the pixels."""
        place = self.map.place
        return {
            "path": self.name,
            "label": self.label,
            "decided": self.decided,
            "p_defect": self.probability,
            "where": self.where,
            "x": place.x,
            "y": place.y,
            "area": place.area,
            "evidence_highest": self.map.highest,
            "evidence_usual": self.usual,
            "log_odds_lost": self.removal.of_place,
            "log_odds_lost_elsewhere": self.removal.elsewhere,
            "weak": self.is_weak,
            "confirmed": self.confirmed,
            **({"tile": vars(self.tile)} if self.tile is not None else {}),
            **({"view": self.view} if self.view is not None else {}),
        }

    def overlay(self) -> Pixels:
        """The photo with its map over it, and a frame around the tile that decides."""
        laid = overlay(self.shown, self.map.relative_to(self.usual).values)
        return laid if self.tile is None else framed(laid, self.tile, self.size)

    @property
    def of_tile(self) -> str:
        """The tile that decides, in words; empty without tiles."""
        tile = self.tile
        if tile is None:
            return ""
        return (
            f"The tile that decides, framed: {tile.width} x {tile.height} pixels at x {tile.x}, "
            f"y {tile.y}."
        )

    def picture(self, method: Method, target: str, warning: str) -> Pixels:
        """The photo beside its overlay, with a legend and, if the map does not pass, a warning."""
        truth = f"{self.label}, " if self.label is not None else ""
        lines = [
            self.name,
            f"{truth}decided {self.decided}, P(defect) {self.probability:.3f}"
            + (f", view {self.view}" if self.view is not None else ""),
            f"Evidence for {target}: {self.where}. {method.title}.",
        ]
        lines += [self.of_tile] if self.tile is not None else []
        warnings = [warning] if warning else []
        if not self.confirmed:
            warnings.append(NOT_CONFIRMED)
        full = "as in a usual rejected photo" if self.usual else "the strongest in this photo"
        warned = "; ".join(warnings)
        return with_legend(self.shown, self.overlay(), lines, full=full, warning=warned)


def write_pictures(
    folder: Path, photos: Sequence[PhotoMap], method: Method, target: str, warning: str
) -> dict[str, Path]:
    """Write a PNG for each photo into ``folder``; return the files by the name of the photo."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    taken: set[str] = set()
    for photo in photos:
        stem = re.sub(r"[^\w.-]+", "-", photo.name).strip("-.")[-120:] or "photo"
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        files[photo.name] = folder / f"{name}.png"
        with atomic_path(files[photo.name]) as temporary:
            picture = Image.fromarray(photo.picture(method, target, warning))
            picture.save(temporary, format="PNG")
    return files
