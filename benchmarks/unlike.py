"""How well photos unlike the training photos are detected, and what the check costs.

    python benchmarks/unlike.py RUN [--set NAME=FOLDER ...] [--most 60]

The known photos are those of the run's sealed test: other parts, which chose nothing (the opening
is noted in the run). The others are the photos of each --set, noise, black frames with sensor
noise, and the known photos in a quarter of the light, lit from below, with a dark half, inverted,
blurred and upside down. Prints for each the AUROC against the known photos, the share that is sent
to people as unlike, and how many photos pass as OK without the check and with it.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from fastdefect.data.reading.images import IMAGE_SUFFIXES, fit_to, read_photo
from fastdefect.inference.judge import Decision, Judge
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.trained.model import read_spec
from fastdefect.jobs.trained.photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.scorer import run_scorer
from fastdefect.run import Run

Pixels = NDArray[np.uint8]
_BATCH = 16


def _ramp(photos: Pixels) -> Pixels:
    size = photos.shape[1]
    return (photos * np.linspace(0.3, 1.0, size)[None, :, None, None]).astype(np.uint8)


def _dark_half(photos: Pixels) -> Pixels:
    changed = photos.copy()
    changed[:, :, photos.shape[2] // 2 :] = 0
    return changed


DISTURBED: Mapping[str, Callable[[Pixels], Pixels]] = {
    "a quarter of the light": lambda photos: (photos * 0.25).astype(np.uint8),
    "lit from below": _ramp,
    "a dark half": _dark_half,
    "inverted": lambda photos: 255 - photos,
    "out of focus": lambda photos: np.stack([cv2.GaussianBlur(p, (0, 0), 5) for p in photos]),
    "upside down": lambda photos: photos[:, ::-1, ::-1],
}


def _others(known: Pixels, sets: Mapping[str, Path], most: int) -> dict[str, Pixels]:
    rng = np.random.default_rng(0)
    size = known.shape[1]
    found: dict[str, Pixels] = {}
    for name, folder in sets.items():
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        chosen = rng.permutation(len(files))[:most]
        found[name] = np.stack([fit_to(read_photo(files[i]), size, "squish") for i in chosen])
    found["noise"] = rng.integers(0, 256, (20, size, size, 3), dtype=np.uint8)
    found["black frames"] = rng.poisson(3, (20, size, size, 3)).clip(0, 255).astype(np.uint8)
    chosen = known[rng.permutation(len(known))[:most]]
    return found | {name: change(chosen) for name, change in DISTURBED.items()}


def _decide(scorer: Scorer, pixels: Pixels) -> tuple[list[Decision], NDArray[np.float64]]:
    decisions, scores = [], []
    for start in range(0, len(pixels), _BATCH):
        outputs = scorer.network(pixels[start : start + _BATCH])
        decisions += scorer.judge.decide(outputs, [0.0] * len(outputs.y_prob))
        assert scorer.judge.reference is not None
        assert outputs.features is not None
        scores.append(scorer.judge.reference.distances(outputs.features, outputs.tiles).photos)
    return decisions, np.concatenate(scores)


def n_passed(judge: Judge, decisions: Sequence[Decision]) -> int:
    """How many the decision rule passes, whatever the check for unlike photos says."""
    return sum(judge.classes.index(each.label) in judge.good for each in decisions)


def _known(run: Run, request: Request) -> tuple[EvaluationPhotos, Pixels]:
    photos = load_evaluation_photos(
        run, request, read_spec(run), what="benchmark of unlike photos", on_event=lambda _: None
    )
    return photos, photos.store[np.array(photos.rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=FOLDER", dest="sets")
    parser.add_argument("--most", type=int, default=60)
    options = parser.parse_args()
    run = Run(options.run)
    request = Request(split="test", device="cpu", command="benchmarks/unlike.py")
    scorer = run_scorer(run, request, lambda _: None)
    reference = scorer.judge.reference
    if reference is None:
        raise SystemExit("The photos of the run are not found.")
    photos, pixels = _known(run, request)
    decisions, known = _decide(scorer, pixels)
    flagged = np.array([d.unlike for d in decisions])
    parts = {part for part, is_unlike in zip(photos.parts, flagged, strict=True) if is_unlike}
    print(
        f"{len(reference.scores)} parts calibrate the check; level {reference.level:.1%}.\n"
        f"Known photos sent to people: {flagged.sum()} of {len(flagged)} ({flagged.mean():.1%}); "
        f"parts with such a photo: {len(parts)} of {len(set(photos.parts))}.\n"
    )
    print(f"{'photos':24}{'n':>5}{'AUROC':>8}{'unlike':>9}{'OK without':>12}{'OK with':>9}")
    sets = {
        name: Path(folder) for name, _, folder in (each.partition("=") for each in options.sets)
    }
    for name, others in _others(pixels, sets, options.most).items():
        decisions, scores = _decide(scorer, others)
        auroc = roc_auc_score([0] * len(known) + [1] * len(scores), [*known, *scores])
        unlike = np.mean([d.unlike for d in decisions])
        ok = sum(d.decision == "OK" for d in decisions)
        passed = n_passed(scorer.judge, decisions)
        print(f"{name:24}{len(scores):>5}{auroc:>8.3f}{unlike:>9.1%}{passed:>12}{ok:>9}")


if __name__ == "__main__":
    main()
