"""``fastdefect learning-curve``: forecast the error with twice the parts, from smaller trainings.

The split stays the same; each training gets a share of the training parts. Each repeat draws the
shares again and has its own seed. All trainings have the same epochs, so that small ones take fewer
steps: a user with fewer photos would get the same from the same command. The forecast, too, is for
the same command with more photos, which then takes more steps. With equal steps the small trainings
would repeat their photos many more times under a different schedule, which is not common practice.

The best epoch is chosen on the photos that measure it, as ``fit`` does: every error is slightly too
good, for small and large sizes alike.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.config import RunConfig
from fastdefect.data.photos import Manifest
from fastdefect.data.settle import as_read
from fastdefect.data.splitting.split import Split
from fastdefect.data.splitting.subsample import share_of_parts
from fastdefect.errors import DataError, UsageError
from fastdefect.evaluation.learning_curve import fit_power_law
from fastdefect.events import OnEvent
from fastdefect.good import only_defect
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.members import Finished
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    Series,
    SeriesReport,
    create_series,
    damaged_plan,
    read_plan,
    refuse_members,
    resume_series,
    run_series,
    settle,
)
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.training.one_epoch import check_one_epoch
from fastdefect.metrics import constant_prediction
from fastdefect.reporting.plots.learning_curve import plot_learning_curve
from fastdefect.reporting.tables.learning_curve import ERROR, CurvePoint, Outlook
from fastdefect.run import Run, RunKind
from fastdefect.text import counted
from fastdefect.training.learner import ModelSpec

_FEWEST_SIZES = 3  # the fewest that ``fit_power_law`` takes


@dataclass(frozen=True)
class Validation:
    """The number of validation photos of a curve, and of their parts.

    ``error_photos`` and ``error_parts``: the denominators of the error, see ``_denominator``.
    """

    photos: int
    parts: int
    error_photos: int
    error_parts: int


@dataclass(frozen=True)
class CurveReport:
    """The result of a learning curve; ``outlook`` is None with fewer than three sizes trained."""

    series: SeriesReport
    points: tuple[CurvePoint, ...]
    valid: Validation | None
    outlook: Outlook | None
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``; without ``run``, the content of learning_curve.json."""
        outlook = self.outlook
        return {
            "run": str(self.series.run.folder),
            "reason": self.series.reason,
            "diverged": [member.name for member in self.series.diverged],
            "left": [member.name for member in self.series.left],
            "seconds_left": self.series.seconds_left,
            "error": f"{ERROR} on validation",
            "valid": vars(self.valid) if self.valid else None,
            "trainings": [point.as_json() for point in self.points],
            "law": outlook.law.as_json() if outlook else None,
            "now": outlook.now.as_json() if outlook else None,
            "twice": outlook.twice.as_json() if outlook else None,
        }


def start(
    config: RunConfig,
    new_run: NewRun,
    *,
    points: int,
    repeats: int,
    budget_minutes: float | None,
    on_event: OnEvent,
) -> CurveReport:
    """Train on ``points`` shares of the parts (all, a half, a quarter, ...), each ``repeats``
    times, in a new run; nothing is written before all members are checked.

    Raises ``UsageError`` for settings and ``DataError`` for photos that allow no curve.
    """
    _check(config, points, repeats)
    budget, log = Budget(budget_minutes), Log(on_event)
    photos = SeriesPhotos.read(config, log)
    config = as_read(config, photos.manifest)
    config = settle(config, photos, log)
    shares = choose_shares(photos.base, photos.manifest, points, config.training.seed)
    members = members_of(config, shares, repeats)
    run = create_series(
        RunKind.LEARNING_CURVE,
        config,
        members,
        photos,
        new_run,
        {"shares": shares, "repeats": repeats},
    )
    return _close(run_series(Series(run, members, photos, log), budget))


def resume(run: Run, *, budget_minutes: float | None, on_event: OnEvent) -> CurveReport:
    """Train what is left of a learning curve; if nothing is left, only report again."""
    plan = read_plan(run, RunKind.LEARNING_CURVE)
    try:
        members = members_of(run.read_config(), plan["shares"], plan["repeats"])
    except (KeyError, TypeError) as error:
        raise damaged_plan(run, plan) from error
    budget, log = Budget(budget_minutes), Log(on_event)
    return _close(resume_series(run, members, budget=budget, log=log))


def choose_shares(split: Split, manifest: Manifest, points: int, seed: int) -> list[int]:
    """The shares of parts, as denominators, the smallest share first: 8, 4, 2, 1.

    A share with no fewer parts than the next larger share is left out: each class keeps at least
    one part. Raises ``DataError`` if fewer than three shares remain.
    """
    shares: list[int] = []
    next_larger = len(split.train) + 1
    for share in (2**power for power in range(points)):
        drawn = share_of_parts(split, manifest, 1 / share, seed)
        parts = len({split.parts[i] for i in drawn.train})
        if parts < next_larger:
            shares.insert(0, share)
            next_larger = parts
    if len(shares) < _FEWEST_SIZES:
        found = counted(len({split.parts[i] for i in split.train}), "part")
        raise DataError(
            f"Expected enough parts in train for trainings of {_FEWEST_SIZES} sizes, but train has "
            f"{found} of {len(manifest.classes)} classes.",
            "A learning curve needs at least four parts of one class; add photos of more parts, "
            "or enlarge train with a smaller --valid or --test.",
        )
    return shares


def members_of(config: RunConfig, shares: Sequence[int], repeats: int) -> list[Member]:
    """The trainings of a curve: all sizes of the first repeat, then of the next.

    In this order a budget that ends early leaves complete curves, except for the last.
    """
    seed = config.training.seed
    return [
        Member(
            _name(share, repeat),
            _with_seed(config, seed + repeat - 1),
            split_seed=seed,
            narrow=partial(share_of_parts, share=1 / share, seed=seed + repeat - 1),
        )
        for repeat in range(1, repeats + 1)
        for share in shares
    ]


def _name(share: int, repeat: int) -> str:
    return f"{'all' if share == 1 else f'1-of-{share}'}-repeat-{repeat}"


def _with_seed(config: RunConfig, seed: int) -> RunConfig:
    # Without early stopping: all sizes train for the same epochs, and the best one is kept anyway.
    return replace(config, training=replace(config.training, seed=seed % 2**32, patience=0))


def _check(config: RunConfig, points: int, repeats: int) -> None:
    if points < _FEWEST_SIZES or repeats < 1:
        raise UsageError(
            f"--points {points} --repeats {repeats}: expected at least {_FEWEST_SIZES} points and "
            "at least 1 repeat.",
            "Increase them: any law fits two points.",
        )
    if config.report.folds is not None:
        raise UsageError(
            "A learning curve measures all its trainings on one validation split, but the config "
            f"has {config.report.folds} folds.",
            "Remove folds from the config file.",
        )
    refuse_members(config)
    check_one_epoch(config)


# ---- the result --------------------------------------------------------------------------


def _close(series: SeriesReport) -> CurveReport:
    """Combine the trainings, write and plot the result; it depends on the files alone."""
    series.require(1)
    if not series.finished:
        return CurveReport(series, (), None, None, ())
    plan = series.run.read_state()["plan"]
    share_of = {
        _name(share, repeat): share
        for share in plan["shares"]
        for repeat in range(1, plan["repeats"] + 1)
    }
    points = tuple(_point(each, share_of[each.member.name]) for each in series.finished)
    valid = _validation(series.finished[0].run)
    outlook = _outlook(points, valid, series.run.read_config().training.seed)
    report = CurveReport(series, points, valid, outlook, ())
    content = {key: value for key, value in report.as_json().items() if key != "run"}
    written = series.run.write("learning_curve.json", content)
    plot_learning_curve(
        series.run.path("learning_curve.png"),
        np.array([point.parts for point in points]),
        np.array([point.error for point in points]),
        law=outlook.law if outlook else None,
        what=f"validation error, {ERROR}",
    )
    return replace(report, files=(written, series.run.path("learning_curve.png")))


def _point(finished: Finished, share: int) -> CurvePoint:
    trained = [row for row in finished.run.read("split.csv") if row["split"] == "train"]
    valid: Mapping[str, Any] = finished.metrics["valid"]
    return CurvePoint(
        finished.member.name,
        share=share,
        parts=len({row["part"] for row in trained}),
        photos=len(trained),
        error=1 - valid["f1"],
        escape_rate=_number(valid["escape_rate"]),
        overkill_rate=_number(valid["overkill_rate"]),
        blind=constant_prediction(valid["confusion"]) is not None,
        seconds=finished.seconds,
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _validation(run: Run) -> Validation:
    rows = [row for row in run.read("split.csv") if row["split"] == "valid"]
    spec = ModelSpec.from_json(run.read("model.json"))
    photos = Counter(row["label"] for row in rows)
    parts = Counter(label for label, _ in {(row["label"], row["part"]) for row in rows})
    all_parts = len({row["part"] for row in rows})
    return Validation(
        len(rows),
        all_parts,
        _denominator(photos, len(rows), spec),
        _denominator(parts, all_parts, spec),
    )


def _denominator(counts: Mapping[str, int], total: int, spec: ModelSpec) -> int:
    """The number of photos (or parts) behind 1 - F1, which sets its variance: at most ``total``.

    With one defect class, 1 - F1 is (FP + FN) / (2 TP + FP + FN), the errors divided by about
    twice the defects; with few defects its variance is far larger than that of a share of all
    photos. A mean over k classes varies at least as much as the term of its rarest class: 2 k times
    its photos.
    """
    defect = only_defect(len(spec.classes), spec.good_indices)
    if defect is not None:
        return max(1, min(total, 2 * counts[spec.classes[defect]]))
    rarest = min(counts[name] for name in counts)
    return max(1, min(total, 2 * len(spec.classes) * rarest))


def _outlook(points: Sequence[CurvePoint], valid: Validation, seed: int) -> Outlook | None:
    sizes = sorted({point.parts for point in points})
    if len(sizes) < _FEWEST_SIZES:
        return None
    law = fit_power_law(
        np.array([point.parts for point in points]),
        np.array([point.error for point in points]),
        photos=valid.error_photos,
        parts=valid.error_parts,
        seed=seed,
    )
    return Outlook(law, law.forecast(sizes[-1]), law.forecast(2 * sizes[-1]))
