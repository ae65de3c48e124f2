"""The tables of a search: what mattered, and the trials that got furthest."""

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
        f"What mattered on the first rung, {n_trials} trials",
        ("setting", "importance (95 %)", "best value", "trials", "its AUC less the others' (95 %)"),
        rows,
        "Importance: the setting's share in what tells the scores apart; with few trials a setting "
        "that does nothing has some, too. The best value is chosen among several by these same "
        "trials: where the interval holds 0 they show no difference, and where it does not, that "
        "may be the choice's doing; another --seed tells. Numbers are in thirds of those tried. "
        "Recipe: what it sets beside the settings that are searched.",
    )


def too_few_line(n_trials: int) -> str:
    """Why there is no table of what mattered."""
    return (
        f"What mattered can't be told: {n_trials} of the trials have a score, and {FEWEST} are the "
        "fewest to tell by. A longer --budget gives more."
    )


def _gain(effect: Effect) -> str:
    if effect.gain is None or effect.gain_interval is None:
        return "-"
    low, high = effect.gain_interval
    return f"{effect.gain:+.4f} ({low:+.4f} to {high:+.4f})"


def ranking_table(
    ranking: Sequence[tuple[Trial, float]], rungs: Sequence[Rung], *, shown: int = 8
) -> TableData:
    """The first trials of the ranking, settings that all of these share left out."""
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
        "By the furthest rung, then the AUC on held-out photos of train; where it agrees, the "
        "lower log loss. These photos chose: the first row's figure is too good.",
    )


def value_text(value: Any) -> str:
    """A setting's value, numbers with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def search_line(winner: Trial, rungs: Sequence[Rung], n_trials: int) -> str:
    """What the search says of its winner, and why that is too good."""
    reached = winner.reached(rungs)
    measured = winner.on(rungs[reached - 1], rungs)
    auc = sum(each.auc for each in measured) / len(measured)
    known = f", {winner.known}" if winner.known else ""
    folds = "a fold" if len(measured) == 1 else f"{len(measured)} folds"
    return (
        f"In the search: AUC {auc:.4f} on {folds} of train, trial {winner.number}{known}. It is "
        f"the best of {n_trials} on the photos that chose it, and so too good."
    )


def unseen_line(
    metrics: Metrics, intervals: Mapping[str, Interval | None], n_parts: int, n_leaked: int
) -> str:
    """The winner's figures on valid; ``n_leaked`` of its parts are trained on, too."""
    told = []
    for name in _SHOWN:
        value = getattr(metrics, name)
        if value != value:  # no good class: no escapes
            continue
        ends = intervals.get(name)
        between = f" ({' to '.join(metric_text(name, end) for end in ends)})" if ends else ""
        told.append(f"{metric_title(name)} {metric_text(name, value)}{between}")
    where = f"on the {metrics.n} photos of {n_parts} parts of valid, with 95 % intervals over parts"
    if n_leaked:
        return (
            f"Too good as well, {where}: {', '.join(told)}. By the given split {n_leaked} of these "
            "parts are in train, too; --unleak keeps them apart."
        )
    return f"The honest figure, {where}: {', '.join(told)}. No photo of these parts chose anything."
