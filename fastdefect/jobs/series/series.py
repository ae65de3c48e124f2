"""Several trainings on the same photos inside one run: what a curve or a comparison is made of.

Photos are read, and their parts found, once for all. Each training is a run in a folder of its
own. One that is finished is kept; one that was interrupted goes on where it stopped.

    photos = SeriesPhotos.read(config, log)         # writes nothing
    parent = create_series(kind, config, members, photos, ...)
    report = run_series(parent, members, photos, budget=..., log=log)
    ... and later: resume_series(parent, members, budget=..., log=log)
"""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from fastdefect.config import RunConfig
from fastdefect.data.findings import findings_as_json
from fastdefect.data.splitting.split import Split, read_split, split_rows
from fastdefect.errors import DivergedError, FastdefectError, RunError, UsageError
from fastdefect.events import Event, Note, OnEvent, Progress, silent
from fastdefect.files import typed
from fastdefect.jobs.fit import absolute, begin, go_on, reassemble
from fastdefect.jobs.series.budget import Budget, Effort, expected_seconds
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.training.assemble import assemble, choose_machine
from fastdefect.jobs.training.environment import describe_environment
from fastdefect.jobs.training.interrupt import StopRequested, stop_on_interrupt
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.training.network import settle_weights
from fastdefect.jobs.training.recipe import settle_for
from fastdefect.jobs.training.report import parse_targets
from fastdefect.run import Run, RunKind, RunStatus
from fastdefect.run_registry import create_member, create_run
from fastdefect.text import counted, first
from fastdefect.training.backbones import build_backbone


@dataclass(frozen=True)
class Finished:
    """A training that is done, early stopping included.

    ``metrics`` by split, as in its metrics.json; ``seconds`` that it took, all starts together.
    """

    member: Member
    run: Run
    metrics: Mapping[str, Any]
    seconds: float

    @property
    def predictions_path(self) -> Path:
        """Its predictions of the validation photos, a CSV."""
        return self.run.predictions_path("valid")


@dataclass(frozen=True)
class SeriesReport:
    """How a series ended: finished, interrupted or out of budget.

    ``finished``, ``diverged`` and ``left`` (undone) are in the order of the members.
    ``seconds_left``: what those left should take; None where none is finished to tell by.
    """

    run: Run
    reason: RunStatus
    finished: tuple[Finished, ...]
    diverged: tuple[Member, ...]
    left: tuple[Member, ...]
    seconds_left: float | None

    def require(self, fewest: int) -> None:
        """Raise ``DivergedError`` if so many diverged that ``fewest`` can't be finished."""
        if len(self.finished) + len(self.left) < fewest:
            self.run.update_state(status=RunStatus.FAILED)
            raise DivergedError(
                f"{first([member.name for member in self.diverged])} diverged: nothing is left "
                "to tell.",
                "Try a lower --learning-rate, or --precision fp32.",
            )


def create_series(
    kind: RunKind,
    config: RunConfig,
    members: Sequence[Member],
    photos: SeriesPhotos,
    *,
    runs: Path,
    name: str | None,
    command: str,
    plan: Mapping[str, Any],
) -> Run:
    """A new run of a ``kind`` of ``SERIES``, or an ensemble, once every member is known to fit.

    ``config`` is what the members have in common; ``plan``, plain values, is what makes the
    members again of it when the series is resumed (``read_plan``).

    Raises ``UsageError``, ``DataError`` or ``ModelError`` for a member that can't be trained.
    """
    photos.check(members)
    for model, size in {(m.config.model, m.config.data.image_size) for m in members}:
        # Weights that are downloaded if they can be need no trying: they are no error.
        build_backbone(model.arch, "none" if model.weights == "auto" else model.weights, size)
    for member in members:
        parse_targets(member.config)
    run = create_run(runs, name, absolute(config), command, kind=kind)
    run.write("split.csv", split_rows(photos.manifest, photos.base))
    run.write_findings(findings_as_json(photos.findings))
    machine = choose_machine(config.training)
    run.write(
        "environment.json", describe_environment(machine.device, machine.precision, machine.workers)
    )
    run.update_state(plan=plan)
    return run


def settle(config: RunConfig, photos: SeriesPhotos, on_event: OnEvent) -> RunConfig:
    """What is left to the program, decided once for all members: first weights, and recipe."""
    config = settle_weights(config, on_event)
    data = photos.data_of(Member("trial", config), silent)
    return settle_for(config, data, choose_machine(config.training).device, on_event)


def refuse_members(config: RunConfig) -> None:
    """Raise ``UsageError`` for ``members``: trainings are compared network by network."""
    if config.training.members > 1:
        raise UsageError(
            f"--members {config.training.members}: here each training is of one network.",
            "Leave members out, of the config file too; fastdefect fit --members averages them.",
        )


def seeds_from(seed: int, count: int) -> list[int]:
    """``seed`` and those after it, ``count`` in all; after the largest that there is comes 0."""
    return [(seed + number) % 2**32 for number in range(count)]


def read_plan(run: Run, kind: RunKind) -> dict[str, Any]:
    """What ``create_series`` was given as its plan; ``RunError`` if the run is of another kind."""
    found = run.read_kind()
    if found != kind:
        raise RunError(
            f"{run.folder} is no {kind} but a {found}.",
            f"Go on with it: {run.resume_command}",
        )
    plan = run.read_state().get("plan")
    if not isinstance(plan, dict):
        raise RunError(
            f"{run.folder} stopped before its first training began: there is nothing to resume.",
            f"Start anew with the same settings: --config {typed(run.path('config.toml'))}",
        )
    return plan


def resume_series(
    parent: Run, members: Sequence[Member], *, budget: Budget, log: Log
) -> SeriesReport:
    """Do what is left of a series; photos are only read if something is."""
    log.to(parent.path("log.txt"))
    finished = tuple(f for member in members if (f := read_finished(parent, member)) is not None)
    diverged = tuple(member for member in members if _diverged(parent, member))
    if len(finished) + len(diverged) == len(members):
        log(Note(f"{parent.name} is finished: nothing to train, reporting again."))
        parent.update_state(status=RunStatus.FINISHED)
        return SeriesReport(parent, RunStatus.FINISHED, finished, diverged, (), 0.0)
    photos = SeriesPhotos.read_again(parent, log)
    return run_series(parent, members, photos, budget=budget, log=log)


def run_series(
    parent: Run, members: Sequence[Member], photos: SeriesPhotos, *, budget: Budget, log: Log
) -> SeriesReport:
    """Train the members in their order, each in a folder of its name; finished ones are kept.

    It stops before the first that the budget doesn't hold, by what finished ones took, and in
    the middle of one that takes longer; or where Ctrl-C interrupts. One that diverges is told and
    left out, and not tried again: it would do the same. Raises whatever else a training raises;
    the run then says that it failed.
    """
    log.to(parent.path("log.txt"))
    done = _finished_before(parent, members, photos, log)
    diverged = {
        member.name
        for member in members
        if _diverged(parent, member) and _same_split(parent.member(member.name), photos, member)
    }
    parent.update_state(status=RunStatus.RUNNING)
    try:
        with stop_on_interrupt() as asked:
            reason = _train_all(parent, members, photos, done, diverged, budget, asked, log)
    except KeyboardInterrupt:  # a second one: whatever was running ended at once
        reason = RunStatus.INTERRUPTED
    except FastdefectError as error:
        parent.update_state(status=RunStatus.FAILED, error=error.message)
        raise
    parent.update_state(status=reason)
    return _report(parent, members, done, diverged, photos, reason)


def _train_all(
    parent: Run,
    members: Sequence[Member],
    photos: SeriesPhotos,
    done: dict[str, Finished],
    diverged: set[str],
    budget: Budget,
    asked: StopRequested,
    log: Log,
) -> RunStatus:
    """Train those that are neither ``done`` nor ``diverged``, which grow by them; how it ended."""
    told: set[str] = set()
    for number, member in enumerate(members, start=1):
        if member.name in done or member.name in diverged:
            continue
        if asked():  # while the last one was finishing
            return RunStatus.INTERRUPTED
        if not budget.holds(_seconds_for(parent, member, done.values(), photos)):
            return RunStatus.OUT_OF_BUDGET
        photos.keep_for(m for m in members[number - 1 :] if m.name not in done)
        _tell_next(member, photos.split_of(member), number, len(members), log)
        tell = prefixed(member.name, log, told)
        try:
            ended = train_member(parent, member, photos, tell, lambda: asked() or budget.spent)
        except DivergedError as error:
            log(Note(f"{member.name} diverged and is left out. {error.hint}", "warning"))
            parent.member(member.name).forget_checkpoint()
            diverged.add(member.name)
            continue
        if ended == RunStatus.INTERRUPTED:
            return (
                RunStatus.OUT_OF_BUDGET if budget.spent and not asked() else RunStatus.INTERRUPTED
            )
        done[member.name] = _require_finished(parent, member)
    return RunStatus.FINISHED


def read_finished(parent: Run, member: Member) -> Finished | None:
    """The member as it was trained before; None if it wasn't, not to its end, or otherwise."""
    own = parent.member(member.name)
    if _status(own, member) not in (RunStatus.FINISHED, RunStatus.EARLY_STOPPING):
        return None
    return Finished(member, own, own.read("metrics.json"), seconds_of(own))


def _diverged(parent: Run, member: Member) -> bool:
    """Whether the member was trained before, with its settings, and diverged."""
    return _status(parent.member(member.name), member) == RunStatus.DIVERGED


def _status(own: Run, member: Member) -> str | None:
    """What the member's run says; None if there is none or it had other settings."""
    if not (own.folder / "run.json").exists() or own.read_config() != absolute(member.config):
        return None
    return str(own.read_state()["status"])


def _require_finished(parent: Run, member: Member) -> Finished:
    finished = read_finished(parent, member)
    if finished is None:
        raise RunError(f"{parent.member(member.name).folder} was changed while it was trained.")
    return finished


def _finished_before(
    parent: Run, members: Sequence[Member], photos: SeriesPhotos, log: Log
) -> dict[str, Finished]:
    """By name, those that need no training: finished, with these settings, on this split."""
    done = {
        member.name: finished
        for member in members
        if (finished := read_finished(parent, member)) is not None
        and _same_split(finished.run, photos, member)
    }
    if done:
        log(Note(f"{len(done)} of {counted(len(members), 'training')} are finished and kept."))
    return done


def _same_split(own: Run, photos: SeriesPhotos, member: Member) -> bool:
    return read_split(own.path("split.csv"), photos.manifest) == photos.split_of(member)


def train_member(
    parent: Run, member: Member, photos: SeriesPhotos, tell: OnEvent, stop: StopRequested
) -> RunStatus:
    """Train one member, from its start or from where it stopped; how it ended.

    ``stop`` is asked after each batch whether to end there, state saved.
    """
    own, own_log = parent.member(member.name), Log(tell)
    standing = _standing(own, member, photos)
    data = photos.data_of(member, tell)
    began, spent = monotonic(), 0.0
    if standing == "begun":
        spent = seconds_of(own)
        own.update_state(seconds=None)  # if it is killed now, its epochs tell
        job, checkpoint = reassemble(own, own_log, data)
        report = go_on(own, job, checkpoint, own_log, stop)
    else:
        if standing == "other":
            tell(Note("was trained with other settings or photos: it is trained anew.", "warning"))
            shutil.rmtree(own.folder)
        job = assemble(member.config, own_log, data=data)
        own = create_member(parent, member.name, absolute(member.config))
        report = begin(own, job, own_log, stop)
    own.update_state(seconds=spent + monotonic() - began)
    if report.reason != RunStatus.INTERRUPTED:
        own.forget_checkpoint()  # four times the model's size, for each of many trainings
    return report.reason


def _standing(own: Run, member: Member, photos: SeriesPhotos) -> Literal["new", "begun", "other"]:
    """How far a member that isn't finished is."""
    if not (own.folder / "run.json").exists():
        return "new"
    ended = own.read_state()["status"] in (RunStatus.FINISHED, RunStatus.EARLY_STOPPING)
    if not own.path("checkpoint.safetensors").exists() and not ended:
        return "new"  # stopped before its first batch
    same = own.read_config() == absolute(member.config) and _same_split(own, photos, member)
    return "begun" if same else "other"


def _report(
    parent: Run,
    members: Sequence[Member],
    done: Mapping[str, Finished],
    diverged: Set[str],
    photos: SeriesPhotos,
    reason: RunStatus,
) -> SeriesReport:
    lost = tuple(member for member in members if member.name in diverged)
    left = tuple(m for m in members if m.name not in done and m.name not in diverged)
    finished = tuple(done[member.name] for member in members if member.name in done)
    seconds = [_seconds_for(parent, member, finished, photos) for member in left]
    known = [each for each in seconds if each is not None]
    total = sum(known) if len(known) == len(left) else None
    return SeriesReport(parent, reason, finished, lost, left, total)


# ---- what a training takes ---------------------------------------------------------------


def seconds_of(own: Run) -> float:
    """What a member took so far; of one that was killed, what its finished epochs did."""
    known = own.read_state().get("seconds")
    if known is not None:
        return float(known)
    return sum(row["seconds"] for row in own.read_history())


def _seconds_for(
    parent: Run, member: Member, finished: Iterable[Finished], photos: SeriesPhotos
) -> float | None:
    """What the member should still take, or None where no training is finished."""
    whole = expected_seconds(
        _effort(member, photos), [(_effort(e.member, photos), e.seconds) for e in finished]
    )
    own = parent.member(member.name)
    if whole is None or not own.path("checkpoint.safetensors").exists():
        return whole
    begun = _standing(own, member, photos) == "begun"
    return max(whole - (seconds_of(own) if begun else 0.0), 0.0)


def _effort(member: Member, photos: SeriesPhotos) -> Effort:
    config, split = member.config, photos.split_of(member)
    return Effort.of(
        config.model.arch,
        train=len(split.train),
        valid=len(split.valid),
        epochs=config.training.epochs,
        image_size=config.data.image_size,
    )


# ---- what is told ------------------------------------------------------------------------


def _tell_next(member: Member, split: Split, number: int, total: int, log: Log) -> None:
    parts = counted(len({split.parts[i] for i in split.train}), "part")
    log(
        Note(
            f"Training {number} of {total}, {member.name}: train {len(split.train)} photos of "
            f"{parts}, valid {len(split.valid)}."
        )
    )


def prefixed(name: str, log: OnEvent, told: set[str]) -> Callable[[Event], None]:
    """Hands events on under the member's name; what an earlier one told is not told again."""

    def tell(event: Event) -> None:
        match event:
            case Note(text, level):
                if level != "info" or text not in told:
                    log(Note(f"{name}: {text}", level))
                told.add(text)
            case Progress(task, done, total):
                log(Progress(f"{name}: {task}", done, total))
            case _:
                log(event)

    return tell
