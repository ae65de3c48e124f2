"""Train again without each type of defect, with the settings of a run, as a series inside it.

A training without a type has no photo of it, neither to learn from nor to choose its epoch and
temperature. It also lacks all training photos of the parts that show the type, so that it can't
know their surface: then even the excluded training photos can measure it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastdefect.config import RunConfig
from fastdefect.config_resolve import override
from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.folds import fold_numbers
from fastdefect.data.splitting.split import Split
from fastdefect.errors import DataError, RunError, UsageError
from fastdefect.evaluation.defect_types import BY_CLASS, TypesOf, find_types
from fastdefect.events import Note, OnEvent
from fastdefect.files import typed
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.members import read_finished
from fastdefect.jobs.series.photos import Member, SeriesPhotos, folder_names
from fastdefect.jobs.series.series import (
    Series,
    SeriesReport,
    resume_series,
    run_series,
    series_inside,
)
from fastdefect.jobs.trained.model import read_spec
from fastdefect.jobs.trained.run_photos import find_run_photos
from fastdefect.jobs.training.log import Log
from fastdefect.reporting.tables.unfinished import left_line
from fastdefect.run import UNSEEN_FOLDER, Run, RunKind
from fastdefect.text import counted, first

_MEASURING_FOLD = 1  # the fold whose good photos no network of these trainings has seen


class UnfinishedError(RunError):
    """Ctrl-C ended the trainings; their state is kept."""

    exit_code = 130  # that of Ctrl-C


@dataclass(frozen=True)
class LeftOut:
    """A type of defect, and the run that was trained without it; None if it diverged.

    ``photos`` is the number of photos that the training lacks.
    """

    name: str
    run: Run | None
    photos: int


@dataclass(frozen=True)
class WithoutTypes:
    """The trainings of a run without each type. ``trained`` are names of photos in any of them.

    ``of_good``: there are none, as the run has learned from good parts alone.
    """

    types: TypesOf
    left_out: tuple[LeftOut, ...]
    trained: frozenset[str]
    of_good: bool = False


@dataclass(frozen=True)
class _Known:
    """The photos of a run by name: side, part, label, and types of defect."""

    side: Mapping[str, str]
    part: Mapping[str, str]
    label: Mapping[str, str]
    types: Mapping[str, frozenset[str]]

    def on(self, side: str) -> list[str]:
        return [name for name, own in self.side.items() if own == side]

    def of_type(self, kind: str) -> set[str]:
        return {name for name, shown in self.types.items() if kind in shown}


@dataclass(frozen=True)
class _Only:
    """Train and validate on these photos alone, by name (``Member.narrow``)."""

    train: frozenset[str]
    valid: frozenset[str]

    def __call__(self, split: Split, manifest: Manifest) -> Split:
        return replace(
            split,
            train=_at(manifest, self.train),
            valid=_at(manifest, self.valid),
        )


def train_without_types(run: Run, on_event: OnEvent) -> WithoutTypes:
    """Train what is left of the series in ``run``; finished trainings are kept.

    Raises ``DataError`` for photos without two types to leave out, ``UsageError`` for a run that
    began with the weights of another, and ``UnfinishedError`` after Ctrl-C.
    """
    log = Log(on_event)
    spec = read_spec(run)
    if not spec.good:
        raise DataError(
            f"Escapes of an unseen type need a good class, but {run.name} has none.",
            "Train with --good NAME.",
        )
    config = _settings(run, spec.views)
    known, types = _read_known(run, spec.good, on_event)
    if config.data.learn == "good":
        return _of_good(run, known, types)
    members = _members(config, known, types, log)
    ended = _train(run, config, list(members.values()), log)
    if ended.left:
        left = left_line(
            len(ended.finished), [each.name for each in ended.left], ended.seconds_left
        )
        raise UnfinishedError(
            f"Interrupted: {left} Nothing was measured.",
            f"Continue with: {ended.run.resume_command}",
        )
    finished = {each.member.name: each.run for each in ended.finished}
    return WithoutTypes(
        types,
        tuple(
            LeftOut(kind, finished.get(member.name), _lacks(known, member))
            for kind, member in members.items()
        ),
        frozenset(name for member in members.values() for name in _kept(member).train),
    )


def _of_good(run: Run, known: _Known, types: TypesOf) -> WithoutTypes:
    """The run itself, for every type: it has learned from good parts alone."""
    kinds = sorted(frozenset[str]().union(*known.types.values()))
    left_out = tuple(LeftOut(kind, run, 0) for kind in kinds)
    return WithoutTypes(types, left_out, frozenset(known.on("train")), of_good=True)


def _read_known(run: Run, good: tuple[str, ...], on_event: OnEvent) -> tuple[_Known, TypesOf]:
    """The photos of the run, and what tells the types of their defects apart."""
    photos = find_run_photos(run, on_event).found.photos
    rows = {photo.row["path"]: photo.row for photo in photos}
    columns = {photo.row["path"]: dict(photo.entry.columns) for photo in photos}
    types = find_types([row["label"] for row in rows.values()], list(columns.values()), good)
    return (
        _Known(
            _sides(run, rows),
            {name: row["part"] for name, row in rows.items()},
            {name: row["label"] for name, row in rows.items()},
            {name: types(row["label"], columns[name]) for name, row in rows.items()},
        ),
        types,
    )


def _sides(run: Run, rows: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The side of each photo; with folds, one of them is valid and the others are train."""
    if not run.path("folds.csv").exists():
        return {name: row["split"] for name, row in rows.items()}
    fold = fold_numbers(run.path("folds.csv"))
    held_out = {name for name, number in fold.items() if number == _MEASURING_FOLD}
    return {
        name: row["split"] if not fold.get(name) else "valid" if name in held_out else "train"
        for name, row in rows.items()
    }


def _settings(run: Run, views: str) -> RunConfig:
    """The settings of the run for one network, which averages the same views."""
    config = run.read_config()
    weights = Path(config.model.weights)
    if config.model.from_run is not None or (weights / "run.json").is_file():
        raise UsageError(
            f"--unseen-types trains from the first weights of {run.name}, but these come from "
            f"another run, which may have seen the types: {config.model.from_run or weights}.",
            "Use a run that began with weights of other photos, such as those of ImageNet.",
        )
    training = replace(config.training, members=1, final="none")
    if run.path("folds.csv").exists():
        training = replace(training, keep="last", patience=0)  # as the networks of the folds
    config = replace(config, training=training)
    return override(config, {"folds": None, "target": (), "targets": "none", "views": views})


def _members(
    config: RunConfig, known: _Known, types: TypesOf, on_event: OnEvent
) -> dict[str, Member]:
    """One training without each type that is in train, by type."""
    in_train = [known.types[name] for name in known.on("train")]
    kinds = sorted(frozenset[str]().union(*in_train))
    if len(kinds) < 2:
        raise DataError(
            f"Expected two or more types of defect in train, but found {first(kinds) or 'none'}: "
            "without it there is no defect to learn from.",
            f"The types are those of {types.column}; add photos of another type to train.",
        )
    names = folder_names(kinds, "without-")
    members = {}
    for kind in kinds:
        lost = (kind,) if types.column == BY_CLASS else ()
        member = _member(names[kind], config, known, kind, lost)
        expected = {known.label[name] for name in known.on("train")} - set(lost)
        absent = expected - {known.label[name] for name in _kept(member).train}
        if absent:
            on_event(
                Note(
                    f"{kind} is not left out: without it and its parts, train has no photo of "
                    f"{first(sorted(absent))}.",
                    "warning",
                )
            )
        else:
            members[kind] = member
    if not members:
        raise DataError(
            "No type of defect can be left out: each is on the parts of all others.",
            "Add photos of parts that show one type alone.",
        )
    return members


def _member(
    name: str, config: RunConfig, known: _Known, kind: str, lost: tuple[str, ...]
) -> Member:
    """The training without ``kind``; ``lost`` is its class, if it is one."""
    shown = known.of_type(kind)
    parts = {known.part[name] for name in shown}
    only = _Only(
        frozenset(n for n in known.on("train") if n not in shown and known.part[n] not in parts),
        frozenset(n for n in known.on("valid") if n not in shown),
    )
    if not any(known.types[n] for n in only.valid):  # no defect that could choose an epoch
        training = replace(config.training, keep="last", patience=0)
        config = replace(config, training=training)
    return Member(name, config, narrow=only, lost=lost)


def _train(run: Run, config: RunConfig, members: Sequence[Member], log: Log) -> SeriesReport:
    """Train the members that are left; the photos are read only if there is one."""
    own = run.member(UNSEEN_FOLDER)
    if all(read_finished(own, member) is not None for member in members):
        return resume_series(own, members, budget=Budget(None), log=log)
    log(Note(_plan_text(run, config, members)))
    photos = SeriesPhotos.read_again(run, log)
    own = series_inside(run, UNSEEN_FOLDER, RunKind.UNSEEN_TYPES, config, members, photos)
    return run_series(Series(own, members, photos, log), Budget(None))


def _plan_text(run: Run, config: RunConfig, members: Sequence[Member]) -> str:
    """The number of trainings, their expected time, and what differs from the run's own."""
    networks = max(len(run.members()), 1)
    seconds = sum(row["seconds"] for row in run.read_whole_history()) / networks * len(members)
    text = (
        f"{counted(len(members), 'training')}, each without one type of defect, with the settings "
        f"of {run.name}: about {max(1, round(seconds / 60))} min, in {typed(run.folder)}."
    )
    if networks > 1:
        text += f" The run averages {networks} networks; each of these trainings is of one."
    return text


def _lacks(known: _Known, member: Member) -> int:
    only = _kept(member)
    return sum(
        name not in getattr(only, side) for side in ("train", "valid") for name in known.on(side)
    )


def _kept(member: Member) -> _Only:
    if not isinstance(member.narrow, _Only):
        raise TypeError(f"Expected a training without a type, got {member}")
    return member.narrow


def _at(manifest: Manifest, names: Collection[str]) -> tuple[int, ...]:
    return tuple(i for i, photo in enumerate(manifest.photos) if photo.name in names)
