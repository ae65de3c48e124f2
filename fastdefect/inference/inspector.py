"""``fastdefect.Inspector``: decisions on photos, for programs at the line."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np

from fastdefect.aliases import Floats32, Pixels
from fastdefect.config import PartRule
from fastdefect.data.reading.images import Reading
from fastdefect.errors import BundleError
from fastdefect.inference.bundle import REFERENCE, Bundle, read_bundle
from fastdefect.inference.card import Card
from fastdefect.inference.judge import Decision, Judge
from fastdefect.inference.network import open_network
from fastdefect.inference.outputs import Outputs, outputs_of
from fastdefect.inference.part_decision import OfPart
from fastdefect.inference.reference_file import read_reference
from fastdefect.inference.scorer import PhotoLike, Scorer
from fastdefect.inference.unlike import Reference

P = TypeVar("P", bound=PhotoLike)  # a list of paths is not a list of PhotoLike for type checkers


@dataclass(frozen=True)
class PartDecision(OfPart):
    """The decision on a part, and those on its ``photos``, each as if it were alone.

    ``part_rule`` is how the photos were combined; None if the worst decision of them counts.
    ``missing_views`` are those of the training that the part lacks; empty if no views were given.
    """

    part_rule: PartRule | None
    photos: tuple[Decision, ...]
    missing_views: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {**vars(self), "photos": [each.as_json() for each in self.photos]}


class Inspector:
    """A model from a bundle that decides on photos. Its methods may be called from many threads.

    >>> inspector = Inspector("model.fdb")  # doctest: +SKIP
    >>> inspector.inspect("photo.jpg").decision  # doctest: +SKIP
    'OK'
    """

    def __init__(self, bundle: str | PathLike[str], *, threads: int | None = None) -> None:
        """Read and check ``bundle``, and try its network on a grey photo.

        ``threads`` compute one photo; None is one for each core. Raises ``BundleError``.
        """
        found = read_bundle(Path(bundle))
        self.card: Card = found.card
        self.scorer = bundle_scorer(found, str(bundle), threads=threads)
        self._examples = [(each, found.files[each.file]) for each in self.card.examples]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return self.card.classes

    @overload
    def inspect(
        self, photo: PhotoLike, *, product: str | None = None, view: str | None = None
    ) -> Decision: ...

    @overload
    def inspect(
        self,
        photo: list[P] | tuple[P, ...],
        *,
        product: str | None = None,
        view: str | None = None,
    ) -> list[Decision]: ...

    def inspect(
        self,
        photo: PhotoLike | list[P] | tuple[P, ...],
        *,
        product: str | None = None,
        view: str | None = None,
    ) -> Decision | list[Decision]:
        """Decide on a photo, or on each photo of a list.

        ``photo``: a path, the bytes of a file, or an array (height, width) or (height, width, 3 or
        4) of RGB values, uint8, or of more bits as the model's photos. ``product``: what it shows,
        for a bundle with thresholds by product; the common threshold decides on any other product,
        and without one. ``view``: the camera, for a bundle whose network takes it
        (``card.network.view_input``); it decides on any other view as on an unknown one, and other
        bundles ignore it. Raises ``UnreadablePhoto`` for damaged files, and ``ValueError`` for
        arrays of other shapes.
        """
        if isinstance(photo, list | tuple):
            return [self.inspect(each, product=product, view=view) for each in photo]
        started = time.perf_counter()
        return self.scorer.decide(self.scorer.framed(photo), started, product, view)

    def inspect_part(
        self,
        photos: Sequence[PhotoLike],
        *,
        views: Sequence[str | None] | None = None,
        product: str | None = None,
    ) -> PartDecision:
        """Decide on a part from all its photos, by the rule for parts of the bundle.

        A bundle without one rejects a part if one of its photos is rejected. Otherwise the decision
        is look if that of a photo is, and else OK. ``views`` name the camera of each photo, to find
        those that are missing, for a learned rule (``stacking``), and for a network that takes it.
        ``product`` is what the part is, for a bundle with thresholds by product. The photos are as
        in ``inspect``, and so are the errors; ``ValueError`` also without photos, or with another
        number of views.
        """
        if not photos or len(views or photos) != len(photos):
            raise ValueError(
                f"Expected one photo of the part or more, and views for all or none, "
                f"but got {len(photos)} photos and {0 if views is None else len(views)} views"
            )
        seen = views or [None] * len(photos)
        decisions = tuple(
            self.inspect(each, product=product, view=view)
            for each, view in zip(photos, seen, strict=True)
        )
        missing = [view for view in self.card.part_views if views and view not in views]
        return PartDecision(
            **vars(self.scorer.judge.decide_part(decisions, views or (), product)),
            part_rule=self.card.rule.part_rule,
            photos=decisions,
            missing_views=tuple(missing),
        )

    def self_test(self) -> float | None:
        """The largest change of a probability of the example photos since the export.

        None if the bundle has no examples, NaN if a probability is NaN.
        """
        changes = [
            abs(self.inspect(content, view=example.view).probabilities[name] - expected)
            for example, content in self._examples
            for name, expected in zip(self.classes, example.probabilities, strict=True)
        ]
        return float(np.max(changes)) if changes else None  # NaN is the largest


def bundle_scorer(bundle: Bundle, where: str, *, threads: int | None = None) -> Scorer:
    """The model of a bundle; ``where`` names it in errors. Raises as ``open_network``."""
    card = bundle.card
    network = open_network(bundle, where, threads=threads)

    def outputs(pixels: Pixels, *seen: Floats32) -> Outputs:
        return outputs_of(network(pixels, *seen), card.good_indices, joint=card.network.joint)

    return Scorer(
        where,
        bundle.identity,
        card.photos.frame,
        Reading(card.photos.white, card.photos.max_megapixels, card.photos.side),
        outputs,
        Judge(
            card.classes,
            card.good_indices,
            card.decision_rule,
            _reference(bundle, where),
        ),
        concurrent=True,
        part_from=card.part_from,
        view_from=card.view_from,
        product_from=card.product_from,
        views=card.part_views,
        joint=card.network.joint,
        view_input=card.network.view_input,
    )


def _reference(bundle: Bundle, where: str) -> Reference | None:
    unlike, n_features = bundle.card.unlike, bundle.card.network.features
    if unlike is None:
        return None
    reference = read_reference(bundle.files[REFERENCE], unlike.alpha, where)
    if reference.features.shape[1] != n_features:
        raise BundleError(
            f"{where}: its network gives {n_features} features for a photo, but its reference has "
            f"{reference.features.shape[1]}.",
            "Export the run again.",
        )
    return reference
