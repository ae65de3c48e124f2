"""``fastdefect learning-curve``: what twice the parts would bring, by trainings on fewer.

The split stays; each training gets a share of the training parts, drawn anew for each repeat,
as is the seed. All have the same epochs, so that the small ones take fewer steps: it is what a
user with fewer photos would get from the same command, and the forecast likewise is of the same
command with more photos, which then takes more steps. With equal steps the small ones would
pass over their photos many times more, with another schedule, and no one would train so.

The best epoch is chosen on the photos that measure it, as ``fit`` does: every error is a little
too good, at small sizes and at large.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fastdefect.config import RunConfig
from fastdefect.data.load import with_scale
from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.split import Split
from fastdefect.data.splitting.subsample import share_of_parts
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.evaluation.learning_curve import fit_power_law
from fastdefect.events import OnEvent
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.series.series import (
    Finished,
    SeriesReport,
    create_series,
    read_plan,
    refuse_members,
    resume_series,
    run_series,
    settle,
)
from fastdefect.jobs.training.head_alone import check_head_alone
from fastdefect.jobs.training.log import Log
from fastdefect.metrics import constant_prediction
from fastdefect.reporting.plots.learning_curve import plot_learning_curve
from fastdefect.reporting.tables.learning_curve import ERROR, CurvePoint, Outlook
from fastdefect.run import Run, RunKind
from fastdefect.text import counted
from fastdefect.training.learner import ModelSpec

_FEWEST_SIZES = 3  # as the law asks for


@dataclass(frozen=True)
class Validation:
    """The photos that all trainings of a curve are measured on, and their parts.

    ``error_photos`` and ``error_parts``: of how many the error is a share, see ``_error_is_of``.
    """

    photos: int
    parts: int
    error_photos: int
    error_parts: int


@dataclass(frozen=True)
class CurveReport:
    """How a learning curve ended. ``outlook`` is None with fewer than three sizes trained."""

    series: SeriesReport
    points: tuple[CurvePoint, ...]
    valid: Validation | None
    outlook: Outlook | None
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``; but for the run, what learning_curve.json holds."""
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
    *,
    points: int,
    repeats: int,
    budget_minutes: float | None,
    runs: Path,
    name: str | None,
    command: str,
    on_event: OnEvent,
) -> CurveReport:
    """Train on ``points`` shares of the parts (all, a half, a quarter, ...), each ``repeats``
    times, in a new run; nothing is written before the first training is known to work.

    Raises ``UsageError`` for settings and ``DataError`` for photos that give no curve.
    """
    _check(config, points, repeats)
    budget, log = Budget(budget_minutes), Log(on_event)
    photos = SeriesPhotos.read(config, log)
    config = with_scale(config, photos.manifest)
    config = settle(config, photos, log)
    shares = choose_shares(photos.base, photos.manifest, points, config.training.seed)
    members = members_of(config, shares, repeats)
    run = create_series(
        RunKind.LEARNING_CURVE,
        config,
        members,
        photos,
        runs=runs,
        name=name,
        command=command,
        plan={"shares": shares, "repeats": repeats},
    )
    return _close(run_series(run, members, photos, budget=budget, log=log))


def resume(run: Run, *, budget_minutes: float | None, on_event: OnEvent) -> CurveReport:
    """Do what is left of a learning curve; if nothing is, only report again."""
    plan = read_plan(run, RunKind.LEARNING_CURVE)
    try:
        members = members_of(run.read_config(), plan["shares"], plan["repeats"])
    except (KeyError, TypeError) as error:
        raise RunError(f"The plan in run.json of {run.name} is damaged: {plan!r:.80}.") from error
    budget, log = Budget(budget_minutes), Log(on_event)
    return _close(resume_series(run, members, budget=budget, log=log))


def choose_shares(split: Split, manifest: Manifest, points: int, seed: int) -> list[int]:
    """One in so many parts for each point, the fewest parts first: 8, 4, 2, 1.

    Shares that come to no fewer parts than the next larger are left out: each class keeps a
    part at least. Raises ``DataError`` if fewer than three are left.
    """
    shares: list[int] = []
    more = len(split.train) + 1
    for share in (2**power for power in range(points)):
        drawn = share_of_parts(split, manifest, 1 / share, seed)
        parts = len({split.parts[i] for i in drawn.train})
        if parts < more:
            shares.insert(0, share)
            more = parts
    if len(shares) < _FEWEST_SIZES:
        found = counted(len({split.parts[i] for i in split.train}), "part")
        raise DataError(
            f"Expected enough parts in train for trainings on {_FEWEST_SIZES} numbers of them, "
            f"but there are {found} of {len(manifest.classes)} classes.",
            "A learning curve needs at least four parts of some class; add photos of more parts, "
            "or keep fewer out of train: --valid and --test.",
        )
    return shares


def members_of(config: RunConfig, shares: Sequence[int], repeats: int) -> list[Member]:
    """The trainings of a curve: all sizes of the first repeat, then of the next.

    So a budget that ends early leaves whole curves, and the last not complete.
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
    # The best epoch is kept whatever the patience: all sizes get the same epochs.
    return replace(config, training=replace(config.training, seed=seed % 2**32, patience=0))


def _check(config: RunConfig, points: int, repeats: int) -> None:
    if points < _FEWEST_SIZES or repeats < 1:
        raise UsageError(
            f"--points {points} --repeats {repeats}: expected {_FEWEST_SIZES} points or more, "
            "and 1 repeat or more.",
            "Through two points any law fits.",
        )
    if config.report.folds is not None:
        raise UsageError(
            "A learning curve measures all its trainings on one validation split, but the "
            f"config asks for {config.report.folds} folds.",
            "Take folds out of the config file.",
        )
    refuse_members(config)
    check_head_alone(config)


# ---- what the trainings say --------------------------------------------------------------


def _close(series: SeriesReport) -> CurveReport:
    """Put the trainings together, write and plot it; all of it follows from the files."""
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
        _error_is_of(photos, len(rows), spec),
        _error_is_of(parts, all_parts, spec),
    )


def _error_is_of(counts: Mapping[str, int], total: int, spec: ModelSpec) -> int:
    """Of how many photos (or parts) 1 - F1 is a share, for its scatter: ``total`` at most.

    Of two classes, 1 - F1 is (FP + FN) / (2 TP + FP + FN), a count of errors over about twice
    the defects; where these are few it scatters by far more than a share of all photos would.
    A mean over k classes scatters no less than its rarest does: over 2 k times its photos.
    """
    if len(spec.classes) == 2 and spec.good is not None:
        defects = sum(n for name, n in counts.items() if name != spec.good)
        return max(1, min(total, 2 * defects))
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
