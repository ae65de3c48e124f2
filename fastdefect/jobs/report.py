"""``fastdefect report``: one HTML file about a run, for the engineer who signs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastdefect.events import Note, OnEvent, silent
from fastdefect.files import check_output_path, typed, write_text, written_to
from fastdefect.jobs.reports.cards import Choice
from fastdefect.jobs.reports.gather import gather
from fastdefect.jobs.trained.run_photos import settle_root
from fastdefect.reporting.html.facts import MOST_LISTED
from fastdefect.reporting.html.report import render_report
from fastdefect.run import Run
from fastdefect.run_files import REPORT

_MOST_AFTER_FIT = 200  # photos; they are read again, which must be quick


@dataclass(frozen=True)
class ReportFile:
    """The written file: its size, and the photos in it with and without a picture."""

    run: Run
    path: Path
    size: int
    photos: int
    pictures: int
    split: str | None

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``."""
        return {
            "run": str(self.run.folder),
            "report": str(self.path),
            "bytes": self.size,
            "photos": self.photos,
            "pictures": self.pictures,
            "split": self.split,
        }


def report(
    run: Run,
    *,
    on_event: OnEvent,
    out: Path | None = None,
    photos: Choice = "errors",
    data_root: Path | None = None,
    most: int = MOST_LISTED,
    heat_maps: bool = True,
) -> ReportFile:
    """Write the report of ``run`` to ``out``, or to ``report.html`` in the run's folder.

    The report uses the stored predictions, and the network only for ``heat_maps``. It opens no
    sealed test: test figures are in it only if ``evaluate --split test`` was run. ``photos``: every
    photo, the wrong and the least sure, or none. ``most``: the most photos. ``data_root``: the
    folder where the photos are now.

    Raises ``RunError`` if the run has neither a model nor networks of folds, and ``UsageError`` if
    ``out`` can't be written.
    """
    path = run.path(REPORT) if out is None else out
    check_output_path(path, "--out", (".html", ".htm"))
    settle_root(run, data_root, (), on_event)
    facts = gather(run, photos, most, on_event, heat_maps=heat_maps)
    text = render_report(facts)
    with written_to(path):
        write_text(path, text)
    cards = facts.pictures.cards
    return ReportFile(
        run,
        path,
        len(text.encode()),
        len(cards),
        sum(bool(card.picture) for card in cards),
        facts.judged.split if facts.judged else None,
    )


def leave_report(run: Run, on_event: OnEvent) -> Path | None:
    """Write the report of a training that just ended, with few photos.

    A report that can't be made must not spoil a finished training: it is a warning, and the result
    is None.
    """
    if not any(run.path(name).exists() for name in ("model.safetensors", "predictions-oof.csv")):
        return None
    try:
        return report(run, on_event=silent, most=_MOST_AFTER_FIT, heat_maps=False).path
    except Exception as error:  # noqa: BLE001 - see above
        on_event(
            Note(
                f"No report was written: {str(error).rstrip('.')}. To write it: fastdefect report "
                f"{typed(run.folder)}",
                "warning",
            )
        )
        return None
