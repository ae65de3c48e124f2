"""The photos of several trainings: read once, parts found once, split for each training."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from fastdefect.config import DataConfig, RunConfig
from fastdefect.data.findings import Finding
from fastdefect.data.load import divide, limit_training, read_and_audit, read_data
from fastdefect.data.photos import Manifest
from fastdefect.data.settle import as_read
from fastdefect.data.splitting.split import Split, deal_again, read_split
from fastdefect.data.splitting.subsample import without_classes
from fastdefect.data.store import PhotoStore
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import DataError
from fastdefect.events import OnEvent, silent
from fastdefect.jobs.trained.run_photos import read_to_resume
from fastdefect.jobs.training.assemble import choose_machine
from fastdefect.jobs.training.parent import refuse_parent
from fastdefect.run import Run

Narrow = Callable[[Split, Manifest], Split]

# The settings that select the photos and their parts: equal for all members.
_COMMON = (
    *("data", "good", "rename", "join_defects", "learn", "part_from", "view_from", "label_from"),
    *("product_from", "resplit", "parts"),
    *("strict", "white", "max_megapixels"),
)
# No dots: a folder name must differ from the run's file names.
_NAME = re.compile(r"\w[\w+-]*")


@dataclass(frozen=True)
class Member:
    """One of several trainings on the same photos.

    ``name`` is the name of its folder. ``split_seed`` draws its train and valid, None for the seed
    of its config; all members have the same test. Then ``narrow``, if given, removes photos from
    train (``data/splitting/subsample.py``). ``lost`` are classes of the photos that this training
    does not have.
    """

    name: str
    config: RunConfig
    split_seed: int | None = None
    narrow: Narrow | None = None
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """The form in which pixels are stored."""

    image_size: int
    resize: str
    tiles: int
    background: tuple[float, ...] | None
    shared: bool


class SeriesPhotos:
    """The photos of all members, their parts, and their pixels in each form needed.

    ``base`` is the split by the config that the photos were read with.
    """

    def __init__(
        self,
        config: RunConfig,
        manifest: Manifest,
        base: Split,
        findings: tuple[Finding, ...],
        store: PhotoStore,
        parent: Run | None = None,
    ) -> None:
        """``parent`` is the run whose photos are read again, None for a new series."""
        self._parent = parent
        self.manifest, self.base, self.findings = manifest, base, findings
        self._common, self._seed = _common(config.data), config.training.seed
        self._stores = {_reading(config): store}
        self._splits: dict[Member, Split] = {}

    @classmethod
    def read(cls, config: RunConfig, on_event: OnEvent) -> "SeriesPhotos":
        """Read, audit and split the photos; raises the errors of ``load_training_data``."""
        refuse_parent(config)
        seed, workers = config.training.seed, choose_machine(config.training).workers
        audit, store = read_and_audit(config.data, seed=seed, workers=workers, on_event=on_event)
        config = as_read(config, audit.manifest)
        base = divide(audit.manifest, audit.parts, config.data, seed=seed, on_event=on_event)
        return cls(config, audit.manifest, base, audit.findings, store)

    @classmethod
    def read_again(cls, parent: Run, on_event: OnEvent) -> "SeriesPhotos":
        """Read the photos of an existing series, without searching for their parts again.

        Raises ``DataError`` if the photos have changed.
        """
        config = parent.read_config()
        workers = choose_machine(config.training).workers
        manifest, store = read_to_resume(parent, config.data, workers=workers, on_event=on_event)
        base = read_split(parent.path("split.csv"), manifest)
        return cls(config, manifest, base, manifest.findings, store, parent)

    def check(self, members: Sequence[Member]) -> None:
        """Split all ``members``; raises ``ValueError`` if they do not form one series."""
        names = [member.name for member in members]
        # Regardless of case: on Windows and macOS, A and a are the same folder.
        if len({name.casefold() for name in names}) < len(names):
            raise ValueError(f"Expected unique names of members, got {names}")
        for member in members:
            if not _NAME.fullmatch(member.name):
                raise ValueError(f"Expected a folder name without dots, got {member.name!r}")
            if _common(member.config.data) != self._common:
                raise ValueError(f"Expected equal {', '.join(_COMMON)} but {member.name} differs")
            self.split_of(member)

    def split_of(self, member: Member) -> Split:
        """The split of the member's training."""
        if member not in self._splits:
            seed = member.config.training.seed if member.split_seed is None else member.split_seed
            split = self._split(member.config.data, seed)
            narrowed = split if member.narrow is None else member.narrow(split, self.manifest)
            self._splits[member] = narrowed
        return self._splits[member]

    def _split(self, data: DataConfig, seed: int) -> Split:
        """The split by ``seed``, with the test of ``base``."""
        if seed == self._seed:
            return divide(self.manifest, self.base.parts, data, seed=seed, on_event=silent)
        split = deal_again(
            self.manifest,
            self.base,
            valid=data.valid,
            test=data.test,
            seed=seed,
            unleak=data.unleak,
        )
        return limit_training(self.manifest, split, data, seed=seed, on_event=silent)

    def data_of(self, member: Member, on_event: OnEvent) -> TrainingData:
        """The data for the member's training; photos are read if their pixels are missing."""
        manifest, split = self.listed(member)
        return TrainingData(manifest, self._store(member.config, on_event), split)

    def listed(self, member: Member) -> tuple[Manifest, Split]:
        """The photos of the member's training, and their split."""
        split = self.split_of(member)
        if not member.lost:
            return self.manifest, split
        return without_classes(split, self.manifest, member.lost)

    def keep_for(self, members: Iterable[Member]) -> None:
        """Discard pixels that none of ``members`` needs."""
        needed = {_reading(member.config) for member in members}
        self._stores = {how: store for how, store in self._stores.items() if how in needed}

    def _store(self, config: RunConfig, on_event: OnEvent) -> PhotoStore:
        how = _reading(config)
        if how not in self._stores:
            workers = 1 if how.shared else 0
            manifest, store = self._read(config.data, workers, on_event)
            if _identity(manifest) != _identity(self.manifest):
                raise DataError(
                    f"The photos in {manifest.root} have changed since the series began.",
                    "Restore them and continue with --resume, or start again.",
                )
            self._stores[how] = store
        return self._stores[how]

    def _read(
        self, data: DataConfig, workers: int, on_event: OnEvent
    ) -> tuple[Manifest, PhotoStore]:
        if self._parent is None:
            return read_data(data, workers=workers, on_event=on_event)
        return read_to_resume(self._parent, data, workers=workers, on_event=on_event)


def folder_names(names: Sequence[str], prefix: str = "") -> dict[str, str]:
    """A name of a folder for each of ``names``, as ``Member`` needs it.

    Names that differ only in case or signs get a number.
    """
    found: dict[str, str] = {}
    for name in names:
        plain = prefix + (re.sub(r"[^\w+-]+", "-", name).lstrip("-+") or "x")
        taken = {each.casefold() for each in found.values()}
        candidates = (plain, *(f"{plain}-{n}" for n in range(2, len(names) + 2)))
        found[name] = next(each for each in candidates if each.casefold() not in taken)
    return found


def _common(data: DataConfig) -> tuple[object, ...]:
    """The settings that all members share."""
    same = replace(data, data=data.data.resolve())
    return tuple(getattr(same, name) for name in _COMMON)


def _reading(config: RunConfig) -> _Reading:
    shared = choose_machine(config.training).workers > 0
    data = config.data
    return _Reading(data.image_size, data.resize, data.tile_count, data.background, shared)


def _identity(manifest: Manifest) -> list[tuple[str, str, int]]:
    return [(photo.name, photo.sha256, photo.row) for photo in manifest.photos]
