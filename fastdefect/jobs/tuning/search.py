"""The search of ``tune``: choose and run one training after the other until the budget is spent.

Every training is a member of the run, as in other series. It trains on some folds of train and is
measured on the held-out fold. Its folder is deleted once its figures are in study.json. A killed
search therefore has at most one folder of a trial, and resumes it.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from fastdefect.config import RunConfig
from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.folds import Folds, split_without
from fastdefect.data.splitting.split import Split
from fastdefect.errors import DivergedError, RunError
from fastdefect.evaluation.predictions import read_predictions
from fastdefect.evaluation.tuning.halving import (
    BEGUN,
    COMPLETE,
    DIVERGED,
    STOPPED,
    HeldOut,
    Rung,
    Trial,
    goes_up,
    measure,
    plan_rungs,
    ranked,
)
from fastdefect.evaluation.tuning.search import Choice, Field, propose
from fastdefect.events import Note
from fastdefect.jobs.fit import absolute
from fastdefect.jobs.series.budget import Budget, Effort, expected_seconds
from fastdefect.jobs.series.members import (
    Finished,
    prefixed,
    read_finished,
    seconds_of,
    train_member,
)
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.training.interrupt import StopRequested
from fastdefect.jobs.training.log import Log
from fastdefect.jobs.tuning.plan import TunePlan, read_trials
from fastdefect.jobs.tuning.space import configured, for_trial
from fastdefect.run import Run, RunStatus
from fastdefect.training.learner import ModelSpec

# The final training takes slightly longer than the trials' pace predicts: its photos are read and
# its figures measured.
_MARGIN = 1.2
# The share of the budget reserved for the final training before any pace is measured.
_UNKNOWN_SHARE = 0.5
BEST = "best"


@dataclass(frozen=True)
class Limits:
    """The end of a search: by ``budget``, which has ``minutes`` in all, or by Ctrl-C."""

    budget: Budget
    minutes: float
    stop_requested: StopRequested

    def stop_before(self, reserve: float) -> StopRequested:
        """Whether a training must stop: by Ctrl-C, or if only ``reserve`` seconds are left."""
        return lambda: self.stop_requested() or not self.budget.holds(reserve)


@dataclass(frozen=True)
class Study:
    """A search on disk, with its settings and photos."""

    run: Run
    config: RunConfig
    plan: TunePlan
    photos: SeriesPhotos
    folds: Folds
    log: Log

    @cached_property
    def rungs(self) -> tuple[Rung, ...]:
        """The rungs for the config's epochs."""
        return plan_rungs(self.config.training.epochs, self.plan.folds)

    @cached_property
    def _held_out(self) -> dict[int, Callable[[Split, Manifest], Split]]:
        return {
            fold: partial(_without, folds=self.folds, fold=fold)
            for fold in range(1, self.plan.folds + 1)
        }

    @cached_property
    def _seen(self) -> set[str]:
        return set()

    @cached_property
    def _members(self) -> dict[str, Member]:
        return {}

    def member(self, trial: Trial, rung: Rung, fold: int) -> Member:
        """One training of a trial."""
        name = _name(trial, rung.number, fold)
        if name not in self._members:
            sizes = sum(_sizes(field) for field in self.plan.fields) or 1
            config = for_trial(self.config, trial.settings, rung.epochs, sizes)
            self._members[name] = Member(name, config, narrow=self._held_out[fold])
        return self._members[name]

    def best_member(self, trial: Trial) -> Member:
        """The training of a trial's settings on all of train."""
        return Member(BEST, configured(self.config, trial.settings))

    # ---- the search ----------------------------------------------------------------------

    def search(self, limits: Limits) -> RunStatus:
        """Train one trial after the other; return finished, out of budget or interrupted.

        Finished: all requested trials are done, or no settings are left to try.
        """
        trials = read_trials(self.run)
        for done in trials:  # a search killed before the deletion leaves a folder to delete
            for training in done.trainings:
                self._forget(done, training.rung, training.fold)
        while (trial := self._next(trials)) is not None:
            ended = self._go_up(trial, trials, limits)
            if ended is not None:
                return ended
        return RunStatus.FINISHED

    def _next(self, trials: Sequence[Trial]) -> Trial | None:
        """The trial in progress, or a new one; None if no trial is left."""
        if trials and trials[-1].state == BEGUN:
            return trials[-1]
        number = len(trials) + 1
        if self.plan.trials is not None and number > self.plan.trials:
            return None
        if number <= len(self.plan.known):
            name, settings = self.plan.known[number - 1]
            return Trial(number, settings, name)
        seed = self.config.training.seed
        settings_next = propose(self.plan.fields, trials, self.rungs, seed=seed, number=number)
        if settings_next is None:
            self.log(Note("All possible settings were tried."))
            return None
        return Trial(number, settings_next)

    def _go_up(self, trial: Trial, trials: list[Trial], limits: Limits) -> RunStatus | None:
        """Train the trial until it is stopped or complete.

        Return a status only if the search ends here. ``trials`` and study.json are updated after
        each training.
        """
        for rung in self.rungs[trial.reached(self.rungs) :]:
            if trial.reached(self.rungs) and not goes_up(trial, trials, self.rungs):
                self._keep(replace(trial, state=STOPPED), trials)
                self._report_reached(trial, "stopped")
                return None
            for fold in rung.folds:
                if trial.measured(rung, fold):
                    continue
                if limits.stop_requested():
                    return RunStatus.INTERRUPTED
                reserve = self._reserve([*trials, trial], limits.minutes)
                seconds = self._expected(trial, rung, fold, trials)
                if not limits.budget.holds(seconds + reserve):
                    return RunStatus.OUT_OF_BUDGET
                self._keep(trial, trials)
                try:
                    reached = self._train(trial, rung, fold, limits.stop_before(reserve))
                except DivergedError as error:
                    self.log(Note(f"Trial {trial.number} diverged. {error.hint}", "warning"))
                    self._keep(replace(trial, state=DIVERGED), trials)
                    self._forget(trial, rung.number, fold)
                    return None
                if reached is None:
                    interrupted = limits.stop_requested()
                    return RunStatus.INTERRUPTED if interrupted else RunStatus.OUT_OF_BUDGET
                trial = trial.with_training(reached)
                self._keep(trial, trials)
                self._forget(trial, rung.number, fold)
        self._keep(replace(trial, state=COMPLETE), trials)
        self._report_reached(trial, "complete")
        return None

    def _train(self, trial: Trial, rung: Rung, fold: int, stop: StopRequested) -> HeldOut | None:
        """Run one training from its start or its checkpoint; None if it was stopped again."""
        member = self.member(trial, rung, fold)
        if read_finished(self.run, member) is None:
            self.log(self._next_note(trial, rung, fold))
            on_event = prefixed(f"trial {trial.number}", self.log, self._seen)
            ended = train_member(self.run, member, self.photos, on_event, stop)
            if ended == RunStatus.INTERRUPTED:
                return None
        finished = read_finished(self.run, member)
        if finished is None:
            raise RunError(
                f"{self.run.member(member.name).folder} was changed during its training.",
                f"Resume with: {self.run.resume_command}",
            )
        spec = ModelSpec.from_json(finished.run.read("model.json"))
        predictions = read_predictions(finished.predictions_path, spec.classes, spec.good)
        return measure(predictions, rung.number, fold, finished.seconds)

    def _keep(self, trial: Trial, trials: list[Trial]) -> None:
        """Put the trial in its place in ``trials`` and write all of them to study.json."""
        trials[trial.number - 1 :] = [trial]
        self.run.write("study.json", {"trials": [each.as_json() for each in trials]})

    def _forget(self, trial: Trial, rung: int, fold: int) -> None:
        """Delete the folder of a training after its figures are stored."""
        shutil.rmtree(self.run.member(_name(trial, rung, fold)).folder, ignore_errors=True)

    # ---- the winner ----------------------------------------------------------------------

    def train_best(self, trial: Trial, limits: Limits) -> RunStatus:
        """Train the winner on train with valid held out, as ``fit`` would; return how it ended.

        Finished, interrupted, or out of budget if it should take longer than the time left. Once
        begun, only Ctrl-C ends it.
        """
        member = self.best_member(trial)
        if read_finished(self.run, member) is not None:
            return RunStatus.FINISHED
        seconds = self._expected_final(trial, member)
        if not limits.budget.holds(seconds):
            self.log(
                Note(
                    f"Training the winner should take about {max(1, round(seconds / 60))} min, "
                    "more than is left of the budget: it is left to --resume.",
                    "warning",
                )
            )
            return RunStatus.OUT_OF_BUDGET
        split = self.photos.base
        self.log(
            Note(
                f"Training the winner, trial {trial.number}, on train ({len(split.train)} photos), "
                f"measured on valid ({len(split.valid)}), which the search did not use."
            )
        )
        self.photos.keep_for([member])
        on_event = prefixed(BEST, self.log, self._seen)
        ended = train_member(self.run, member, self.photos, on_event, limits.stop_requested)
        return RunStatus.INTERRUPTED if ended == RunStatus.INTERRUPTED else RunStatus.FINISHED

    # ---- duration ------------------------------------------------------------------------

    def _reserve(self, trials: Sequence[Trial], minutes: float) -> float:
        """Seconds to reserve for the final training of the future winner.

        This is the leader or the current trial, the last of ``trials``; the longer training
        counts. While no training is finished, reserve half of ``minutes``.
        """
        leaders = [trial for trial, _ in ranked(trials, self.rungs)[:1]]
        seconds = [
            expected_seconds(self._final_effort(trial), self._paces(trials))
            for trial in (*leaders, trials[-1])
        ]
        known = [each for each in seconds if each is not None]
        return _MARGIN * max(known) if known else _UNKNOWN_SHARE * 60 * minutes

    def _expected(self, trial: Trial, rung: Rung, fold: int, trials: Sequence[Trial]) -> float:
        """The expected remaining seconds of the next training; 0 without an estimate."""
        whole = expected_seconds(self._effort(trial, rung, fold), self._paces(trials)) or 0.0
        own = self.run.member(_name(trial, rung.number, fold))
        spent = seconds_of(own) if own.path("checkpoint.safetensors").exists() else 0.0
        return max(whole - spent, 0.0)

    def _expected_final(self, trial: Trial, member: Member) -> float:
        """The expected remaining seconds of the final training of a scored ``trial``."""
        paces = self._paces(read_trials(self.run))
        whole = expected_seconds(self._final_effort(trial), paces) or 0.0
        own = self.run.member(BEST)
        begun = own.path("checkpoint.safetensors").exists()
        begun = begun and own.read_config() == absolute(member.config)
        return max(whole - (seconds_of(own) if begun else 0.0), 0.0)

    def _paces(self, trials: Sequence[Trial]) -> list[tuple[Effort, float]]:
        """The effort and the seconds of each finished training."""
        by_number = {rung.number: rung for rung in self.rungs}
        return [
            (self._effort(trial, by_number[each.rung], each.fold), each.seconds)
            for trial in trials
            for each in trial.trainings
        ]

    def _effort(self, trial: Trial, rung: Rung, fold: int) -> Effort:
        held_out = len(self.folds.held_out(fold))
        train = len(self.folds.pool) - held_out
        return self._effort_of(trial, train=train, valid=held_out, epochs=rung.epochs)

    def _final_effort(self, trial: Trial) -> Effort:
        split, training = self.photos.base, self.config.training
        epochs = training.epochs * training.members
        return self._effort_of(trial, train=len(split.train), valid=len(split.valid), epochs=epochs)

    def _effort_of(self, trial: Trial, *, train: int, valid: int, epochs: int) -> Effort:
        arch = trial.settings.get("arch", self.config.model.arch)
        size = trial.settings.get("image_size", self.config.data.image_size)
        tiles = self.config.data.tile_count
        return Effort.of(
            arch, train=train, valid=valid, epochs=epochs, image_size=size, tiles=tiles
        )

    # ---- notes ---------------------------------------------------------------------------

    def _next_note(self, trial: Trial, rung: Rung, fold: int) -> Note:
        named = f" ({trial.known})" if trial.known else ""
        return Note(
            f"Trial {trial.number}{named}, rung {rung.number} of {len(self.rungs)}: fold {fold} of "
            f"{self.plan.folds} held out, epochs {rung.epochs}; {settings_text(trial.settings)}."
        )

    def _report_reached(self, trial: Trial, ended: str) -> None:
        reached = trial.reached(self.rungs)
        measured = trial.on(self.rungs[reached - 1], self.rungs)
        auc = sum(each.auc for each in measured) / len(measured)
        self.log(Note(f"Trial {trial.number} {ended} on rung {reached}: AUC {auc:.4f} held out."))


def _name(trial: Trial, rung: int, fold: int) -> str:
    return f"trial-{trial.number}-rung-{rung}-fold-{fold}"


def settings_text(settings: Mapping[str, Any]) -> str:
    """The settings as text."""
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in settings.items()
    )


def read_best(run: Run, config: RunConfig, trial: Trial) -> Finished | None:
    """The final training of ``trial``, if it has finished."""
    return read_finished(run, Member(BEST, configured(config, trial.settings)))


def _sizes(field: Field) -> int:
    """The number of image sizes in the field; 0 for another field."""
    return len(field.values) if isinstance(field, Choice) and field.name == "image_size" else 0


def _without(split: Split, manifest: Manifest, *, folds: Folds, fold: int) -> Split:
    """The split of the fold, which has no photo from outside train; ``split`` is not used."""
    return split_without(folds, fold)
