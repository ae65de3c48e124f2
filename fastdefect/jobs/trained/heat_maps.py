"""The heat maps of a run's photos, by the network that may judge each."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from fastdefect.aliases import Floats32, Pixels
from fastdefect.data.photos import VIEW_COLUMN, Entry
from fastdefect.data.reading.frame import Area, TileBox
from fastdefect.data.reading.images import (
    Decoded,
    Reading,
    UnreadablePhoto,
    decode,
    read_bytes,
)
from fastdefect.data.splitting.folds import fold_numbers
from fastdefect.data.splitting.split import saved_rows
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.explain.cam import NetworkMaps, stages_of
from fastdefect.explain.maps import HeatMap, laid_on, within
from fastdefect.explain.methods import AUTO, METHODS, Method, choose_method
from fastdefect.explain.occlusion import worst_box
from fastdefect.explain.overlay import to_show
from fastdefect.explain.target import Target, choose_target
from fastdefect.jobs.trained.model import judges_of, load_network
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import photos_to_show, settle_root
from fastdefect.run import Run
from fastdefect.text import first
from fastdefect.training.joint import Joint
from fastdefect.training.learner import ModelSpec
from fastdefect.training.predict import Predictor

_BATCH = 16


@dataclass(frozen=True)
class Explained:
    """A photo with its heat map.

    ``pixels`` (size, size, 3) and ``raw`` (size, size) are those of the network, ``area`` is where
    they show the photo; ``raw`` is 0 elsewhere. ``shown`` is the photo in its own shape, as large
    as ``map``. ``width`` and ``height`` are those of the file. ``tile`` is the tile with the most
    evidence for the target, None without tiles.
    """

    entry: Entry
    width: int
    height: int
    pixels: Pixels
    raw: Floats32
    area: Area
    shown: Pixels
    map: HeatMap
    tile: TileBox | None = None

    @property
    def name(self) -> str:
        """The name of the photo."""
        return self.entry.name


@dataclass(frozen=True)
class RunMaps:
    """The heat maps of a run's model by one method.

    ``judges``: the networks trained without each fold, if its photos were held out in turn, and
    ``fold``: the fold of each photo by name, from 1. ``views``: the view of each photo by name,
    None if it is not known.
    """

    run: Run
    spec: ModelSpec
    method: Method
    maps: NetworkMaps
    judges: Sequence[NetworkMaps]
    fold: Mapping[str, int]
    views: Mapping[str, str | None]
    _of_views: dict[tuple[int, str | None], NetworkMaps] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """What the maps explain."""
        return self.maps.target

    @property
    def reading(self) -> Reading:
        """How the run reads photos."""
        return Reading.of(self.run.read_config().data)

    def judge_of(self, name: str) -> NetworkMaps:
        """The network that did not train on the validation photo ``name``, for its view."""
        number = self.fold.get(name) or 0
        judge = self.judges[number - 1] if number and self.judges else self.maps
        key = number, self.views.get(name)
        if key not in self._of_views:
            self._of_views[key] = judge.of_view(key[1])
        return self._of_views[key]

    def on_photo(self, raw: Floats32, width: int, height: int) -> HeatMap:
        """The map of a photo of this size from the evidence of the network."""
        return laid_on(raw, width, height, self.spec.preprocessing.frame)


def open_maps(
    run: Run, request: Request, *, method: str = AUTO, class_name: str | None = None
) -> RunMaps:
    """The heat maps of the run's model by ``method``, of ``class_name`` or of defect against good.

    Raises ``UsageError`` for a method or class that the model does not have.
    """
    predictor, spec = load_network(run, request.device)
    target = choose_target(spec.classes, spec.good_indices, class_name)
    maps = maps_of(predictor, spec, target, method)
    folds = run.path("folds.csv")
    fold = fold_numbers(folds) if folds.exists() else {}
    judges = judges_of(run, predictor, list(fold.values()))
    views = {row["path"]: row.get(VIEW_COLUMN) for row in saved_rows(run.path("split.csv"))}
    of_folds = [replace(maps, predictor=judge) for judge in judges]
    return RunMaps(run, spec, maps.method, maps, of_folds, fold, views)


def maps_of(predictor: Predictor, spec: ModelSpec, target: Target, method: str) -> NetworkMaps:
    """The heat maps of a network by ``method``; raises ``UsageError`` if it does not have it."""
    half = _half_for(method, predictor)
    (one, *_) = stages_of(half)
    chosen = choose_method(method, spec.arch, stages=len(one.names), head=one.kind)
    return NetworkMaps(predictor if chosen.needs == "outputs" else half, target, chosen)


def _half_for(method: str, predictor: Predictor) -> Predictor:
    """The half of a joint model whose inside ``method`` reads: the memory, or the classifier."""
    network, known = predictor.network, METHODS.get(method)
    if not isinstance(network, Joint):
        return predictor
    of_memory = known is not None and known.needs == "memory"
    return replace(predictor, network=network.memory if of_memory else network.classifier)


def heat_maps(
    run: Run, request: Request, names: Sequence[str], on_event: OnEvent, *, method: str = AUTO
) -> dict[str, HeatMap]:
    """The heat maps of the photos ``names`` of the run, by name.

    A map has the shape of its photo, at most 480 pixels wide and high. Photos that are missing or
    unreadable have none, and are reported.
    """
    settle_root(run, request.data_root, (), on_event)
    maps = open_maps(run, request, method=method)
    return {each.name: each.map for each in explain_names(maps, names, on_event)}


def explain_names(
    maps: RunMaps, names: Sequence[str], on_event: OnEvent, *, label: str = "heat maps"
) -> Iterator[Explained]:
    """The photos ``names`` of the run with their maps, in their order; missing ones are left out.

    The test stays sealed: no prediction is written and no label is read.
    """
    entries = photos_to_show(maps.run, names, on_event)
    if gone := [name for name in names if name not in entries]:
        text = f"{len(gone)} of {len(names)} photos to explain are missing: {first(gone)}."
        on_event(Note(text, "warning"))
    found = [name for name in names if name in entries]
    done = 0
    for judge in dict.fromkeys(maps.judge_of(name) for name in found):
        mine = [name for name in found if maps.judge_of(name) is judge]
        for start in range(0, len(mine), _BATCH):
            some = mine[start : start + _BATCH]
            yield from _explained(maps, judge, [entries[name] for name in some], on_event)
            done += len(some)
            on_event(Progress(label, done, len(found)))


def _explained(
    maps: RunMaps, judge: NetworkMaps, entries: Sequence[Entry], on_event: OnEvent
) -> Iterator[Explained]:
    how, frame = maps.reading, maps.spec.preprocessing.frame

    def read(entry: Entry) -> Decoded | str:
        try:
            return decode(read_bytes(entry.path), str(entry.path), how)
        except UnreadablePhoto as error:
            return error.reason

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        given = list(pool.map(read, entries))
    readable: list[tuple[Entry, Decoded]] = []
    for entry, photo in zip(entries, given, strict=True):
        if isinstance(photo, str):
            on_event(Note(f"{entry.name} can't be explained: {photo}.", "warning"))
        else:
            readable.append((entry, photo))
    if not readable:
        return
    taken = [frame.take(photo.pixels, (photo.width, photo.height)) for _, photo in readable]
    raws = judge(np.stack([each.pixels for each in taken]))
    for (entry, photo), each, raw in zip(readable, taken, raws, strict=True):
        shown = to_show(photo.pixels)
        height, width = photo.pixels.shape[:2]
        heat = maps.on_photo(raw, width, height)
        area = frame.area(width, height)
        inside = within(raw, area)
        tile = worst_box(each, judge.score, frame)
        yield Explained(
            entry, photo.width, photo.height, each.pixels, inside, area, shown, heat, tile
        )
