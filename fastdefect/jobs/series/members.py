"""One training of a series: its state on disk, its training, and its expected duration."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from fastdefect.data.splitting.split import read_split
from fastdefect.events import Event, Note, OnEvent, Progress
from fastdefect.jobs.fit import absolute, begin, go_on, reassemble
from fastdefect.jobs.series.budget import Effort, expected_seconds
from fastdefect.jobs.series.photos import Member, SeriesPhotos
from fastdefect.jobs.training.assemble import assemble
from fastdefect.jobs.training.interrupt import StopRequested
from fastdefect.jobs.training.log import Log
from fastdefect.run import Run, RunStatus
from fastdefect.run_registry import create_member

_ENDED = (RunStatus.FINISHED, RunStatus.EARLY_STOPPING)


@dataclass(frozen=True)
class Finished:
    """A training that has finished, by its last epoch or by early stopping.

    ``metrics`` by split, as in its metrics.json; ``seconds``: its duration, over all starts.
    """

    member: Member
    run: Run
    metrics: Mapping[str, Any]
    seconds: float

    @property
    def predictions_path(self) -> Path:
        """Its predictions of the validation photos, a CSV."""
        return self.run.predictions_path("valid")


# ---- state on disk -----------------------------------------------------------------------


def read_finished(parent: Run, member: Member) -> Finished | None:
    """The finished training; None if it has not finished or had other settings."""
    own = parent.member(member.name)
    if _status(own, member) not in _ENDED:
        return None
    return Finished(member, own, own.read("metrics.json"), seconds_of(own))


def has_diverged(parent: Run, member: Member) -> bool:
    """Whether the member was trained before, with its settings, and diverged."""
    return _status(parent.member(member.name), member) == RunStatus.DIVERGED


def has_same_split(own: Run, photos: SeriesPhotos, member: Member) -> bool:
    """Whether the run was trained on the member's split."""
    manifest, split = photos.listed(member)
    return read_split(own.path("split.csv"), manifest) == split


def _status(own: Run, member: Member) -> str | None:
    """The status of the member's run; None if there is no run or it had other settings."""
    if not (own.folder / "run.json").exists() or own.read_config() != absolute(member.config):
        return None
    return str(own.read_state()["status"])


def _progress(own: Run, member: Member, photos: SeriesPhotos) -> Literal["new", "begun", "other"]:
    """How far an unfinished member is: not begun, begun, or begun otherwise."""
    if not (own.folder / "run.json").exists():
        return "new"
    ended = own.read_state()["status"] in _ENDED
    if not own.path("checkpoint.safetensors").exists() and not ended:
        return "new"  # stopped before its first batch
    same = own.read_config() == absolute(member.config) and has_same_split(own, photos, member)
    return "begun" if same else "other"


# ---- training ----------------------------------------------------------------------------


def train_member(
    parent: Run,
    member: Member,
    photos: SeriesPhotos,
    on_event: OnEvent,
    stop_requested: StopRequested,
) -> RunStatus:
    """Train one member from its start or from its checkpoint; return how it ended.

    ``stop_requested`` is called after each batch; if true, the training saves its state and ends.
    """
    own, own_log = parent.member(member.name), Log(on_event)
    progress = _progress(own, member, photos)
    data = photos.data_of(member, on_event)
    began, spent = monotonic(), 0.0
    if progress == "begun":
        spent = seconds_of(own)
        own.update_state(seconds=None)  # if the process is killed now, the history has the seconds
        job, checkpoint = reassemble(own, own_log, data)
        report = go_on(own, job, checkpoint, own_log, stop_requested)
    else:
        if progress == "other":
            on_event(
                Note("was trained with other settings or photos; it is trained again.", "warning")
            )
            shutil.rmtree(own.folder)
        job = assemble(member.config, own_log, data=data)
        own = create_member(parent, member.name, absolute(member.config))
        report = begin(own, job, own_log, stop_requested)
    own.update_state(seconds=spent + monotonic() - began)
    if report.reason != RunStatus.INTERRUPTED:
        own.forget_checkpoint()  # four times the model's size, for each of many trainings
    return report.reason


def prefixed(name: str, on_event: OnEvent, seen: set[str]) -> Callable[[Event], None]:
    """Pass events on under the member's name; drop information that is in ``seen`` already.

    ``seen`` holds the texts of all members so far and grows.
    """

    def pass_on(event: Event) -> None:
        match event:
            case Note(text, level):
                if level != "info" or text not in seen:
                    on_event(Note(f"{name}: {text}", level))
                seen.add(text)
            case Progress(task, done, total):
                on_event(Progress(f"{name}: {task}", done, total))
            case _:
                on_event(event)

    return pass_on


# ---- duration ----------------------------------------------------------------------------


def seconds_of(own: Run) -> float:
    """The member's training time so far; of a killed one, that of its finished epochs."""
    known = own.read_state().get("seconds")
    if known is not None:
        return float(known)
    return sum(row["seconds"] for row in own.read_history())


def seconds_left_for(
    parent: Run, member: Member, finished: Iterable[Finished], photos: SeriesPhotos
) -> float | None:
    """The expected remaining seconds of a member, or None where no training has finished."""
    whole = expected_seconds(
        _effort(member, photos), [(_effort(e.member, photos), e.seconds) for e in finished]
    )
    own = parent.member(member.name)
    if whole is None or not own.path("checkpoint.safetensors").exists():
        return whole
    begun = _progress(own, member, photos) == "begun"
    return max(whole - (seconds_of(own) if begun else 0.0), 0.0)


def _effort(member: Member, photos: SeriesPhotos) -> Effort:
    config, split = member.config, photos.split_of(member)
    return Effort.of(
        config.model.arch,
        train=len(split.train),
        valid=len(split.valid),
        epochs=config.training.epochs,
        image_size=config.data.image_size,
        tiles=config.data.tile_count,
    )
