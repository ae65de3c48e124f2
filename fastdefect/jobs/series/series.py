"""Several trainings on the same photos inside one run, such as a learning curve or an ablation.

The photos are read, and their parts found, once for all members. Each training is a run in its
own folder. Finished trainings are kept; interrupted ones continue from their checkpoint.

    photos = SeriesPhotos.read(config, log)         # writes nothing
    parent = create_series(kind, config, members, photos, new_run, plan)
    report = run_series(Series(parent, members, photos, log), budget)
    ... and later: resume_series(parent, members, budget=..., log=log)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastdefect.config import RunConfig
from fastdefect.data.findings import findings_as_json
from fastdefect.data.splitting.split import Split, run_rows
from fastdefect.errors import DivergedError, RunError, UsageError
from fastdefect.events import Note, OnEvent, silent
from fastdefect.files import typed
from fastdefect.jobs.fit import absolute
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.members import (
    Finished,
    has_diverged,
    has_same_split,
    prefixed,
    read_finished,
    seconds_left_for,
    train_member,
)
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.training.assemble import choose_machine
from fastdefect.jobs.training.environment import describe_environment
from fastdefect.jobs.training.failing import failing_run
from fastdefect.jobs.training.interrupt import StopRequested, stop_on_interrupt
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.network import settle_weights
from fastdefect.jobs.training.new_run import NewRun
from fastdefect.jobs.training.recipe import settle_for
from fastdefect.jobs.training.report import parse_targets
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.run_registry import create_member, create_run
from fastdefect.text import counted, first
from fastdefect.training.backbones import build_backbone


@dataclass(frozen=True)
class Series:
    """The trainings ``members`` inside the run ``parent``, their photos, and the run's log."""

    parent: Run
    members: Sequence[Member]
    photos: SeriesPhotos
    log: Log


@dataclass(frozen=True)
class SeriesReport:
    """How a series ended: finished, interrupted or out of budget.

    ``finished``, ``diverged`` and ``left`` (not finished) are in the order of the members.
    ``seconds_left``: the expected time for those left; None where no finished training allows an
    estimate.
    """

    run: Run
    reason: RunStatus
    finished: tuple[Finished, ...]
    diverged: tuple[Member, ...]
    left: tuple[Member, ...]
    seconds_left: float | None

    def require(self, fewest: int) -> None:
        """Raise ``DivergedError`` if so many diverged that ``fewest`` can't finish."""
        if len(self.finished) + len(self.left) < fewest:
            self.run.update_state(status=RunStatus.FAILED)
            raise DivergedError(
                f"{first([member.name for member in self.diverged])} diverged: too few trainings "
                "remain for a result.",
                "Try a lower --learning-rate, or --precision fp32.",
            )


@dataclass(frozen=True)
class _Ended:
    """The members that need no more training, by name; both collections grow during a series."""

    done: dict[str, Finished]
    diverged: set[str]

    def __contains__(self, member: Member) -> bool:
        return member.name in self.done or member.name in self.diverged


# ---- settings and plan -------------------------------------------------------------------


def create_series(
    kind: RunKind,
    config: RunConfig,
    members: Sequence[Member],
    photos: SeriesPhotos,
    new_run: NewRun,
    plan: Mapping[str, Any],
) -> Run:
    """Create a run of a ``kind`` of ``SERIES``, or an ensemble, after checking every member.

    ``config`` holds the settings that the members share. ``plan``, of plain values, holds what is
    needed to build the members again on resume (``read_plan``).

    Raises ``UsageError``, ``DataError`` or ``ModelError`` for a member that can't be trained.
    """
    _check(members, photos)
    run = create_run(new_run.runs, new_run.name, absolute(config), new_run.command, kind=kind)
    _describe(run, config, photos, plan)
    return run


def series_inside(
    parent: Run,
    name: str,
    kind: RunKind,
    config: RunConfig,
    members: Sequence[Member],
    photos: SeriesPhotos,
) -> Run:
    """The run ``name`` of a ``kind`` of ``SERIES`` inside the trained run ``parent``.

    It is created if it does not exist, and the errors are those of ``create_series``.
    """
    _check(members, photos)
    run = parent.member(name)
    if not run.path("run.json").exists():
        create_member(parent, name, absolute(config), kind)
    _describe(run, config, photos, {"names": [member.name for member in members]})
    return run


def _check(members: Sequence[Member], photos: SeriesPhotos) -> None:
    """Raise the errors of ``create_series`` for a member that can't be trained."""
    photos.check(members)
    for model, size in {(m.config.model, m.config.data.image_size) for m in members}:
        # Weights auto can't fail: if the download fails, random weights take their place.
        build_backbone(model.arch, "none" if model.weights == "auto" else model.weights, size)
    for member in members:
        parse_targets(member.config)


def _describe(run: Run, config: RunConfig, photos: SeriesPhotos, plan: Mapping[str, Any]) -> None:
    """Write the photos, the machine and the plan of a series into its run."""
    run.write("split.csv", run_rows(photos.manifest, photos.base))
    run.write_findings(findings_as_json(photos.findings))
    machine = choose_machine(config.training)
    run.write(
        "environment.json", describe_environment(machine.device, machine.precision, machine.workers)
    )
    run.update_state(plan=plan)


def settle(config: RunConfig, photos: SeriesPhotos, on_event: OnEvent) -> RunConfig:
    """Settle the ``auto`` settings, first weights and recipe, once for all members."""
    config = settle_weights(config, on_event)
    data = photos.data_of(Member("trial", config), silent)
    return settle_for(config, data, choose_machine(config.training).device, on_event)


def refuse_members(config: RunConfig) -> None:
    """Raise ``UsageError`` for ``members``: here single networks are compared."""
    if config.training.members > 1:
        raise UsageError(
            f"--members {config.training.members}: this command trains single networks.",
            "Remove members, also from the config file; fastdefect fit --members averages "
            "networks.",
        )


def seeds_from(seed: int, count: int) -> list[int]:
    """``count`` consecutive seeds from ``seed`` on; the largest seed is followed by 0."""
    return [(seed + number) % 2**32 for number in range(count)]


def read_plan(run: Run, kind: RunKind) -> dict[str, Any]:
    """The plan given to ``create_series``; raises ``RunError`` for a run of another kind."""
    found = run.read_kind()
    if found != kind:
        raise RunError(
            f"Expected a run of the kind {kind}, but {run.folder} is of the kind {found}.",
            f"Continue it with: {run.resume_command}",
        )
    plan = run.read_state().get("plan")
    if not isinstance(plan, dict):
        raise RunError(
            f"{run.folder} stopped before its first training: there is nothing to resume.",
            f"Start again with the same settings: --config {typed(run.path('config.toml'))}",
        )
    return plan


def damaged_plan(run: Run, plan: Mapping[str, Any]) -> RunError:
    """The error for a stored plan that is not as its command wrote it."""
    return RunError(
        f"The plan in {run.path('run.json')} is damaged: {plan!r:.80}.",
        f"Start again with the same settings: --config {typed(run.path('config.toml'))}",
    )


# ---- running -----------------------------------------------------------------------------


def resume_series(
    parent: Run, members: Sequence[Member], *, budget: Budget, log: Log
) -> SeriesReport:
    """Train what is left of a series; the photos are read only if something is left."""
    log.to(parent.path("log.txt"))
    finished = tuple(f for member in members if (f := read_finished(parent, member)) is not None)
    diverged = tuple(member for member in members if has_diverged(parent, member))
    _forget_checkpoints(parent, [*(each.member for each in finished), *diverged])
    if len(finished) + len(diverged) == len(members):
        log(Note(f"{parent.name} is finished: nothing to train, reporting again."))
        parent.update_state(status=RunStatus.FINISHED)
        return SeriesReport(parent, RunStatus.FINISHED, finished, diverged, (), 0.0)
    photos = SeriesPhotos.read_again(parent, log)
    return run_series(Series(parent, members, photos, log), budget)


def run_series(series: Series, budget: Budget) -> SeriesReport:
    """Train the members in order, each in a folder of its name; finished ones are kept.

    The series stops before the first member that should exceed the budget, judged by the finished
    ones, during a member that does exceed it, or at Ctrl-C. A member that diverges is reported,
    left out and not tried again: the result would be the same. Other errors of a training are
    raised, and the run's status becomes failed.
    """
    parent, log = series.parent, series.log
    with parent.held(), failing_run(parent):
        log.to(parent.path("log.txt"))
        ended = _ended_before(series)
        parent.update_state(status=RunStatus.RUNNING)
        try:
            with stop_on_interrupt() as stop_requested:
                reason = _train_all(series, ended, budget, stop_requested)
        except KeyboardInterrupt:  # a second one ends the current step at once
            reason = RunStatus.INTERRUPTED
        parent.update_state(status=reason)
        return _report(series, ended, reason)


def _ended_before(series: Series) -> _Ended:
    """The members that ended before, with these settings, on this split."""
    parent, photos = series.parent, series.photos
    done = {
        member.name: finished
        for member in series.members
        if (finished := read_finished(parent, member)) is not None
        and has_same_split(finished.run, photos, member)
    }
    if done:
        series.log(
            Note(
                f"{len(done)} of {counted(len(series.members), 'training')} are finished and kept."
            )
        )
    diverged = {
        member.name
        for member in series.members
        if has_diverged(parent, member)
        and has_same_split(parent.member(member.name), photos, member)
    }
    _forget_checkpoints(parent, [m for m in series.members if m.name in {*done, *diverged}])
    return _Ended(done, diverged)


def _forget_checkpoints(parent: Run, ended: Sequence[Member]) -> None:
    """Delete those of members that ended; a process may be killed before it does."""
    for member in ended:
        parent.member(member.name).forget_checkpoint()


def _train_all(
    series: Series, ended: _Ended, budget: Budget, stop_requested: StopRequested
) -> RunStatus:
    """Train the members that are not in ``ended`` and add them to it; return how it ended."""
    parent, photos, log = series.parent, series.photos, series.log
    seen: set[str] = set()
    for number, member in enumerate(series.members, start=1):
        if member in ended:
            continue
        if stop_requested():  # while the previous member finished
            return RunStatus.INTERRUPTED
        if not budget.holds(seconds_left_for(parent, member, ended.done.values(), photos)):
            return RunStatus.OUT_OF_BUDGET
        photos.keep_for(m for m in series.members[number - 1 :] if m.name not in ended.done)
        log(_next_note(member, photos.split_of(member), number, len(series.members)))
        on_event = prefixed(member.name, log, seen)
        try:
            reason = train_member(
                parent, member, photos, on_event, lambda: stop_requested() or budget.spent
            )
        except DivergedError as error:
            log(Note(f"{member.name} diverged and is left out. {error.hint}", "warning"))
            parent.member(member.name).forget_checkpoint()
            ended.diverged.add(member.name)
            continue
        if reason == RunStatus.INTERRUPTED:
            out_of_budget = budget.spent and not stop_requested()
            return RunStatus.OUT_OF_BUDGET if out_of_budget else RunStatus.INTERRUPTED
        ended.done[member.name] = _require_finished(parent, member)
    return RunStatus.FINISHED


def _require_finished(parent: Run, member: Member) -> Finished:
    finished = read_finished(parent, member)
    if finished is None:
        raise RunError(
            f"{parent.member(member.name).folder} was changed during its training.",
            f"Resume with: {parent.resume_command}",
        )
    return finished


def _next_note(member: Member, split: Split, number: int, total: int) -> Note:
    parts = counted(len({split.parts[i] for i in split.train}), "part")
    return Note(
        f"Training {number} of {total}, {member.name}: train {len(split.train)} photos of "
        f"{parts}, valid {len(split.valid)}."
    )


def _report(series: Series, ended: _Ended, reason: RunStatus) -> SeriesReport:
    parent, members = series.parent, series.members
    diverged = tuple(member for member in members if member.name in ended.diverged)
    left = tuple(member for member in members if member not in ended)
    finished = tuple(ended.done[member.name] for member in members if member.name in ended.done)
    seconds = [seconds_left_for(parent, member, finished, series.photos) for member in left]
    known = [each for each in seconds if each is not None]
    total = sum(known) if len(known) == len(left) else None
    return SeriesReport(parent, reason, finished, diverged, left, total)
