"""A page as plain values, and its HTML: one file without a request to anywhere.

A page has sections, and a section has blocks. Each kind of block has its macro in
``templates/blocks.html``, with the same name. Style and script are inlined, and a content security
policy forbids every request.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fastdefect.files import finite
from fastdefect.reporting.html.exhibits import Exhibits, Notices, Picture
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import without_controls

_TEMPLATES = "fastdefect.reporting.html"
# "<" could end the element, "&" is safe but confuses readers of the source; the last two are line
# ends for JavaScript, though not for JSON.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    macro: ClassVar[str] = "words"
    text: str
    tone: Literal["plain", "lead", "note", "warning"] = "plain"


@dataclass(frozen=True)
class Missing:
    """What the run does not have yet, and the command that makes it."""

    macro: ClassVar[str] = "missing"
    text: str
    command: str = ""


@dataclass(frozen=True)
class Grid:
    """A table; ``folded`` hides it behind its title until it is opened."""

    macro: ClassVar[str] = "grid"
    table: TableData
    folded: bool = False


@dataclass(frozen=True)
class Chart:
    """An SVG of ``charts`` or ``forest``, with its title and what it means."""

    macro: ClassVar[str] = "chart"
    title: str
    svg: Markup
    caption: str = ""
    kind: Literal["", "forest"] = ""


@dataclass(frozen=True)
class Row:
    """Blocks side by side where the window is wide enough."""

    macro: ClassVar[str] = "row"
    blocks: tuple["Block", ...]


@dataclass(frozen=True)
class Fold:
    """Blocks behind a title, until it is opened."""

    macro: ClassVar[str] = "fold"
    title: str
    blocks: tuple["Block", ...]


@dataclass(frozen=True)
class Terms:
    """Terms with their descriptions."""

    macro: ClassVar[str] = "terms"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Listing:
    """Text as it is, such as a file of settings, behind its title."""

    macro: ClassVar[str] = "listing"
    title: str
    text: str


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    macro: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Decide:
    """The sliders of the operating point; ``strips`` holds the chart of each split, by name.

    The script reads the scores from the data of the page.
    """

    macro: ClassVar[str] = "decide"
    strips: tuple[tuple[str, Markup], ...]


@dataclass(frozen=True)
class Answer:
    """The decision of a model on a photo; ``score`` is P(defect), ``heat_map`` a data URL or empty.

    ``model`` names the model on a page about several ones.
    """

    decision: str
    score: float | None
    heat_map: str = ""
    model: str = ""


@dataclass(frozen=True)
class Card:
    """A photo with the answers of one or more models; ``picture`` is a data URL, or empty.

    ``kind`` is the type of defect, or the label. ``outcome`` is a name of the texts "outcomes".
    ``unsure`` is the distance from another decision: the least sure photo has the lowest value.
    """

    name: str
    label: str
    kind: str
    part: str
    split: str
    outcome: str
    answers: tuple[Answer, ...]
    unsure: float
    picture: str = ""

    @property
    def decision(self) -> str:
        """The decision of the last model."""
        return self.answers[-1].decision

    @property
    def score(self) -> float | None:
        """P(defect) of the last model."""
        return self.answers[-1].score

    @property
    def has_heat_maps(self) -> bool:
        """Whether any model has a heat map of the photo."""
        return any(answer.heat_map for answer in self.answers)


@dataclass(frozen=True)
class Gallery:
    """Photos to filter, sort and enlarge.

    ``outcomes`` are those of the cards, the most important first; ``wrong`` are those that
    ``wrong_title`` means together.
    """

    macro: ClassVar[str] = "gallery"
    cards: tuple[Card, ...]
    outcomes: tuple[str, ...]
    wrong: tuple[str, ...]
    wrong_title: str

    def options(self, field: str) -> list[tuple[str, str]]:
        """The different values of a field of the cards, sorted, each with its text."""
        values = sorted({str(getattr(card, field)) for card in self.cards})
        return [(each, say(f"splits.{each}") if field == "split" else each) for each in values]

    @property
    def has_heat_maps(self) -> bool:
        """Whether any photo has a heat map."""
        return any(card.has_heat_maps for card in self.cards)


Block = (
    Words
    | Missing
    | Grid
    | Chart
    | Row
    | Fold
    | Terms
    | Listing
    | Heading
    | Decide
    | Gallery
    | Exhibits
    | Picture
    | Notices
)


@dataclass(frozen=True)
class Section:
    """A section with an ``id`` for links, its title and its blocks."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A page. ``data`` is JSON for the script; NaN becomes null."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    data: Mapping[str, Any] = field(default_factory=dict)


def render_page(page: Page) -> str:
    """The HTML of a page, complete in itself."""
    script = "".join(map(_asset, ("rates.js", "dialog.js", "exhibits.js", "page.js")))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            style=Markup(_asset("style.css") + _asset("exhibits.css")),
            script=Markup(script),
            script_hash=f"sha256-{digest}",
            data=as_script_data({**page.data, "texts": _script_texts()}),
        )
    )


def as_script_data(value: Any) -> Markup:
    """``value`` as JSON that is safe inside a script element."""
    text = json.dumps(finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for unsafe, escaped in _UNSAFE.items():
        text = text.replace(unsafe, escaped)
    return Markup(text)


def _script_texts() -> dict[str, str]:
    from fastdefect.reporting.html.texts import texts

    return texts()["script"]


@cache
def _asset(name: str) -> str:
    return files(_TEMPLATES).joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["say"] = say
    # A name of a file can reverse the direction of writing, or hold a byte that is no text.
    environment.filters["shown"] = lambda text: without_controls(
        str(text).encode("utf-8", "replace").decode()
    )
    return environment
