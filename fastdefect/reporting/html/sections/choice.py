"""The sliders of the operating point, and the photos that were decided wrongly or hardly."""

from typing import Any

from markupsafe import Markup

from fastdefect.evaluation.decisions.operating_point import NONE_REJECTED
from fastdefect.reporting.html.charts import Colour, strip_chart
from fastdefect.reporting.html.facts import MOST_LISTED, OUTCOMES, Measured, Pictures, RunFacts
from fastdefect.reporting.html.page import Block, Decide, Gallery, Missing, Words
from fastdefect.reporting.html.sections.judgement import evaluate_first
from fastdefect.reporting.html.texts import say
from fastdefect.text import counted


def decide(facts: RunFacts) -> tuple[Block, ...]:
    """The effect of any threshold and review band on the measured photos."""
    if not facts.measured or facts.rule is None:
        return (evaluate_first(facts),)
    if not facts.good:
        return (Words(say("decide.no_good")),)
    strips = tuple((each.split, _strip(each)) for each in facts.measured)
    by_part = facts.rule.unit == "part"
    return (
        Words(say("decide.intro")),
        *([Words(say("decide.by_part"), "note")] if by_part else []),
        Words(f"{_kept(facts)} {say('decide.optimistic')}", "note"),
        Decide(strips),
    )


def script_data(facts: RunFacts) -> dict[str, Any]:
    """The scores and decisions for the sliders.

    ``kept`` is the threshold of the run; None where the most probable class decides.
    """
    rule, costs = facts.rule, facts.costs
    load = facts.point.get("load") or {}
    rate = costs.defect_rate if costs else load.get("defect_rate")
    return {
        "splits": {each.split: _scores(each) for each in facts.measured} if facts.good else {},
        "kept": {
            "low": rule.threshold if rule else None,
            "high": rule.high if rule and rule.has_band else None,
        },
        "none_rejected": NONE_REJECTED,
        "costs": {
            "escape": f"{costs.escape:g}" if costs else "",
            "overkill": f"{costs.overkill:g}" if costs else "",
            "defect_percent": "" if rate is None else f"{100 * rate:.6g}",
            "parts_per_day": str(load.get("parts_per_day", "")),
        },
    }


def _scores(measured: Measured) -> dict[str, list[Any]]:
    decided = measured.of_units
    number = {part: n for n, part in enumerate(dict.fromkeys(decided.parts))}
    return {
        "score": decided.score.tolist(),
        "defective": decided.defective.tolist(),
        "part": [number[part] for part in decided.parts],
        "verdict": list(decided.verdicts),
    }


def _strip(measured: Measured) -> Markup:
    score, defective = measured.of_units.score, measured.of_units.defective
    text = say(
        "decide.strip_text",
        split=say(f"splits.{measured.split}"),
        n_bad=int(defective.sum()),
        n_good=int((~defective).sum()),
    )
    bands: tuple[tuple[str, Colour, list[float]], ...] = (
        (say("decide.defective"), "vermilion", score[defective].tolist()),
        (say("decide.good"), "blue", score[~defective].tolist()),
    )
    return strip_chart(bands, label=say("decide.strip_label"), description=text)


def _kept(facts: RunFacts) -> str:
    rule = facts.rule
    if rule is None or rule.threshold is None:
        return say("verdict.no_point")
    high = say("decide.kept_high", high=f"{rule.high:.6g}") if rule.has_band else ""
    said = rule.rule
    if source := facts.point.get("chosen_on"):
        said += f", {say('decide.chosen_on', source=source)}"
    return say("decide.kept", rule=said, low=f"{rule.threshold:.6g}", high=high)


def photos(facts: RunFacts) -> tuple[Block, ...]:
    """The escapes, the overkills and the least sure photos."""
    if not facts.measured:
        return (evaluate_first(facts),)
    pictures = facts.pictures
    cards = pictures.cards
    if not cards:
        return (Words(pictures.trouble or say("photos.nothing")),)
    held_out = [card.outcome for card in cards if card.split != "train"]
    count = say(
        "photos.count",
        escapes=counted(pictures.counts.get("escape", 0), "escape"),
        overkills=counted(pictures.counts.get("overkill", 0), "overkill"),
        looks=counted(pictures.counts.get("look", 0), "photo"),
        shown=counted(len(cards), "photo"),
    )
    notes: list[Block] = [Words(count)]
    if facts.rule is not None and facts.rule.unit == "part":
        notes.append(Words(say("photos.by_part"), "note"))
    if len(held_out) < len(cards):
        notes.append(Words(say("photos.train"), "note"))
    size = facts.model["preprocessing"]["image_size"]
    notes += picture_notes(pictures, size, f"fastdefect report {facts.command}")
    return (*notes, Gallery(cards, OUTCOMES, ("escape", "overkill"), say("photos.wrong")))


def picture_notes(pictures: Pictures, model_side: object, command: str) -> list[Block]:
    """The notes about the pictures: their size, or why some are missing or not listed.

    ``model_side`` is the side of the network's input, and ``command`` lists more photos.
    """
    cards, notes = pictures.cards, list[Block]()
    if pictures.side:
        notes.append(Words(say("photos.kept", side=pictures.side, size=model_side), "note"))
        if without := sum(not card.picture for card in cards):
            n = counted(without, "photo")
            notes.append(Words(say("photos.some_missing", n=n), "note"))
    elif pictures.trouble:
        notes.append(Words(pictures.trouble, "note"))
    if pictures.left_out:
        values = {"n": f"{len(cards):,}", "all": f"{len(cards) + pictures.left_out:,}"}
        if len(cards) < MOST_LISTED:
            notes.append(Missing(say("photos.capped", **values), command))
        else:
            notes.append(Words(say("photos.full", **values), "note"))
    return notes
