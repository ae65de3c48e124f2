"""The card of a bundle, ``bundle.json``: all facts about a model except its tensors."""

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, NoReturn

from annotated_types import Len
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from fastdefect.config import MOST_TILES, MOST_VIEWS, PartRule
from fastdefect.data.reading.background import Background
from fastdefect.data.reading.frame import Frame
from fastdefect.errors import BundleError
from fastdefect.good import Good, good_indices
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.inference.part_pattern import is_quick
from fastdefect.inference.stacking import Stacking

SCHEMA: Final = 2  # 1 for a bundle that earlier versions can read, too
MAX_CARD = 1 << 20  # bytes; a usual card has 10,000
MAX_MEGAPIXELS = 100_000.0
_MAX_SIDE = 4096  # pixels of the network's input

Share = Annotated[float, Field(ge=0, le=1)]
LogOdds = Annotated[float, Field(ge=-1e6, le=1e6)]
Scale = Annotated[float, Field(gt=1e-6, le=1e6)]  # of log-odds
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# No control characters: these texts are printed, and a terminal would obey them.
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_PRINTABLE)]
Facts = dict[str, JsonValue]


class _Part(BaseModel):
    """A part of the card: no other keys, no type conversion, no NaN, never changed.

    ``later`` are the fields that an earlier version does not know. They are not written if they
    have their default, so that it reads the card.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    later: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _known_to_all(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = written(self)
        for name in self.later:
            if getattr(self, name) == type(self).model_fields[name].default:
                del fields[name]
        return fields


class PhotoSteps(_Part):
    """From a file to the input of the network, (tiles * image_size, image_size, 3) uint8 RGB.

    ``tiles`` is the number of tiles of a photo; 1 without tiles, also in older bundles.
    ``background`` are the values of ``data/reading/background.Background``, None if all tiles
    count.
    ``white`` is the value that is white in photos of more than 8 bits; None if the model was
    trained on none. ``side``: photos of more than 179 megapixels are decoded in a reduced size, no
    side shorter than this. ``mean`` and ``std`` are applied inside the network and are stated for
    information.
    """

    later: ClassVar[frozenset[str]] = frozenset({"background"})
    image_size: Annotated[int, Field(ge=16, le=_MAX_SIDE)]
    resize: Literal["squish", "pad"]
    white: Annotated[float, Field(ge=1e-30, le=1e30)] | None
    max_megapixels: Annotated[float, Field(gt=0, le=MAX_MEGAPIXELS)]
    side: Annotated[int, Field(ge=1, le=8 * _MAX_SIDE)]
    mean: Annotated[tuple[float, ...], Len(3, 3)]
    std: Annotated[tuple[float, ...], Len(3, 3)]
    tiles: Annotated[int, Field(ge=1, le=MOST_TILES)] = 1
    background: tuple[Share, Share, Annotated[float, Field(ge=0, le=1000)]] | None = None

    @property
    def frame(self) -> Frame:
        """How a photo is cut and resized."""
        known = None if self.background is None else Background(*self.background)
        return Frame(self.image_size, self.resize, self.tiles, known)


class ViewScaleFacts(_Part):
    """The fields of a ``ViewScale``."""

    view: Name
    center: LogOdds
    scale: Scale


class StackingFacts(_Part):
    """The fields of a ``Stacking``."""

    center: LogOdds
    scale: Scale
    views: Annotated[tuple[ViewScaleFacts, ...], Len(0, 1000)]
    weights: tuple[LogOdds, LogOdds]
    intercept: LogOdds


class Rule(_Part):
    """The fields of a ``DecisionRule``; a threshold just above 1 rejects nothing."""

    later: ClassVar[frozenset[str]] = frozenset({"part_rule", "products", "stacking"})
    views: Name
    temperature: Annotated[float, Field(gt=0, le=1000)]
    threshold: Annotated[float, Field(ge=0, lt=1.1)] | None
    high: Annotated[float, Field(ge=0, lt=1.1)] | None
    rule: Annotated[str, Field(max_length=2000, pattern=_PRINTABLE)]
    part_rule: PartRule | None = None
    products: Annotated[
        tuple[tuple[Name, Annotated[float, Field(ge=0, lt=1.1)]], ...], Len(0, 1000)
    ] = ()
    stacking: StackingFacts | None = None

    @model_validator(mode="after")
    def _has_what_it_learned(self) -> "Rule":
        if (self.part_rule == "stacking") != (self.stacking is not None):
            raise ValueError("stacking needs what it learned, and no other rule has it")
        return self

    @model_validator(mode="after")
    def _has_one_threshold_each(self) -> "Rule":
        if self.products and (self.threshold is None or self.high is not None):
            raise ValueError("thresholds by product need a common one, and no review band")
        if len({name for name, _ in self.products}) != len(self.products):
            raise ValueError("a product has two thresholds")
        return self


class NetworkFacts(_Part):
    """The network: its runtime, number format, architecture, and the shapes of its outputs.

    For n photos it returns logits (n, views, classes) and features (n, features), both float32.
    ``by_tile``: also the logits (n, views, tiles, classes) and features (n, tiles, features) of
    the tiles of photos; not in bundles of earlier versions. ``joint``: it has two halves, and
    twice as many rows of logits (``outputs.outputs_of``). ``view_input``: the views, such as
    cameras, that it takes as a second input, one-hot rows (n, views) float32; only in bundles of
    schema 2.
    """

    later: ClassVar[frozenset[str]] = frozenset({"by_tile", "joint", "view_input"})
    runtime: Literal["onnx", "openvino"]
    precision: Literal["fp32", "bf16", "int8"]
    arch: Name
    members: Annotated[int, Field(ge=1, le=1000)]
    views: Annotated[int, Field(ge=1, le=64)]
    features: Annotated[int, Field(ge=1, le=1_000_000)]
    by_tile: bool = False
    joint: bool = False
    view_input: Annotated[tuple[Name, ...], Len(0, MOST_VIEWS)] = ()


class UnlikeFacts(_Part):
    """The check for photos unlike the training photos; see ``unlike.py``.

    ``alpha`` is the share of known parts that the check may send to people. ``parts`` is the
    number of parts that it is calibrated on.
    """

    alpha: Annotated[float, Field(gt=0, lt=1)]
    parts: Annotated[int, Field(ge=1)]


class Example(_Part):
    """One of the user's photos, stored in ``file``, and its probabilities when it was exported.

    ``view`` is the view of it, if the network takes it.
    """

    later: ClassVar[frozenset[str]] = frozenset({"view"})
    file: Name
    path: Annotated[str, Field(max_length=4096, pattern=_PRINTABLE)]
    probabilities: Annotated[tuple[Share, ...], Len(1, 1000)]
    view: Name | None = None


class Member(_Part):
    """A file in the bundle."""

    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Card(_Part):
    """``bundle.json``. ``facts`` and ``figures`` are for people and decide nothing.

    ``part_views`` are the views, such as cameras, of the photos that the model learned from, and
    ``view_from`` and ``product_from`` find the view and the product in a name.
    """

    later: ClassVar[frozenset[str]] = frozenset({"part_views", "view_from", "product_from"})
    schema_version: Literal[1, 2]
    created: Name
    versions: dict[str, str]
    classes: Annotated[tuple[Name, ...], Len(1, 1000)]
    good: tuple[Name, ...]
    photos: PhotoSteps
    rule: Rule
    network: NetworkFacts
    unlike: UnlikeFacts | None
    part_from: Annotated[str, Field(max_length=2000)] | None
    facts: Facts
    figures: Facts
    check: Facts
    examples: Annotated[tuple[Example, ...], Len(0, 1000)]
    members: dict[str, Member]
    part_views: Annotated[tuple[Name, ...], Len(0, 1000)] = ()
    view_from: Annotated[str, Field(max_length=2000)] | None = None
    product_from: Annotated[str, Field(max_length=2000)] | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> "Card":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("two classes have the same name")
        if not set(self.good) <= set(self.classes):
            raise ValueError("a good class is not among the classes")
        if self.rule.threshold is not None and not self.good:
            raise ValueError("a threshold needs a good class")
        if self.network.joint and not 0 < len(self.good) < len(self.classes):
            raise ValueError("a joint network needs a good class and a defect")
        if views := self.network.view_input:
            if self.schema_version < 2 or len(set(views)) != len(views) or len(views) < 2:
                raise ValueError("a network with views as input needs schema 2 and two views")
            if self.network.joint or self.network.by_tile or self.photos.tiles > 1:
                raise ValueError("a network with views as input has no tiles and no memory")
        if self.rule.part_rule is not None and not self.good:
            raise ValueError("a rule for parts needs a good class")
        if self.rule.high is not None and self.rule.high < (self.rule.threshold or 0):
            raise ValueError("the upper end of the review band is below its lower end")
        if self.part_from is not None and not is_quick(self.part_from):
            raise ValueError("part_from is not valid, or can take very long")
        if self.view_from is not None and not is_quick(self.view_from):
            raise ValueError("view_from is not valid, or can take very long")
        if self.product_from is not None and not is_quick(self.product_from):
            raise ValueError("product_from is not valid, or can take very long")
        if any(len(each.probabilities) != len(self.classes) for each in self.examples):
            raise ValueError("an example does not have a probability for each class")
        return self

    @property
    def good_indices(self) -> Good:
        """The indices of the good classes."""
        return good_indices(self.classes, self.good)

    @property
    def decision_rule(self) -> DecisionRule:
        """The rule by which the model decides."""
        fields = self.rule.model_dump()
        if (learned := fields.pop("stacking", None)) is not None:
            fields["stacking"] = Stacking.from_json(learned)
        return DecisionRule(**fields)

    def as_bytes(self) -> bytes:
        """The content of ``bundle.json``."""
        return self.model_dump_json(indent=1).encode()


def read_card(content: bytes, where: str) -> Card:
    """The card in the bytes of ``bundle.json``; raises ``BundleError`` that names ``where``."""
    if len(content) > MAX_CARD:
        raise BundleError(
            f"{where}: bundle.json has {len(content):,} bytes, more than {MAX_CARD:,}."
        )
    try:
        found = json.loads(
            content, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite
        )
    except RecursionError:
        raise BundleError(f"{where}: bundle.json is nested too deeply.") from None
    except ValueError as error:
        raise BundleError(f"{where}: bundle.json is not valid JSON: {error}.") from None
    _check_schema(found, where)
    try:
        return Card.model_validate_json(content)
    except ValidationError as error:
        place, reason = first_problem(error)
        raise BundleError(f"{where}: bundle.json is damaged at {place}: {reason}.") from None


def first_problem(error: ValidationError, whole: str = "bundle.json") -> tuple[str, str]:
    """The place of the first value that is not valid, and what is expected there.

    ``whole`` names the place of a fault that is in no value: the text is no JSON.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    return ".".join(map(str, first["loc"])) or whole, first["msg"]


def _check_schema(found: Any, where: str) -> None:
    number = found.get("schema_version") if isinstance(found, dict) else None
    if isinstance(number, int) and number > SCHEMA:
        raise BundleError(
            f"{where} has schema {str(number)[:20]}, but this version of fastdefect reads up to "
            f"{SCHEMA}.",
            "Update fastdefect, or export the run again with this version.",
        )


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text[:20])


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
