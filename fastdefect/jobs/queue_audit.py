"""Estimate the true rates of a line from the answers of people to random checks."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from fastdefect.errors import DataError, UsageError
from fastdefect.evaluation.statistics.agreement import Agreement, agreement
from fastdefect.evaluation.statistics.line_rates import (
    LineRates,
    Plan,
    Stratum,
    line_rates,
    plan_checks,
)
from fastdefect.events import Note, OnEvent
from fastdefect.files import write_json, written_to
from fastdefect.inference.decision_rule import DECISIONS
from fastdefect.serving.records import AuditRow
from fastdefect.serving.store import Store
from fastdefect.text import counted, exact_percent, percent

MOST_UNANSWERED = 0.05

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Asked:
    """The store, the period (UTC), the rate to plan for, and where to write the values.

    ``target`` is a share of the shipped parts; None is half of the present limit.
    """

    store: Path
    since: datetime | None = None
    until: datetime | None = None
    target: float | None = None
    out: Path | None = None


@dataclass(frozen=True)
class QueueAudited:
    """The rates in total and by the name of the model, and what they rest on.

    ``unused``: answers to passed and rejected parts that were not chosen at random.
    ``contradicted``: parts on which two persons differ; the later answer counts.
    """

    rates: LineRates
    by_model: Mapping[str, LineRates]
    agreement: Agreement | None
    unused: int
    contradicted: int
    plan: Plan | None
    written: tuple[Path, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``, and the content of ``--out``."""
        return {
            **self.rates.as_json(),
            "by_model": {name: rates.as_json() for name, rates in self.by_model.items()},
            "agreement": None if self.agreement is None else self.agreement.as_json(),
            "answers_unused": self.unused,
            "parts_contradicted": self.contradicted,
            "plan": None if self.plan is None else self.plan.as_json(),
        }


def queue_audit(asked: Asked, *, on_event: OnEvent) -> QueueAudited:
    """Read the store, also beside a running server, and estimate the rates of the period.

    Raises ``DataError`` if the period has no inspections, or no answers to the chosen ones.
    """
    check_asked(asked)
    with Store.open(asked.store, read_only=True) as store:
        rows = list(store.audit_rows(asked.since, asked.until))
        names = {key: _name(store, key) for key in sorted({row.model for row in rows})}
    _expect_answers(rows, asked)
    rates = line_rates(_strata(rows))
    audited = QueueAudited(
        rates=rates,
        by_model=_by_model(rows, names),
        agreement=agreement(_pairs(rows)),
        unused=sum(row.answer is not None and not row.chosen for row in rows),
        contradicted=sum(len({said for _, said in row.said}) > 1 for row in rows),
        plan=plan_checks(rates, asked.target),
        written=() if asked.out is None else (asked.out,),
    )
    for text in warnings_of(audited):
        on_event(Note(text, "warning"))
    if asked.out is not None:
        with written_to(asked.out):
            write_json(asked.out, audited.as_json())
    return audited


def check_asked(asked: Asked) -> None:
    """Raise ``UsageError`` for values that can't be used, before anything is read."""
    if asked.out is not None and asked.out.suffix.lower() != ".json":
        raise UsageError(
            f"--out {asked.out}: expected a file that ends in .json.",
            "For example --out audit.json",
        )
    if asked.out is not None and not asked.out.parent.is_dir():
        raise UsageError(f"--out {asked.out}: there is no folder {asked.out.parent}.", "Create it.")
    if asked.since and asked.until and asked.since >= asked.until:
        raise UsageError(
            f"--since {asked.since:%Y-%m-%d %H:%M} is not before "
            f"--until {asked.until:%Y-%m-%d %H:%M}.",
            "The period is from --since up to, but without, --until.",
        )
    if asked.target is not None and not 0 < asked.target < 1:
        raise UsageError(
            f"--target {exact_percent(asked.target)}: expected more than 0% and less than 100%.",
            "It is a share of the shipped parts, for example --target 0.5%",
        )


def warnings_of(audited: QueueAudited) -> list[str]:
    """What a person has to know before using the rates, in words."""
    rates = audited.rates
    found = [*_unchecked(rates), *_unanswered(rates)]
    if audited.unused:
        found.append(
            f"{counted(audited.unused, 'answer')} to parts that were not chosen at random: they "
            "are not used, because such parts are no sample of the others."
        )
    if audited.contradicted:
        found.append(
            f"Persons differ on {counted(audited.contradicted, 'part')}. The last answer counts "
            "as the truth there."
        )
    return found


def _unchecked(rates: LineRates) -> list[str]:
    """The decisions of which no part was checked."""
    effects = {"OK": "the escape rate is", "reject": "the overkill rate is"}
    options = {"OK": "--check-ok", "reject": "--check-reject"}
    return [
        f"None of {counted(counts.parts, 'part')} with the decision {decision} has an answer from "
        f"a random check: {effects[decision]} not known. Answer the queue, or start serve with "
        f"{options[decision]} 0.02 or more."
        for decision in effects
        if (counts := rates.of(decision)).parts and not counts.answered  # type: ignore[arg-type]
    ]


def _unanswered(rates: LineRates) -> list[str]:
    """The decisions of which too many chosen parts have no answer."""
    missing = {
        decision: (counts.chosen - counts.answered, counts.chosen)
        for decision in DECISIONS
        if (counts := rates.of(decision)).answered < (1 - MOST_UNANSWERED) * counts.chosen
    }
    if not missing:
        return []
    shares = "; ".join(f"{name}: {few} of {all_}" for name, (few, all_) in missing.items())
    return [
        f"Chosen parts have no answer ({shares}), more than {percent(MOST_UNANSWERED, 0)}. The "
        "rates assume that these parts are like the answered ones. If instead they are all the "
        f"worst case, the escape rate is at most {percent(rates.escape.worst)}, and at most "
        f"{10_000 * rates.shipped_defects.worst:.3g} of 10,000 shipped parts are defects. "
        "Answer the queue before using the rates."
    ]


def _strata(rows: Iterable[AuditRow]) -> list[Stratum]:
    """The parts by decision and share.

    Which parts are checked does not depend on the model, so that models with one share need no
    strata of their own, and the interval is shorter.
    """
    groups = _grouped(rows, lambda row: (row.decision, row.share))
    strata = []
    for (decision, _), members in groups.items():
        chosen = [row for row in members if row.chosen]
        answers = Counter(row.answer for row in chosen if row.answer is not None)
        strata.append(
            Stratum(decision, len(members), len(chosen), answers.total(), answers["defect"])
        )
    return strata


def _by_model(rows: Sequence[AuditRow], names: Mapping[str, str]) -> dict[str, LineRates]:
    """The rates of each model, in the order of their first parts; empty if there is only one."""
    groups = _grouped(rows, lambda row: row.model)
    if len(groups) == 1:
        return {}
    return {names[model]: line_rates(_strata(members)) for model, members in groups.items()}


def _grouped(rows: Iterable[AuditRow], key: Callable[[AuditRow], K]) -> dict[K, list[AuditRow]]:
    groups: dict[K, list[AuditRow]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _pairs(rows: Iterable[AuditRow]) -> list[tuple[bool, bool]]:
    """The first two persons' answers of each part with two or more."""
    pairs = []
    for row in rows:
        answers = [answer == "defect" for _, answer in row.said]
        if len(answers) > 1:
            pairs.append((answers[0], answers[1]))
    return pairs


def _name(store: Store, identity: str) -> str:
    """The name of a model, with the start of its identity: two bundles may have one name."""
    model = store.model(identity)
    return identity[:8] if model is None else f"{model.name} ({identity[:8]})"


def _expect_answers(rows: Sequence[AuditRow], asked: Asked) -> None:
    if not rows:
        period = " in the period of --since and --until" if asked.since or asked.until else ""
        raise DataError(
            f"{asked.store}: expected inspections, but found none{period}.",
            "Inspect parts with fastdefect serve, or name another period.",
        )
    chosen = sum(row.chosen for row in rows)
    if not any(row.chosen and row.answer is not None for row in rows):
        raise DataError(
            f"{asked.store}: expected answers of people to chosen parts, but found none "
            f"({counted(len(rows), 'part')}, {chosen} of them chosen).",
            "Answer the queue on the page of fastdefect serve."
            if chosen
            else "Start serve with --check-ok 0.02, and answer the queue on its page.",
        )
