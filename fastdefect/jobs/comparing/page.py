"""Gather what the page of a comparison shows, from the values of the command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fastdefect import __version__
from fastdefect.aliases import Floats32
from fastdefect.data.photos import DEFECT_COLUMN, Entry, Photo
from fastdefect.data.reading.images import Reading
from fastdefect.evaluation.compare import Answers
from fastdefect.evaluation.compared import Pair
from fastdefect.evaluation.defect_types import columns_of, escapes_by_type
from fastdefect.events import OnEvent
from fastdefect.files import typed
from fastdefect.good import Good, is_good
from fastdefect.inference.decision_rule import DecisionRule, Verdict, defect_score
from fastdefect.jobs.comparing.product_series import decisions_of, is_series, runs_of
from fastdefect.jobs.comparing.report import CompareReport
from fastdefect.jobs.comparing.runs import Entrant
from fastdefect.jobs.reports.cards import (
    Choice,
    answers_of,
    heat_maps_of,
    unsureness,
    with_pictures,
)
from fastdefect.jobs.reports.run_record import run_record
from fastdefect.jobs.trained.products import products_for
from fastdefect.jobs.trained.request import Request
from fastdefect.reporting.html.comparison import render_comparison
from fastdefect.reporting.html.comparison_facts import (
    CHANGES,
    MENDED,
    NEW,
    STILL,
    ByType,
    ComparedModel,
    ComparedPair,
    ComparisonFacts,
)
from fastdefect.reporting.html.facts import MOST_LISTED, Pictures
from fastdefect.reporting.html.page import Answer, Card
from fastdefect.reporting.html.texts import say
from fastdefect.run import Run

Photos = Mapping[str, Entry | Photo]


@dataclass(frozen=True)
class ComparePage:
    """The page to make of a comparison: its file, and which photos are listed."""

    path: Path
    photos: Choice = "errors"


def page_of(
    report: CompareReport, request: Request, page: ComparePage, photos: Photos, on_event: OnEvent
) -> str:
    """The HTML of the comparison. ``photos`` are those that were compared, by name, if known.

    Only the heat maps need the networks. Photos of ``--data`` have none.
    """
    return render_comparison(comparison_facts(report, request, page, photos, on_event))


def comparison_facts(
    report: CompareReport, request: Request, page: ComparePage, photos: Photos, on_event: OnEvent
) -> ComparisonFacts:
    """What the page shows; the arguments are those of ``page_of``."""
    joined = report.entrants[0].config.data.one_defect
    pairs = tuple(
        ComparedPair(pair, report.figures_of(pair), _by_type(pair, photos, joined))
        for pair in report.pairs
    )
    return ComparisonFacts(
        split=report.split,
        where=report.where,
        trained=request.include_trained,
        models=tuple(model for entrant in report.entrants for model in _models(entrant)),
        pairs=pairs,
        hashes=_hashes(report, photos),
        others=tuple(report.tables()[-2:]),
        products=tuple(report.figures_of(pair) for pair in report.products),
        pictures=_pictures(report, pairs[0].by_type, page.photos, photos, on_event),
        command=request.command,
        names=" ".join(typed(entrant.run.folder) for entrant in report.entrants),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
    )


def _models(entrant: Entrant) -> list[ComparedModel]:
    """The run, or the run of each product."""
    if not is_series(entrant.run):
        return [ComparedModel(entrant.name, entrant.decision, run_record(entrant.run))]
    rules = decisions_of(entrant.run, "cpu")
    return [
        ComparedModel(f"{entrant.name}, {product}", rules[product], run_record(own))
        for product, own in runs_of(entrant.run).items()
    ]


def _by_type(pair: Pair, photos: Photos, joined: bool) -> ByType:
    good = pair.photos.good_indices
    if not good:
        return {}
    columns = columns_of(
        [dict(photos[name].columns) if name in photos else {} for name in pair.photos.names]
    )
    kinds = DEFECT_COLUMN if joined else None
    before, after = (
        escapes_by_type(
            is_good(answers.y_pred, good), pair.defective, pair.photos.parts, columns, kinds=kinds
        )
        for answers in pair.answers
    )
    return {
        column: {value: (rate, after[column][value]) for value, rate in rates.items()}
        for column, rates in before.items()
    }


def _hashes(report: CompareReport, photos: Photos) -> list[dict[str, str]]:
    """The sha256 of the compared photos, with their names."""
    record = run_record(report.entrants[0].run)
    known = {row["path"]: row["sha256"] for row in record.rows}
    known |= {name: each.sha256 for name, each in photos.items() if isinstance(each, Photo)}
    names = report.pairs[0].photos.every_name
    return [{"path": name, "sha256": known[name]} for name in names if name in known]


# ---- photos ------------------------------------------------------------------------------


def _pictures(
    report: CompareReport, by_type: ByType, choice: Choice, photos: Photos, on_event: OnEvent
) -> Pictures:
    cards = _cards(report, by_type, photos)
    shown = [card for card in cards if choice == "all" or card.outcome != "still_right"]
    shown.sort(key=lambda card: (CHANGES.index(card.outcome), card.unsure))
    outcomes = [card.outcome for card in cards]
    pictures = Pictures(
        tuple(shown[:MOST_LISTED]),
        left_out=max(0, len(shown) - MOST_LISTED),
        counts={name: outcomes.count(name) for name in CHANGES},
    )
    if choice == "none" or not photos:
        trouble = say("photos.none") if choice == "none" else say("compared.no_photos")
        return replace(pictures, trouble=trouble)
    if not pictures.cards:
        return pictures
    maps = [
        _heat_maps(entrant.run, pictures.cards, on_event, number)
        for number, entrant in enumerate(report.entrants)
        if report.split != "data"
    ]
    files = {name: photo.path for name, photo in photos.items()}
    how = Reading.of(report.entrants[0].config.data)
    return with_pictures(pictures, files, how, maps)


def _heat_maps(
    run: Run, cards: Sequence[Card], on_event: OnEvent, answer: int
) -> dict[str, Floats32]:
    """Those of the network that decides on each photo: of the run, or of that of its product."""
    if not is_series(run):
        return heat_maps_of(run, cards, on_event, answer)
    products = products_for(run, [card.name for card in cards])
    found: dict[str, Floats32] = {}
    for product, own in runs_of(run).items():
        its = [card for card, of in zip(cards, products, strict=True) if of == product]
        if its:
            found |= heat_maps_of(own, its, on_event, answer)
    return found


def _cards(report: CompareReport, by_type: ByType, photos: Photos) -> list[Card]:
    """A card for each compared photo, with the answers of all models."""
    shared, column = report.pairs[0].photos, next(iter(by_type), None)
    outcomes = [_outcomes(pair) for pair in report.pairs]
    said = _answers(report)
    unsure = _unsure(report)
    labels = [shared.classes[truth] for truth in shared.y_true]
    return [
        Card(
            name,
            labels[row],
            _kind(photos, name, column) or labels[row],
            shared.parts[row],
            report.split,
            min((of[row] for of in outcomes), key=CHANGES.index),
            tuple(of[row] for of in said),
            round(float(unsure[row]), 6),
        )
        for row, name in enumerate(shared.names)
    ]


def _kind(photos: Photos, name: str, column: str | None) -> str:
    columns = dict(photos[name].columns) if name in photos else {}
    return columns.get(column or "", "")


def _answers(report: CompareReport) -> list[list[Answer]]:
    """The answer of each model on each photo, in the order of the entrants."""
    found = []
    for number, entrant in enumerate(report.entrants):
        pair = report.pairs[max(0, number - 1)]
        answers, good = pair.answers[min(number, 1)], pair.photos.good_indices
        plain = answers_of(
            _verdicts(answers, good, entrant.decision),
            answers.y_pred,
            defect_score(answers.y_prob, good),
            pair.photos.classes,
            bool(good),
        )
        found.append([replace(answer, model=entrant.name) for answer in plain])
    return found


def _verdicts(answers: Answers, good: Good, rule: DecisionRule) -> list[Verdict]:
    """The verdict on each photo that fits its decision, which may be by its product."""
    passed, verdicts = is_good(answers.y_pred, good), rule.verdicts(answers.y_prob, good)
    return [
        "OK" if ok else "look" if verdict == "look" else "reject"
        for ok, verdict in zip(passed, verdicts, strict=True)
    ]


def _unsure(report: CompareReport) -> Sequence[float]:
    """The distance of each photo from another decision of any model."""
    found = []
    for pair, entrant in zip(report.pairs, report.entrants[1:], strict=True):
        rules = (report.entrants[0].decision, entrant.decision)
        for answers, rule in zip(pair.answers, rules, strict=True):
            found.append(unsureness(answers.y_prob, pair.photos.good_indices, rule))
    return [float(value) for value in np.min(found, axis=0)]


def _outcomes(pair: Pair) -> list[str]:
    """What became of each photo, of ``CHANGES``."""
    changed = {
        photo.path: {**NEW, **MENDED}[change.kind]
        for change in pair.comparison.changes
        for photo in change.photos
    }
    good, truth = pair.photos.good_indices, pair.photos.y_true
    after = pair.answers[1].y_pred
    passed = is_good(after, good)
    found = []
    for row, name in enumerate(pair.photos.names):
        same = STILL[2] if after[row] != truth[row] else STILL[3]
        if good and passed[row] == pair.defective[row]:
            same = STILL[0] if passed[row] else STILL[1]
        found.append(changed.get(name, same))
    return found
