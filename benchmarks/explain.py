"""Are the heat maps true? The checks of every method, beside maps without the network.

    python benchmarks/explain.py RUN [--photos 60] [--seed 0] [--of rendered|valid]

``rendered``: new parts of the sample, each photographed with and without its defect, so that the
difference of the two photos is the mask of the defect. RUN must be trained on such photos. Only
photos that the network rejects count. ``valid``: the validation photos that the run rejects; marked
places are used if the set has them. Prints for each method: hits of the pointing game, the share of
the evidence inside the mask, the mean P(defect) under deletion (low is good) and under insertion
into the photo without the defect (high is good), places that count more than others, the evidence
on the part, seconds for a photo, and the rank correlation with the maps of random weights (low is
good).
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from fastdefect.aliases import Floats, Floats32, Mask, Pixels
from fastdefect.data.reading.images import fit_to
from fastdefect.evaluation.predictions import read_predictions
from fastdefect.events import silent
from fastdefect.explain.attention import attention_on_part
from fastdefect.explain.cam import NetworkMaps, randomised, stages_of
from fastdefect.explain.checks import (
    BASELINES,
    deletion,
    insertion,
    likeness,
    pointing,
    remove_place,
)
from fastdefect.explain.methods import METHODS, Method
from fastdefect.explain.occlusion import without
from fastdefect.jobs.explaining.of_run import check_photo
from fastdefect.jobs.trained.heat_maps import RunMaps, explain_names, open_maps
from fastdefect.jobs.trained.request import Request
from fastdefect.run import Run
from fastdefect.sample.render import DEFECTS, Defect, photograph, render_part

_DIFFERENT = 12  # grey levels between the photos with and without the defect
_SHOWN_SIZE = 224  # of the bundled sample


@dataclass(frozen=True)
class Photos:
    """Photos that the network rejects.

    Where these are known: ``masks`` of their defects, and the same photos without the defect.
    """

    pixels: list[Pixels]
    masks: list[Mask] | None
    without: list[Pixels] | None
    parts: list[str]
    seen: int


def rendered(maps: RunMaps, n: int, seed: int) -> Photos:
    """New parts with an obvious or plain defect; those that the network rejects."""
    size = maps.spec.preprocessing.image_size
    pixels, masks, twins = [], [], []
    for k in range(n):
        defect = Defect(DEFECTS[k % len(DEFECTS)], 1 + k // len(DEFECTS) % 2)
        keys = [np.random.SeedSequence(seed, spawn_key=(9, k, j)) for j in range(4)]
        with_it = photograph(render_part(keys[0], size=_SHOWN_SIZE, defect=defect), keys[1])
        # A seed sequence counts what it spawned: the same keys again.
        keys = [np.random.SeedSequence(seed, spawn_key=(9, k, j)) for j in range(4)]
        twin = photograph(render_part(keys[0], size=_SHOWN_SIZE), keys[1])
        change = np.abs(with_it.pixels.astype(int) - twin.pixels).max(axis=2)
        mask = (cv2.blur(change.astype(np.float32), (3, 3)) > _DIFFERENT).astype(np.uint8)
        small = cv2.resize(mask * 255, (size, size), interpolation=cv2.INTER_AREA) > 60
        if small.any():
            pixels.append(fit_to(with_it.pixels, size, "squish"))
            masks.append(small)
            twins.append(fit_to(twin.pixels, size, "squish"))
    kept = [i for i, s in enumerate(maps.maps.score(np.stack(pixels))) if s > 0]
    return Photos(
        *([each[i] for i in kept] for each in (pixels, masks, twins)), [*map(str, kept)], n
    )


def validation(maps: RunMaps, n: int) -> Photos:
    """Validation photos of defects that the run rejects."""
    run, spec = maps.run, maps.spec
    said = read_predictions(run.predictions_path("valid"), spec.classes, spec.good)
    target = list(maps.target.of)
    right = np.isin(said.y_true, target) & np.isin(said.y_prob.argmax(axis=1), target)
    names = [said.names[i] for i in np.flatnonzero(right)[:n]]
    parts = {row["path"]: row["part"] for row in run.read("split.csv")}
    found = [check_photo(one, maps, parts) for one in explain_names(maps, names, silent)]
    masks = [photo.mask for photo in found if photo.mask is not None]
    known = len(masks) == len(found)
    return Photos(
        [photo.pixels for photo in found],
        masks if known else None,
        [without(photo.pixels, mask) for photo, mask in zip(found, masks, strict=True)]
        if known
        else None,
        [photo.part for photo in found],
        len(said.names),
    )


def row_of(
    name: str, draw: Callable[[Pixels], Floats32], photos: Photos, maps: NetworkMaps
) -> list[str]:
    """The figures of one kind of map."""

    def probability(pixels: Pixels) -> Floats:
        return np.asarray(1 / (1 + np.exp(-maps.score(pixels))))

    started = time.perf_counter()
    found = [draw(photo) for photo in photos.pixels]
    seconds = (time.perf_counter() - started) / len(found)
    cells = ["-", "-"]
    if photos.masks is not None:
        game = pointing(found, photos.masks)
        cells = [f"{game.rate:.0%}", f"{game.mass:.1%}"]
    pairs = list(zip(photos.pixels, found, strict=True))
    inserted = "-"
    if photos.without is not None:
        triples = zip(photos.pixels, found, photos.without, strict=True)
        curves = [insertion(photo, own, probability, start) for photo, own, start in triples]
        inserted = f"{np.mean(curves):.3f}"
    confirmed = [remove_place(photo, values, maps.score).confirms for photo, values in pairs]
    attention = attention_on_part(photos.pixels, found, photos.parts)
    on_part = "-"
    if attention.share is not None and attention.area is not None:
        on_part = f"{attention.share:.0%} of {attention.area:.0%}"
    return [
        name,
        *cells,
        f"{np.mean([deletion(*pair, probability) for pair in pairs]):.3f}",
        inserted,
        f"{np.mean(confirmed):.0%}",
        on_part,
        f"{seconds:.2f}",
    ]


def alike(photos: Photos, maps: NetworkMaps, most: int = 12) -> float:
    """The rank correlation with the maps of random weights."""
    pixels = np.stack(photos.pixels[:most])
    random = replace(maps, predictor=randomised(maps.predictor, pixels))
    pairs = zip(maps(pixels), random(pixels), strict=True)
    return float(np.mean([likeness(*pair) for pair in pairs]))


def methods_for(maps: RunMaps, names: list[str]) -> list[Method]:
    """The methods that can read the network."""
    (one, *_) = stages_of(maps.maps.predictor)
    usable = [m for m in METHODS.values() if m.needs != "linear head" or one.is_linear]
    return [m for m in usable if not names or m.name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--of", choices=("rendered", "valid"), default="rendered")
    parser.add_argument("--methods", nargs="*", default=[])
    given = parser.parse_args()
    maps = open_maps(Run(given.run), Request(device="cpu"), method="occlusion")
    photos = (
        rendered(maps, given.photos, given.seed)
        if given.of == "rendered"
        else validation(maps, given.photos)
    )
    area = f"{np.mean([m.mean() for m in photos.masks]):.1%}" if photos.masks else "unknown"
    print(f"{maps.spec.arch}, {len(photos.pixels)} rejected of {photos.seen}, defect {area}")
    if photos.without is not None:
        odds = maps.maps.score(np.stack(photos.without))
        print(f"mean P(defect) without the defect: {np.mean(1 / (1 + np.exp(-odds))):.3f}")
    print("| map | hits | mass inside | deletion | insertion | confirmed | on part | s | random |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for method in methods_for(maps, given.methods):
        own = replace(maps.maps, method=method)
        cells = row_of(method.name, lambda photo, own=own: own(photo[None])[0], photos, own)
        print(f"| {' | '.join(cells)} | {alike(photos, own):.2f} |", flush=True)
    for name, draw in BASELINES.items():
        print(f"| {' | '.join(row_of(name, draw, photos, maps.maps))} | - |", flush=True)


if __name__ == "__main__":
    main()
