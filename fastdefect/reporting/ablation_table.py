"""The table of an ablation: what each step gained, beside what was claimed for it."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from fastdefect.evaluation.ablation import TOGETHER, Gain, Step, gain_of
from fastdefect.reporting.table_data import TableData

Figures = Mapping[str, Mapping[int, Mapping[str, float]]]


def ablation_table(
    steps: Sequence[Step], figures: Figures, gains: Mapping[str, Mapping[str, Gain]], *, title: str
) -> TableData:
    """A row for each step that has a figure: its means over seeds, and its gains."""
    titles = {step.name: step.title for step in steps}
    rows = [
        _row(step, figures[step.name], gains.get(step.name, {}), titles)
        for step in steps
        if step.name in figures
    ]
    for start, end, name, claim in TOGETHER:
        if start in figures and end in figures:
            rows.append(_together(name, claim, figures[start], figures[end], titles[start]))
    header = (
        *("step", "against", "F1", "accuracy", "gap", "F1 gained (95 %)", "accuracy gained (95 %)"),
        *("claimed", "evidence", "s"),
    )
    note = (
        "Means over seeds; a gain is the mean difference of runs of one seed, with Student's "
        "interval over seeds. 'Spans zero': these seeds show no difference. The evidence is for "
        "accuracy, of which the claims speak (for the gap, where they speak of that). Many rows "
        "are judged at once: of twenty that change nothing, one is expected to look as if it did."
    )
    return TableData(title, header, tuple(rows), note)


def _row(
    step: Step,
    by_seed: Mapping[int, Mapping[str, float]],
    gained: Mapping[str, Gain],
    titles: Mapping[str, str],
) -> tuple[str, ...]:
    against = titles[step.against] if step.against else "-"
    judged = gained.get("gap" if step.claim.startswith("gap") else "accuracy")
    return (
        f"  {step.title}" if step.aside else step.title,
        against,
        f"{_mean(by_seed, 'f1'):.4f}",
        f"{_mean(by_seed, 'accuracy'):.2%}",
        f"{100 * _mean(by_seed, 'gap'):+.1f} pts",
        gain_text(gained.get("f1"), points=False),
        gain_text(gained.get("accuracy"), points=True),
        step.claim or "-",
        _evidence(judged, step.claim),
        "-" if step.views != "none" else f"{_mean(by_seed, 'seconds'):.0f}",
    )


def _together(
    name: str,
    claim: str,
    before: Mapping[int, Mapping[str, float]],
    after: Mapping[int, Mapping[str, float]],
    against: str,
) -> tuple[str, ...]:
    accuracy = gain_of("accuracy", after, before)
    return (
        *(name, against, "", "", ""),
        gain_text(gain_of("f1", after, before), points=False),
        gain_text(accuracy, points=True),
        *(claim, _evidence(accuracy, claim), ""),
    )


def _mean(by_seed: Mapping[int, Mapping[str, float]], figure: str) -> float:
    return fmean(of[figure] for of in by_seed.values())


def gain_text(gain: Gain | None, *, points: bool) -> str:
    """``+1.2 (-0.4 to +2.8) pts``, or F1 with four digits; - where there is none."""
    if gain is None or not math.isfinite(gain.mean):
        return "-"
    scale, digits, unit = (100, 1, " pts") if points else (1, 4, "")
    text = f"{scale * gain.mean:+.{digits}f}"
    if gain.interval is not None:
        low, high = gain.interval
        text += f" ({scale * low:+.{digits}f} to {scale * high:+.{digits}f})"
    return text + unit


def _evidence(gain: Gain | None, claim: str) -> str:
    if gain is None:
        return "-"
    if claim.startswith("gap"):
        return {"less": "less gap", "more": "more gap"}.get(gain.verdict, gain.verdict)
    return {"more": "better", "less": "worse"}.get(gain.verdict, gain.verdict)
