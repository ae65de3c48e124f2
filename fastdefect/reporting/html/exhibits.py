"""Findings, and the photos that show them as pairs, groups or single ones: blocks of a page."""

from dataclasses import dataclass
from typing import ClassVar

from fastdefect.data.findings import Severity
from fastdefect.reporting.html.texts import say


@dataclass(frozen=True)
class Notice:
    """A finding: its name, its figures in a few words, and what was found with what to do."""

    severity: Severity
    name: str
    figures: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Notices:
    """Findings one below the other."""

    macro: ClassVar[str] = "notices"
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class Shot:
    """One photo of an exhibit; ``picture`` is a data URL, or empty.

    ``lines`` are what is known of it: class, split, part, measurements. ``marked`` photos are those
    that the finding is about; the others are beside them to compare.
    """

    name: str
    lines: tuple[str, ...]
    marked: bool = False
    picture: str = ""


@dataclass(frozen=True)
class Exhibit:
    """Photos side by side, with what relates them.

    ``kinds`` are the findings that they show, the most severe first, and ``severity`` is that of
    the first. ``text`` says how they are related. ``alike`` is higher for photos that are more
    alike; None where nothing is compared.
    """

    kinds: tuple[str, ...]
    severity: Severity
    text: str
    shots: tuple[Shot, ...]
    alike: float | None = None


@dataclass(frozen=True)
class Exhibits:
    """Exhibits to filter, sort and enlarge; ``name`` is unique on the page.

    ``unit`` is the name of the text that counts them.
    """

    macro: ClassVar[str] = "exhibits"
    name: str
    unit: str
    exhibits: tuple[Exhibit, ...]

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The findings that the exhibits show, and their names in words."""
        found = dict.fromkeys(kind for each in self.exhibits for kind in each.kinds)
        return [(kind, in_words(kind)) for kind in found]

    @property
    def counted(self) -> str:
        """The text that counts the shown exhibits, for the script."""
        return say(f"exhibits.{self.unit}", shown="{shown}", all=len(self.exhibits))

    @property
    def filter_name(self) -> str:
        """The name of the filters, another one in each panel: screen readers list them."""
        return say(f"exhibits.filter_{self.unit}")

    @property
    def is_compared(self) -> bool:
        """Whether the exhibits can be sorted by how alike their photos are."""
        return any(each.alike is not None for each in self.exhibits)


@dataclass(frozen=True)
class Picture:
    """A picture with its title; ``url`` is a data URL, ``description`` is for screen readers."""

    macro: ClassVar[str] = "picture"
    title: str
    url: str
    description: str


def in_words(kind: str) -> str:
    """The name of a finding in words: ``near duplicate``."""
    return kind.replace("_", " ")
