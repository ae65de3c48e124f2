"""The tables of a search: the effects of the settings, and the best trials."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastdefect.aliases import Interval
from fastdefect.evaluation.tuning.effects import FEWEST, Effect
from fastdefect.evaluation.tuning.halving import Rung, Trial
from fastdefect.metrics import Metrics
from fastdefect.reporting.tables.fit import metric_text, metric_title
from fastdefect.reporting.tables.table_data import TableData

_SHOWN = ("auc", "f1", "accuracy", "escape_rate", "overkill_rate")


def effects_table(effects: Sequence[Effect], n_trials: int) -> TableData:
    """A row for each searched setting, the most important first."""
    rows = tuple(
        (
            effect.field,
            f"{effect.importance:.2f} ({effect.interval[0]:.2f} to {effect.interval[1]:.2f})",
            effect.best or "-",
            str(effect.n) if effect.best else "-",
            _gain(effect),
        )
        for effect in effects
    )
    return TableData(
        f"Effect of the settings on the first rung, {n_trials} trials",
        ("setting", "importance (95 %)", "best value", "trials", "AUC minus the others' (95 %)"),
        rows,
        "Importance: the setting's share of the variation in the scores; with few trials a setting "
        "without effect has some, too. The same trials choose the best value. If the interval "
        "includes 0, they show no difference. If not, the choice itself can be the cause: check "
        "with another --seed. Numbers are in thirds of the tried values. Recipe: its settings "
        "other than the searched ones.",
    )


def too_few_line(n_trials: int) -> str:
    """The reason why there is no table of effects."""
    return (
        f"No table of effects: it needs at least {FEWEST} trials with a score, but there are "
        f"{n_trials}. Use a longer --budget."
    )


def _gain(effect: Effect) -> str:
    if effect.gain is None or effect.gain_interval is None:
        return "-"
    low, high = effect.gain_interval
    return f"{effect.gain:+.4f} ({low:+.4f} to {high:+.4f})"


def ranking_table(
    ranking: Sequence[tuple[Trial, float]], rungs: Sequence[Rung], *, shown: int = 8
) -> TableData:
    """The first trials of the ranking, without the settings that all of them share."""
    first = ranking[:shown]
    names = [
        name
        for name in first[0][0].settings
        if len(first) == 1 or len({trial.settings[name] for trial, _ in first}) > 1
    ]
    rows = []
    for trial, _ in first:
        reached = trial.reached(rungs)
        measured = trial.on(rungs[reached - 1], rungs)
        rows.append(
            (
                f"{trial.number}{f' ({trial.known})' if trial.known else ''}",
                *(value_text(trial.settings[name]) for name in names),
                f"{reached} of {len(rungs)}",
                f"{sum(each.auc for each in measured) / len(measured):.4f}",
                f"{sum(each.log_loss for each in measured) / len(measured):.4f}",
                f"{trial.seconds:.0f}",
            )
        )
    whole = "trial" if len(ranking) == 1 else f"{len(ranking)} trials"
    return TableData(
        f"The {whole}" if len(first) == len(ranking) else f"The first {len(first)} of {whole}",
        ("trial", *names, "rung", "AUC", "log loss", "s"),
        tuple(rows),
        "Sorted by the furthest rung, then by the AUC on held-out photos of train; ties by the "
        "lower log loss. The choice used these photos: the AUC of the first row is too optimistic.",
    )


def value_text(value: Any) -> str:
    """A setting's value; numbers have three significant digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def search_line(winner: Trial, rungs: Sequence[Rung], n_trials: int) -> str:
    """The result of the search for its winner, and why it is too optimistic."""
    reached = winner.reached(rungs)
    measured = winner.on(rungs[reached - 1], rungs)
    auc = sum(each.auc for each in measured) / len(measured)
    known = f", {winner.known}" if winner.known else ""
    folds = "a fold" if len(measured) == 1 else f"{len(measured)} folds"
    return (
        f"In the search: AUC {auc:.4f} on {folds} of train, trial {winner.number}{known}. It is "
        f"the best of {n_trials} on the photos that chose it, and so too optimistic."
    )


def unseen_line(
    metrics: Metrics, intervals: Mapping[str, Interval | None], n_parts: int, n_leaked: int
) -> str:
    """The winner's metrics on valid; ``n_leaked`` of its parts are also in train."""
    values = []
    for name in _SHOWN:
        value = getattr(metrics, name)
        if value != value:  # without a good class there are no escapes
            continue
        ends = intervals.get(name)
        between = f" ({' to '.join(metric_text(name, end) for end in ends)})" if ends else ""
        values.append(f"{metric_title(name)} {metric_text(name, value)}{between}")
    where = f"on the {metrics.n} photos of {n_parts} parts of valid, with 95 % intervals over parts"
    if n_leaked:
        return (
            f"Also too optimistic, {where}: {', '.join(values)}. In the given split {n_leaked} of "
            "these parts are also in train; --unleak separates them."
        )
    return (
        f"The unbiased result, {where}: {', '.join(values)}. The search did not use photos of "
        "these parts."
    )
