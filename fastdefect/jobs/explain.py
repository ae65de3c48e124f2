"""``fastdefect explain``: where the model looks, as pictures, with checks of these pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastdefect.data.reading.unlabelled import Sources
from fastdefect.errors import DataError
from fastdefect.events import OnEvent
from fastdefect.explain.checks import MapChecks
from fastdefect.explain.methods import AUTO, Method
from fastdefect.files import write_json, written_to
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.explaining.explainer import Explainer, bundle_explainer, run_explainer
from fastdefect.jobs.explaining.explanation import PhotoMap, write_pictures
from fastdefect.reporting.tables.explain import explain_tables
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.reporting.tables.tabled import Tabled

if TYPE_CHECKING:
    from fastdefect.explain.attention import Attention
    from fastdefect.jobs.trained.request import Request
    from fastdefect.run import Run

_OUT, _FIGURES = "heat-maps", "explain.json"


@dataclass(frozen=True)
class Asked:
    """What ``explain`` shows: ``method`` and ``class_name`` of the maps, and where it writes.

    ``each``: photos of each group that is not a mistake. ``view_from`` finds the view in the name
    of a photo, for photos that are named; None for the pattern of the model.
    """

    method: str = AUTO
    class_name: str | None = None
    out: Path | None = None
    each: int = 10
    view_from: str | None = None


@dataclass(frozen=True)
class Explanation(Tabled):
    """The result of ``explain``: ``photos`` by group; a photo can be in several.

    ``checks`` and ``attention`` are None for photos without labels. ``pictures`` are the files of
    single photos, ``sheets`` the contact sheets, of which photos without labels have none, and
    ``figures`` is ``explain.json``.
    """

    model: str
    method: Method
    target: str
    groups: tuple[tuple[str, tuple[PhotoMap, ...]], ...]
    checks: MapChecks | None
    attention: "Attention | None"
    figures: Path
    sheets: tuple[Path, ...]
    pictures: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that were written."""
        return (self.figures, *self.sheets, *self.pictures)

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``, and the content of ``explain.json``."""
        return {
            "model": self.model,
            "method": self.method.name,
            "source": self.method.source,
            "target": self.target,
            "checks": self.checks.as_json() if self.checks else None,
            "attention": self.attention.as_json() if self.attention else None,
            "groups": {
                title: [photo.as_json() for photo in photos] for title, photos in self.groups
            },
            "files": [str(file) for file in self.files],
        }

    def tables(self) -> list[TableData]:
        """The photos by group, and the checks."""
        groups = [(title, [p.as_json() for p in photos]) for title, photos in self.groups]
        return explain_tables(
            groups, self.checks, self.attention, method=self.method.title, target=self.target
        )


def warning_of(checks: MapChecks | None) -> str:
    """The words on every map of a method that does not pass; empty if it passes."""
    failures = checks.failures if checks else ()
    return f"these maps do not pass their checks: {'; '.join(failures)}" if failures else ""


def explain_run(run: "Run", request: "Request", asked: Asked, *, on_event: OnEvent) -> Explanation:
    """Explain photos of the run's split; write pictures, contact sheets and figures.

    Raises as ``explain_split``.
    """
    from fastdefect.jobs.explaining.of_run import explain_split
    from fastdefect.reporting.sheets.explain import draw_explained

    found = explain_split(
        run,
        request,
        method=asked.method,
        class_name=asked.class_name,
        each=asked.each,
        on_event=on_event,
    )
    method, target, out = (
        found.maps.method,
        found.maps.target.name,
        asked.out or run.folder / f"explain-{request.split}",
    )
    warning = warning_of(found.checks)
    shown = list({p.name: p for _, photos in found.groups for p in photos}.values())
    title = f"{run.name}, {request.split}: evidence for {target}, {method.title}"
    tiles = [(name, [_tile(p) for p in photos]) for name, photos in found.groups]
    with written_to(out, folder=True):
        pictures = write_pictures(out / "photos", shown, method, target, warning)
        sheets = draw_explained(out, tiles, title=title, warning=warning)
        explanation = Explanation(
            run.name,
            method,
            target,
            found.groups,
            found.checks,
            found.attention,
            out / _FIGURES,
            tuple(sheets),
            tuple(pictures.values()),
        )
        write_json(explanation.figures, explanation.as_json())
    return explanation


def _tile(photo: PhotoMap) -> tuple[Any, str, str, str, bool]:
    truth = f"{photo.label} → " if photo.label else ""
    return (
        photo.overlay(),
        f"{truth}{photo.decided}, P(defect) {photo.probability:.2f}",
        photo.where,
        photo.name.rpartition("/")[2],
        photo.confirmed,
    )


def explain_bundle(
    scorer: Scorer, sources: Sources, asked: Asked, *, on_event: OnEvent
) -> Explanation:
    """Explain photos by the outputs of a bundle alone, without labels and without torch."""
    explainer = bundle_explainer(scorer, asked.method, asked.class_name, asked.view_from)
    return explain_photos(explainer, sources, asked, on_event=on_event)


def explain_photos_of_run(
    run: "Run", request: "Request", sources: Sources, asked: Asked, *, on_event: OnEvent
) -> Explanation:
    """Explain photos without labels by the model of a run."""
    explainer = run_explainer(
        run, request, asked.method, asked.class_name, asked.view_from, on_event=on_event
    )
    labelled = sources.labelled(explainer.scorer.judge.classes)
    return explain_photos(explainer, labelled, asked, on_event=on_event)


def explain_photos(
    explainer: Explainer, sources: Sources, asked: Asked, *, on_event: OnEvent
) -> Explanation:
    """Explain photos without labels, and write their pictures and ``explain.json``."""
    out, target = asked.out or Path(_OUT), explainer.maps.target.name
    photos = tuple(explainer.photo_maps(sources, on_event))
    if not photos:
        raise DataError(
            "Expected photos, but could read none.", "Name other files, folders or patterns."
        )
    with written_to(out, folder=True):
        pictures = write_pictures(out, photos, explainer.method, target, "")
        explanation = Explanation(
            explainer.scorer.name,
            explainer.method,
            target,
            (("Photos", photos),),
            None,
            None,
            out / _FIGURES,
            (),
            tuple(pictures.values()),
        )
        write_json(explanation.figures, explanation.as_json())
    return explanation
