"""A model that is ready to explain photos without labels: a bundle, or a run."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastdefect.data.reading.images import UnreadablePhoto, decode, read_bytes
from fastdefect.data.reading.unlabelled import Sources
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.explain.checks import remove_place
from fastdefect.explain.maps import laid_on, within
from fastdefect.explain.methods import Method, choose_method
from fastdefect.explain.occlusion import OutputMaps, worst_box
from fastdefect.explain.overlay import to_show
from fastdefect.explain.target import choose_target
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.explaining.explanation import PhotoMap

if TYPE_CHECKING:
    from fastdefect.jobs.trained.request import Request
    from fastdefect.run import Run


@dataclass(frozen=True)
class Explainer:
    """The decisions of ``scorer``, and ``maps`` by ``method``.

    ``maps`` is an ``OutputMaps`` or, with torch, a ``NetworkMaps``.
    """

    scorer: Scorer
    maps: Any
    method: Method

    def photo_maps(self, sources: Sources, on_event: OnEvent) -> Iterator[PhotoMap]:
        """The heat map of each photo; one that can't be read is a warning."""
        total = sources.total or 0
        for done, candidate in enumerate(sources, start=1):
            try:
                yield self.photo_map(candidate.path, candidate.name, candidate.label)
            except UnreadablePhoto as error:
                text = f"{candidate.name} can't be explained: {error.reason}."
                on_event(Note(text, "warning"))
            on_event(Progress("heat maps", done, max(total, done)))

    def photo_map(self, path: Path, name: str, label: str | None = None) -> PhotoMap:
        """The decision on the photo at ``path``, and its heat map; raises ``UnreadablePhoto``."""
        scorer = self.scorer
        read = decode(read_bytes(path), str(path), scorer.reading)
        taken = scorer.frame.take(read.pixels, (read.width, read.height))
        pixels, shown = taken.pixels, to_show(read.pixels)
        decision = scorer.decide(taken, time.perf_counter())
        height, width = read.pixels.shape[:2]
        area = scorer.frame.area(width, height)
        raw = within(self.maps(pixels[None])[0], area)
        return PhotoMap(
            name,
            label,
            decision.decision,
            decision.probability,
            shown,
            laid_on(raw, width, height, scorer.frame),
            remove_place(pixels, raw, self.maps.score, area),
            (read.width, read.height),
            worst_box(taken, self.maps.score, scorer.frame),
        )


def bundle_explainer(scorer: Scorer, method: str, class_name: str | None) -> Explainer:
    """Explain by the outputs of a bundle alone, without torch."""
    target = choose_target(scorer.judge.classes, scorer.judge.good, class_name)
    chosen = choose_method(method, scorer.name, stages=0, head="other")
    maps = OutputMaps(lambda pixels: scorer.network(pixels)[0], target, scorer.frame)
    return Explainer(scorer, maps, chosen)


def run_explainer(
    run: "Run", request: "Request", method: str, class_name: str | None, *, on_event: OnEvent
) -> Explainer:
    """Explain by the network of a run."""
    from fastdefect.jobs.trained.heat_maps import open_maps
    from fastdefect.jobs.trained.scorer import run_scorer

    opened = open_maps(run, request, method=method, class_name=class_name)
    return Explainer(run_scorer(run, request, on_event), opened.maps, opened.method)
