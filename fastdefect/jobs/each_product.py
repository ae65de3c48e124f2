"""``fastdefect fit --each-product``: train a run for each product of a folder, on one split.

The split is that of one model for all products with the same settings, so that ``compare`` can
compare that model with these, on the same photos.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from fastdefect.config import RunConfig
from fastdefect.data.photos import Manifest
from fastdefect.data.settle import as_read
from fastdefect.data.splitting.split import Split
from fastdefect.errors import DataError, UsageError
from fastdefect.events import Note, OnEvent, silent
from fastdefect.jobs.series.budget import Budget
from fastdefect.jobs.series.members import Finished
from fastdefect.jobs.series.photos import Member, SeriesPhotos, folder_names
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
from fastdefect.jobs.training.steps import with_enough_steps
from fastdefect.reporting.tables.products import TrainedProduct
from fastdefect.run import Run, RunKind
from fastdefect.text import first


@dataclass(frozen=True)
class EachProductReport:
    """The result: the trainings that have finished, by product."""

    series: SeriesReport
    products: tuple[TrainedProduct, ...]

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``."""
        series = self.series
        return {
            "run": str(series.run.folder),
            "reason": series.reason,
            "products": [each.as_json() for each in self.products],
            "diverged": [member.name for member in series.diverged],
            "left": [member.name for member in series.left],
            "seconds_left": series.seconds_left,
        }


@dataclass(frozen=True)
class _OfProduct:
    """The photos of one product on each side (``Member.narrow``)."""

    product: str

    def __call__(self, split: Split, manifest: Manifest) -> Split:
        train, valid, test = (
            tuple(i for i in side if manifest.photos[i].product == self.product)
            for side in (split.train, split.valid, split.test)
        )
        return Split(train, valid, test, split.parts)


def start(config: RunConfig, new_run: NewRun, *, on_event: OnEvent) -> EachProductReport:
    """Train a run for each product in a new run; nothing is written before all are checked.

    Raises ``DataError`` if fewer than two products can be trained, and ``UsageError`` for settings
    of several networks.
    """
    _refuse(config)
    check_one_epoch(config)
    log = Log(on_event)
    photos = SeriesPhotos.read(config, log)
    config = as_read(config, photos.manifest)
    members = _members(config, photos, log)
    config = settle(config, photos, log)
    members = {name: _settled(member, config) for name, member in members.items()}
    plan = {
        "members": {name: member.name for name, member in members.items()},
        "lost": {name: list(member.lost) for name, member in members.items()},
        "epochs": {name: member.config.training.epochs for name, member in members.items()},
    }
    run = create_series(RunKind.EACH_PRODUCT, config, list(members.values()), photos, new_run, plan)
    series = Series(run, list(members.values()), photos, log)
    return _close(run_series(series, Budget(None)))


def resume(run: Run, *, on_event: OnEvent) -> EachProductReport:
    """Train the products that are left; if none is, only report again."""
    plan = read_plan(run, RunKind.EACH_PRODUCT)
    config = run.read_config()
    try:
        members = [
            Member(
                name,
                _with_epochs(config, plan["epochs"][product]),
                narrow=_OfProduct(product),
                lost=tuple(plan["lost"][product]),
            )
            for product, name in plan["members"].items()
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged_plan(run, plan) from error
    return _close(resume_series(run, members, budget=Budget(None), log=Log(on_event)))


def members_by_product(run: Run) -> dict[str, Run]:
    """The finished runs of a series, by product; raises ``RunError`` for another run."""
    plan = read_plan(run, RunKind.EACH_PRODUCT)
    found = {product: run.member(name) for product, name in plan["members"].items()}
    return {p: own for p, own in found.items() if own.path("model.safetensors").exists()}


def _refuse(config: RunConfig) -> None:
    refuse_members(config)
    if config.report.folds is not None or config.training.final in ("folds", "refit"):
        raise UsageError(
            "--each-product trains one network for each product, without folds.",
            "Remove --folds and --final.",
        )


def _members(config: RunConfig, photos: SeriesPhotos, on_event: OnEvent) -> dict[str, Member]:
    """The training of each product that has photos for one, by product."""
    manifest = photos.manifest
    products = sorted({photo.product for photo in manifest.photos if photo.product})
    names = folder_names(products)
    members = {}
    for product in products:
        own = _OfProduct(product)(photos.base, manifest)
        only_good = config.data.learn == "good"
        if reason := _unfit(own, manifest, only_good=only_good):
            on_event(Note(f"{product} is not trained: {reason}.", "warning"))
            continue
        plain = replace(config, training=replace(config.training, final="none"))
        plain = with_enough_steps(plain, len(own.train), silent)
        lost = () if only_good else _lost(own, manifest)
        members[product] = Member(names[product], plain, narrow=_OfProduct(product), lost=lost)
    if len(members) < 2:
        raise DataError(
            f"--each-product needs two products or more with photos to train on, but found "
            f"{first(list(members)) or 'none'}.",
            "Give the product of each photo in a column product, or with --product-from REGEX.",
        )
    return members


def _lost(own: Split, manifest: Manifest) -> tuple[str, ...]:
    """The classes that train lacks, which are no classes of this training."""
    trained = {manifest.photos[i].label for i in own.train}
    return tuple(name for name in manifest.classes if name not in trained)


def _unfit(own: Split, manifest: Manifest, *, only_good: bool) -> str:
    """Why no model can be trained on these photos; empty if one can be."""
    if only_good:
        return "" if own.train and own.valid else "train or valid has no photo of it"
    lost = _lost(own, manifest)
    left = [name for name in manifest.classes if name not in lost]
    if len(left) < 2 or (manifest.good and not set(left) & set(manifest.good)):
        return f"its train has photos of {first(left) or 'no class'} alone"
    measured = [i for i in own.valid if manifest.photos[i].label in left]
    return "" if measured else "it has no validation photo"


def _settled(member: Member, config: RunConfig) -> Member:
    """``member`` with the recipe and weights of ``config``, but its own number of epochs."""
    own = replace(config, training=replace(config.training, final="none"))
    return replace(member, config=_with_epochs(own, member.config.training.epochs))


def _with_epochs(config: RunConfig, epochs: int) -> RunConfig:
    return replace(config, training=replace(config.training, epochs=epochs, final="none"))


def _close(series: SeriesReport) -> EachProductReport:
    """The figures of the finished trainings, from their files alone."""
    plan = series.run.read_state()["plan"]
    product_of = {name: product for product, name in plan["members"].items()}
    products = tuple(_trained(each, product_of[each.member.name]) for each in series.finished)
    return EachProductReport(series, products)


def _trained(finished: Finished, product: str) -> TrainedProduct:
    sides = Counter(row["split"] for row in finished.run.read("split.csv"))
    figures = dict(finished.metrics["valid"])
    return TrainedProduct(product, finished.member.name, sides["train"], sides["valid"], figures)
