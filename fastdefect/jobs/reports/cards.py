"""The photos of a report: which, in which order, and their pictures and heat maps."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Floats32
from fastdefect.data.reading.images import Reading
from fastdefect.errors import FastdefectError
from fastdefect.events import Note, OnEvent
from fastdefect.explain.maps import HeatMap
from fastdefect.good import Good
from fastdefect.inference.decision_rule import DecisionRule, Verdict, defect_score
from fastdefect.jobs.trained.request import Request
from fastdefect.reporting.html.charts import logit
from fastdefect.reporting.html.facts import OUTCOMES, Decided, Pictures
from fastdefect.reporting.html.page import Answer, Card
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.html.thumbnails import overlays, thumbnails
from fastdefect.run import Run

Choice = Literal["all", "errors", "none"]

_LEAST_SURE = 24  # photos that were decided correctly, and are shown all the same


def cards_of(decided: Decided, rule: DecisionRule, kinds: Mapping[str, str]) -> list[Card]:
    """A card for each photo, without a picture. ``kinds`` has the type of defect by photo."""
    raw, good = decided.predictions, decided.raw.good_indices
    unsure = unsureness(raw.y_prob, good, rule)
    outcomes = [
        _outcome(bool(bad), verdict, bool(guess == truth), bool(good))
        for bad, verdict, guess, truth in zip(
            decided.defective, decided.verdicts, decided.y_pred, raw.y_true, strict=True
        )
    ]
    answers = answers_of(decided.verdicts, decided.y_pred, decided.score, raw.classes, bool(good))
    return [
        Card(
            name,
            raw.classes[raw.y_true[row]],
            kinds.get(name) or raw.classes[raw.y_true[row]],
            decided.parts[row],
            decided.split,
            outcomes[row],
            (answers[row],),
            round(float(unsure[row]), 6),
        )
        for row, name in enumerate(raw.names)
    ]


def answers_of(
    verdicts: Sequence[Verdict],
    y_pred: NDArray[np.int64],
    score: Floats,
    classes: Sequence[str],
    has_good: bool,
) -> list[Answer]:
    """The answer of a model on each photo, with the decided class if there are several."""
    return [
        Answer(
            verdict if len(classes) == 2 and has_good else f"{verdict} ({classes[guess]})",
            float(score[row]) if has_good else None,
        )
        for row, (verdict, guess) in enumerate(zip(verdicts, y_pred, strict=True))
    ]


def _outcome(defective: bool, verdict: str, right_class: bool, has_good: bool) -> str:
    """What a decision is, of ``OUTCOMES``."""
    if has_good and verdict == "look":
        return "look"
    if has_good and defective != (verdict == "reject"):
        return "escape" if defective else "overkill"
    return "right" if right_class else "type"


def unsureness(calibrated: Floats, good: Good, rule: DecisionRule) -> Floats:
    """(n,) the distance of each photo from another decision; the least sure is the lowest.

    With a good class in logits from the nearest threshold, else the lead over the second class.
    """
    if not good:
        best = np.sort(calibrated, axis=1)
        return best[:, -1] - best[:, -2]
    ends = [end for end in (rule.threshold, rule.high) if end is not None] or [0.5]
    scores = np.array([logit(value) for value in defect_score(calibrated, good)])
    return np.min([np.abs(scores - logit(end)) for end in ends], axis=0)


def choose(cards: Sequence[Card], choice: Choice, doubted: Sequence[str], most: int) -> Pictures:
    """The cards to show, the most important first, at most ``most``.

    With ``errors`` these are the photos that are not decided correctly, the least sure of the
    held-out ones, and the ``doubted``, whose labels are suspect.
    """
    ordered = sorted(
        cards, key=lambda card: (card.split == "train", OUTCOMES.index(card.outcome), card.unsure)
    )
    if choice != "all":
        held_out = [card for card in ordered if card.split != "train" and card.outcome == "right"]
        near = {card.name for card in sorted(held_out, key=lambda card: card.unsure)[:_LEAST_SURE]}
        near |= set(doubted)
        ordered = [card for card in ordered if card.outcome != "right" or card.name in near]
    counts = Counter[str](card.outcome for card in cards if card.split != "train")
    left_out = max(0, len(ordered) - most)
    return Pictures(tuple(ordered[:most]), left_out=left_out, counts=counts)


def with_pictures(
    pictures: Pictures,
    files: Mapping[str, Path],
    how: Reading,
    maps: Sequence[Mapping[str, Floats32]] = (),
) -> Pictures:
    """The same cards with a thumbnail, and with the heat maps that there are.

    ``files`` are the photos by name. ``maps`` has the heat maps by name for each answer of a card.
    The pictures get the space that the heat maps leave.
    """
    keys = [(number, name) for number, of in enumerate(maps) for name in of]
    drawn = overlays([maps[number][name] for number, name in keys])
    url_of = dict(zip(keys, drawn, strict=True))
    names = [card.name for card in pictures.cards if card.name in files]
    paths = [files[name] for name in names]
    made, size = thumbnails(paths, used=sum(map(len, drawn)), how=how)
    picture_of = {name: made.get(path, "") for name, path in zip(names, paths, strict=True)}
    cards = tuple(
        replace(
            card,
            picture=picture_of.get(card.name, ""),
            answers=tuple(
                replace(answer, heat_map=url_of.get((number, card.name), ""))
                for number, answer in enumerate(card.answers)
            ),
        )
        for card in pictures.cards
    )
    if not any(made.values()):
        return replace(pictures, cards=cards, trouble=say("photos.unreadable"))
    return replace(pictures, cards=cards, side=size.side)


def heat_maps_of(
    run: Run, cards: Sequence[Card], on_event: OnEvent, answer: int = -1
) -> dict[str, Floats32]:
    """The heat maps (h, w) in [0, 1] of the held-out cards by name; a warning if some fail.

    1 is the evidence in a usual rejected photo: a good photo has hardly any. ``answer`` is the
    place of the run's answer on a card.
    """
    from fastdefect.jobs.trained import heat_maps  # with torch, which `--photos none` doesn't need

    found: dict[str, HeatMap] = {}
    try:
        for split in dict.fromkeys(card.split for card in cards if card.split != "train"):
            names = [card.name for card in cards if card.split == split]
            found |= heat_maps.heat_maps(run, Request(split=split), names, on_event)
    except FastdefectError as error:
        on_event(Note(f"Some photos of the report have no heat map. {error.message}", "warning"))
    strong = [
        found[card.name].highest
        for card in cards
        if card.name in found and card.answers[answer].decision.startswith("reject")
    ]
    usual = float(np.median(strong)) if strong else None
    return {
        name: np.clip(each.relative_to(usual).values, 0, 1)
        for name, each in found.items()
        if each.values.size and math.isfinite(each.highest)
    }
