"""The table of an ablation: the gain of each step beside the claimed gain."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from fastdefect.evaluation.ablation import Gain, Span, Step, gain_of, spans
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import number_text, percent

Figures = Mapping[str, Mapping[int, Mapping[str, float]]]

_COLUMNS = (
    *("step", "F1 and gain (95 %)", "accuracy and gain (95 %)", "gap"),
    *("claimed", "evidence", "seeds", "s"),
)


def ablation_table(
    steps: Sequence[Step], figures: Figures, gains: Mapping[str, Mapping[str, Gain]], *, title: str
) -> TableData:
    """A row for each step with metrics: its means over seeds, and its gains below them.

    Alternatives that later steps do not build on are in brackets, as in the plot.
    """
    shown = [step for step in steps if step.name in figures]
    rows = [_row(step, figures[step.name], gains.get(step.name, {})) for step in shown]
    for span in spans(steps):
        if span.start in figures and span.end in figures:
            rows.append(_together(span, figures[span.start], figures[span.end]))
    evidence = " ".join(row[5] for row in rows)
    note = f"{_compared(steps)} {_note(evidence)}{_constant_note(shown, figures)}"
    return TableData(title, _COLUMNS, tuple(rows), note)


def _compared(steps: Sequence[Step]) -> str:
    first = steps[0]
    if any(step.against not in (None, first.name) for step in steps):
        return "Each step is compared with the last step above it that is not in brackets."
    return f"Each step is compared with {first.title}."


def _note(evidence: str) -> str:
    """How to read the table; ``evidence`` is the text of its evidence column."""
    note = (
        "Values are means over seeds. A gain is the mean difference of runs with the same seed, "
        "with Student's interval over seeds. "
    )
    if "spans zero" in evidence:
        note += "'Spans zero': these seeds show no difference. "
    if "no interval" in evidence:
        note += "'No interval': all seeds agree, so Student's interval is not defined. "
    return note + (
        "The evidence is for accuracy, as the claims are (or for the gap, if the claim is for the "
        "gap). With many rows, about one in twenty without a real effect appears to have one."
    )


def _constant_note(steps: Sequence[Step], figures: Figures) -> str:
    """The steps with a constant prediction, as a sentence."""
    constant = [s.title for s in steps if any(of.get("blind") for of in figures[s.name].values())]
    if not constant:
        return ""
    return (
        " With at least one seed these predict the same class for every photo, so their F1 does "
        f"not show whether they separate the classes: {', '.join(constant)}."
    )


def _row(
    step: Step,
    by_seed: Mapping[int, Mapping[str, float]],
    gained: Mapping[str, Gain],
) -> tuple[str, ...]:
    judged = gained.get("gap" if step.claim.startswith("gap") else "accuracy")
    means = {name: fmean(of[name] for of in by_seed.values()) for name in ("f1", "accuracy", "gap")}
    return (
        f"({step.title})" if step.aside else step.title,
        _over(f"{means['f1']:.4f}", gain_text(gained.get("f1"), points=False)),
        _over(percent(means["accuracy"], 2), gain_text(gained.get("accuracy"), points=True)),
        number_text(100 * means["gap"], "{:+.1f} pts"),
        step.claim or "-",
        _evidence(judged, step.claim),
        str(len(by_seed)),
        "-" if step.views != "none" else f"{fmean(of['seconds'] for of in by_seed.values()):.0f}",
    )


def _together(
    span: Span, before: Mapping[int, Mapping[str, float]], after: Mapping[int, Mapping[str, float]]
) -> tuple[str, ...]:
    accuracy = gain_of("accuracy", after, before)
    return (
        span.title,
        gain_text(gain_of("f1", after, before), points=False),
        gain_text(accuracy, points=True),
        "-",
        span.claim,
        _evidence(accuracy, span.claim),
        str(len(accuracy.by_seed)),
        "-",
    )


def _over(value: str, gained: str) -> str:
    return value if gained == "-" else f"{value}\n{gained}"


def gain_text(gain: Gain | None, *, points: bool) -> str:
    """``+1.2 (-0.4 to +2.8) pts``, or F1 with three digits; - if there is none."""
    if gain is None or not math.isfinite(gain.mean):
        return "-"
    scale, digits, unit = (100, 1, " pts") if points else (1, 3, "")
    text = f"{scale * gain.mean:+.{digits}f}"
    if gain.interval is not None:
        low, high = gain.interval
        text += f" ({scale * low:+.{digits}f} to {scale * high:+.{digits}f})"
    return text + unit


def _evidence(gain: Gain | None, claim: str) -> str:
    if gain is None:
        return "-"
    verdict: str = gain.verdict
    if claim.startswith("gap"):
        found = {"less": "less gap", "more": "more gap"}.get(verdict, verdict)
        return f"{found}\n{gain_text(gain, points=True)}"
    return {"more": "better", "less": "worse"}.get(verdict, verdict)
