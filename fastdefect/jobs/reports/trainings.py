"""The trainings of a run with several networks: their epochs, and their figures side by side."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fastdefect.evaluation.predictions import Predictions, read_predictions
from fastdefect.evaluation.statistics.intervals import spread_over_folds
from fastdefect.metrics import HEADLINE, Metrics
from fastdefect.reporting.html.facts import Making, Trained
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.fit import metric_text, metric_title
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.run import Run
from fastdefect.training.learner import ModelSpec


def trainings_of(run: Run) -> tuple[Trained, ...]:
    """The trainings that were started inside the run."""
    return tuple(
        Trained(
            each.name,
            each.read_config().training.seed,
            str((state := each.read_state()).get("status", "?")),
            state.get("best_epoch"),
            each.read_history(),
        )
        for each in run.members()
    )


def compared(
    run: Run, making: Making, spec: ModelSpec, rows: Sequence[Mapping[str, str]]
) -> TableData | None:
    """The figures of each training on held-out photos, as ``fit`` measures them.

    Networks of folds are measured on their own fold, by the most probable class; others on the same
    validation photos.
    """
    path = run.predictions_path("oof" if making == "folds" else "valid")
    if making == "one" or not path.exists():
        return None
    if making == "members":
        return _members(run)
    return _folds(read_predictions(path, spec.classes, spec.good), rows)


def _members(run: Run) -> TableData | None:
    figures = {
        each.name: each.read("metrics.json")["valid"]
        for each in run.members()
        if "valid" in each.read("metrics.json")
    }
    figures[say("series.model")] = run.read("metrics.json").get("valid", {})
    rows = tuple(
        (name, *(metric_text(metric, of.get(metric)) for metric in HEADLINE))
        for name, of in figures.items()
    )
    titles = tuple(metric_title(name) for name in HEADLINE)
    return TableData(say("series.members"), (say("series.training"), *titles), rows)


def _folds(raw: Predictions, rows: Sequence[Mapping[str, str]]) -> TableData:
    of_name = {row["path"]: row for row in rows}
    members: dict[int, list[int]] = defaultdict(list)
    for i, name in enumerate(raw.names):
        members[int(of_name[name]["fold"])].append(i)
    measured: dict[int, Metrics] = {}
    lines = []
    for fold in sorted(members):
        at = members[fold]
        own = replace(
            raw, names=tuple(raw.names[i] for i in at), y_true=raw.y_true[at], y_prob=raw.y_prob[at]
        )
        measured[fold] = own.metrics()
        parts = len({of_name[name]["part"] for name in own.names})
        texts = (metric_text(name, getattr(measured[fold], name)) for name in HEADLINE)
        lines.append((say("series.fold", fold=fold), f"{len(at):,} ({parts:,})", *texts))
    spread = spread_over_folds(list(measured.values()))
    for title, of in ((say("series.mean"), "mean"), (say("series.sd"), "sd")):
        texts = (metric_text(name, getattr(spread[name], of)) for name in HEADLINE)
        lines.append((title, "-", *texts))
    n_parts = len({of_name[name]["part"] for name in raw.names})
    whole = raw.metrics()
    texts = (metric_text(name, getattr(whole, name)) for name in HEADLINE)
    lines.append((say("series.together"), f"{len(raw.names):,} ({n_parts:,})", *texts))
    titles = tuple(metric_title(name) for name in HEADLINE)
    columns = (say("series.held_out"), say("series.photos"), *titles)
    return TableData(say("series.folds"), columns, tuple(lines), say("series.folds_note"))
