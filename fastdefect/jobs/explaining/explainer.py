"""A model that is ready to explain photos without labels: a bundle, or a run."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fastdefect.data.reading.images import UnreadablePhoto, decode, read_bytes
from fastdefect.data.reading.unlabelled import Candidate, Sources
from fastdefect.data.reading.view_input import without_view
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.explain.checks import remove_place
from fastdefect.explain.maps import laid_on, within
from fastdefect.explain.methods import Method, choose_method
from fastdefect.explain.occlusion import OutputMaps, worst_box
from fastdefect.explain.overlay import to_show
from fastdefect.explain.target import choose_target
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.explaining.explanation import PhotoMap
from fastdefect.jobs.trained.names import Names, Patterns, without_view_text

if TYPE_CHECKING:
    from fastdefect.jobs.trained.request import Request
    from fastdefect.run import Run


@dataclass(frozen=True)
class Explainer:
    """The decisions of ``scorer``, and ``maps`` by ``method``.

    ``maps`` is an ``OutputMaps`` or, with torch, a ``NetworkMaps``. ``names`` finds the view of a
    photo.
    """

    scorer: Scorer
    maps: Any
    method: Method
    names: Names

    def photo_maps(self, sources: Sources, on_event: OnEvent) -> Iterator[PhotoMap]:
        """The heat map of each photo; one that can't be read is a warning.

        The last warning counts photos without a view that the network knows, if it takes one.
        """
        total, views = sources.total or 0, list[str | None]()
        for done, candidate in enumerate(sources, start=1):
            try:
                yield self.photo_map(candidate)
                views.append(self.names.view(candidate))
            except UnreadablePhoto as error:
                text = f"{candidate.name} can't be explained: {error.reason}."
                on_event(Note(text, "warning"))
            on_event(Progress("heat maps", done, max(total, done)))
        known = self.scorer.view_input
        if unknown := without_view(known, views):
            on_event(Note(without_view_text(unknown, len(views), known), "warning"))

    def photo_map(self, photo: Candidate) -> PhotoMap:
        """The decision on ``photo``, and its heat map; raises ``UnreadablePhoto``."""
        scorer, view = self.scorer, self.names.view(photo)
        maps = self._maps_of(view)
        read = decode(read_bytes(photo.path), str(photo.path), scorer.reading)
        taken = scorer.frame.take(read.pixels, (read.width, read.height))
        pixels, shown = taken.pixels, to_show(read.pixels)
        decision = scorer.decide(taken, time.perf_counter(), view=view)
        height, width = read.pixels.shape[:2]
        area = scorer.frame.area(width, height)
        raw = within(maps(pixels[None])[0], area)
        return PhotoMap(
            photo.name,
            photo.label,
            decision.decision,
            decision.probability,
            shown,
            laid_on(raw, width, height, scorer.frame),
            remove_place(pixels, raw, maps.score, area),
            (read.width, read.height),
            worst_box(taken, maps.score, scorer.frame),
            view=view if scorer.view_input else None,
        )

    def _maps_of(self, view: str | None) -> Any:
        """The maps of photos of one view, if the network takes it as an input."""
        if not self.scorer.view_input:
            return self.maps
        if isinstance(self.maps, OutputMaps):
            return replace(self.maps, probabilities=self.scorer.probabilities_of_view(view))
        return self.maps.of_view(view)


def bundle_explainer(
    scorer: Scorer, method: str, class_name: str | None, view_from: str | None = None
) -> Explainer:
    """Explain by the outputs of a bundle alone, without torch.

    ``view_from`` finds the view in a name, instead of the pattern of the model. Raises
    ``UsageError`` if it is no regular expression, and for a method or class that there is not.
    """
    target = choose_target(scorer.judge.classes, scorer.judge.good, class_name)
    chosen = choose_method(method, scorer.name, stages=0, head="other")
    maps = OutputMaps(scorer.probabilities_of_view(None), target, scorer.frame)
    return Explainer(scorer, maps, chosen, Names(Patterns(view=view_from), scorer))


def run_explainer(
    run: "Run",
    request: "Request",
    method: str,
    class_name: str | None,
    view_from: str | None = None,
    *,
    on_event: OnEvent,
) -> Explainer:
    """Explain by the network of a run; otherwise as ``bundle_explainer``."""
    from fastdefect.jobs.trained.heat_maps import open_maps
    from fastdefect.jobs.trained.scorer import run_scorer

    opened = open_maps(run, request, method=method, class_name=class_name)
    scorer = run_scorer(run, request, on_event)
    return Explainer(scorer, opened.maps, opened.method, Names(Patterns(view=view_from), scorer))
