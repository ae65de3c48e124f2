"""What the page of an audit is made of: plain values, gathered by ``jobs/reports``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from fastdefect.config import DataConfig
from fastdefect.data.audit.audit import Audit
from fastdefect.reporting.html.exhibits import Exhibit


@dataclass(frozen=True)
class Shown:
    """The photos of a section: the ``exhibits``, the most important of ``total``.

    ``full``: a page can't list more.
    """

    exhibits: tuple[Exhibit, ...]
    total: int
    full: bool = False


@dataclass(frozen=True)
class AuditFacts:
    """Everything that the page of an audit shows.

    ``pairs``, ``groups`` and ``photos`` are its exhibits. ``has_pictures`` is False for data
    that may not leave. ``sheet`` is the plot of the shortcuts as a data URL, or empty.
    ``settings`` are the lines of the settings, ``versions`` those of Python and the packages.
    """

    audit: Audit
    config: DataConfig
    pairs: Shown
    groups: Shown
    photos: Shown
    has_pictures: bool
    sheet: str
    command: str
    settings: str
    versions: Mapping[str, str]
    time: str
    version: str

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """A row for each photo, with the columns of ``split.csv``."""
        photos = zip(self.audit.manifest.photos, self.audit.parts, strict=True)
        return [
            {
                "path": photo.name,
                "label": photo.label,
                "part": part,
                "split": photo.split or "",
                "sha256": photo.sha256,
            }
            for photo, part in photos
        ]

    @property
    def n_parts(self) -> int:
        """The number of different parts."""
        return len(set(self.audit.parts))
