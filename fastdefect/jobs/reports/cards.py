"""The photos of a report: which, in which order, and their pictures and heat maps."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from fastdefect.aliases import Floats, Floats32
from fastdefect.data.photos import Entry
from fastdefect.data.reading.images import Reading
from fastdefect.errors import FastdefectError
from fastdefect.events import Note, OnEvent
from fastdefect.explain.maps import HeatMap
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.jobs.trained.request import Request
from fastdefect.reporting.html.charts import logit
from fastdefect.reporting.html.facts import Decided, Pictures
from fastdefect.reporting.html.page import Card, Outcome
from fastdefect.reporting.html.thumbnails import overlay, thumbnails
from fastdefect.run import Run

Choice = Literal["all", "errors", "none"]

_LEAST_SURE = 24  # photos that were decided correctly, and are shown all the same
_ORDER: tuple[Outcome, ...] = ("escape", "overkill", "type", "look", "right")


def cards_of(decided: Decided, rule: DecisionRule, kinds: Mapping[str, str]) -> list[Card]:
    """A card for each photo, without a picture. ``kinds`` has the type of defect by photo."""
    raw, good = decided.predictions, decided.raw.good_indices
    unsure = _unsureness(decided, rule)
    score = decided.score if good else None
    return [
        Card(
            name,
            raw.classes[truth],
            kinds.get(name) or raw.classes[truth],
            part,
            decided.split,
            verdict if len(raw.classes) == 2 and good else f"{verdict} ({raw.classes[guess]})",
            _outcome(bool(bad), verdict, bool(guess == truth), bool(good)),
            None if score is None else float(score[row]),
            round(float(unsure[row]), 6),
        )
        for row, (name, truth, part, verdict, guess, bad) in enumerate(
            zip(
                raw.names,
                raw.y_true,
                decided.parts,
                decided.verdicts,
                decided.y_pred,
                decided.defective,
                strict=True,
            )
        )
    ]


def _outcome(defective: bool, verdict: str, right_class: bool, has_good: bool) -> Outcome:
    if has_good and verdict == "look":
        return "look"
    if has_good and defective != (verdict == "reject"):
        return "escape" if defective else "overkill"
    return "right" if right_class else "type"


def _unsureness(decided: Decided, rule: DecisionRule) -> Floats:
    """(n,) the distance of each photo from another decision; the least sure is the lowest.

    With a good class in logits from the nearest threshold, else the lead over the second class.
    """
    if not decided.raw.good_indices:
        best = np.sort(decided.predictions.y_prob, axis=1)
        return best[:, -1] - best[:, -2]
    ends = [end for end in (rule.threshold, rule.high) if end is not None] or [0.5]
    scores = np.array([logit(value) for value in decided.score])
    return np.min([np.abs(scores - logit(end)) for end in ends], axis=0)


def choose(cards: Sequence[Card], choice: Choice, doubted: Sequence[str], most: int) -> Pictures:
    """The cards to show, the most important first, at most ``most``.

    With ``errors`` these are the photos that are not decided correctly, the least sure of the
    held-out ones, and the ``doubted``, whose labels are suspect.
    """
    ordered = sorted(
        cards, key=lambda card: (card.split == "train", _ORDER.index(card.outcome), card.unsure)
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
    run: Run,
    entries: Mapping[str, Entry],
    on_event: OnEvent,
    *,
    heat_maps: bool,
) -> Pictures:
    """The same cards with a thumbnail and, with ``heat_maps``, a heat map if it can be made."""
    names = [card.name for card in pictures.cards if card.name in entries]
    paths = [entries[name].path for name in names]
    made, size = thumbnails(paths, how=Reading.of(run.read_config().data))
    picture_of = {name: made.get(path, "") for name, path in zip(names, paths, strict=True)}
    maps = _heat_maps(run, pictures.cards, on_event) if heat_maps else {}
    cards = tuple(
        replace(
            card,
            picture=picture_of.get(card.name, ""),
            heat_map=overlay(maps[card.name]) if card.name in maps else "",
        )
        for card in pictures.cards
    )
    return replace(pictures, cards=cards, side=size.side if any(made.values()) else 0)


def _heat_maps(run: Run, cards: Sequence[Card], on_event: OnEvent) -> dict[str, Floats32]:
    """The heat maps (h, w) in [0, 1] of the held-out cards by name; a warning if some fail.

    1 is the evidence in a usual rejected photo: a good photo has hardly any.
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
        if card.name in found and card.decision.startswith("reject")
    ]
    usual = float(np.median(strong)) if strong else None
    return {
        name: np.clip(each.relative_to(usual).values, 0, 1)
        for name, each in found.items()
        if each.values.size and math.isfinite(each.highest)
    }
