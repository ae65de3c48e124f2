"""Learning from good parts alone: ``fit --learn good`` beside PatchCore as published.

    python benchmarks/only_good.py --sets sample [--good 100,30] [--draws 1,2,3]
    python benchmarks/only_good.py --sets casting --datasets DIR [--split part|photo]

Each draw holds out about a third of the parts (``--split photo``: of the photos, whose parts are
then known). Of the good photos of the rest, so many are the training photos: of whole parts, or
with ``--split photo`` drawn at random (``--even``: one of each part before a second one of any);
a tenth more are for the threshold. Both arms use the network with the installed weights,
``--image-size`` px, and are scored on the same held-out photos: AUROC of the photo, by difficulty
where it is known, and of difficulty 1 and 2 together. With ``--split photo`` also of the good
photos of parts that the memory has, and of those of new parts.

PatchCore (Roth et al. 2022): places of the second and third stage, each averaged over 3 x 3, a
coreset of a tenth of the places by greedy k-centre, at most 8,000, and the distance of the
farthest place. Without its re-weighting, which changes the order of photos little.
"""

import argparse
import csv
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from plain_sets import SETS, Row, Source, divide, thirds
from sklearn.metrics import roc_auc_score
from torch import nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.data.reading.images import USUAL, fit_to, read_photo
from fastdefect.files import write_csv
from fastdefect.jobs.trained.model import load_network
from fastdefect.run import Run
from fastdefect.training.backbones import Backbone, build_backbone
from fastdefect.training.efficientnet_lite import EFFICIENTNET_LITE0
from fastdefect.training.memory import Places, farthest, smooth
from fastdefect.training.stages import Tap

BATCH = 16


def main() -> None:
    """Run the draws and print a row of AUROC for each."""
    options = _options()
    source = Source(options.datasets, options.work.resolve(), sample_n=options.sample_n)
    for name in options.sets:
        rows = source.rows(name)
        difficulty = _difficulties(source, name)
        for n in options.good:
            for draw in options.draws:
                train, out = _sides(name, rows, draw, options.split)
                _one(name, (train, out), (n, draw), difficulty, options)


def _one(
    name: str,
    photos: tuple[Sequence[Row], Sequence[Row]],
    drawn: tuple[int | None, int],
    difficulty: dict[str, str],
    options: argparse.Namespace,
) -> None:
    good, (rest, out), (n, draw) = SETS[name], photos, drawn
    size, work = options.image_size, options.work
    rng = np.random.default_rng(draw)
    of_good = [row for row in rest if row.label == good]
    if options.split == "part":
        order = _whole_parts(of_good, rng)
    else:
        order = [of_good[index] for index in rng.permutation(len(of_good))]
        order = _even_parts(order) if options.even else order
    count = len(order) * 9 // 10 if n is None else min(n, len(order) * 9 // 10)
    train, valid = order[:count], order[count : count + max(count // 10, 4)]
    folder = work / "only-good" / f"{name}-{n or 'all'}-{draw}"
    folder.mkdir(parents=True, exist_ok=True)
    sides = {"train": train, "valid": valid, "test": list(out)}
    table = [
        {"path": row.path, "label": row.label, "part": row.part, "split": side}
        for side, rows in sides.items()
        for row in rows
    ]
    write_csv(folder / "photos.csv", table, ("path", "label", "part", "split"))
    started = time.perf_counter()
    _fastdefect(
        *("fit", str(folder / "photos.csv"), "--learn", "good", "--good", str(good)),
        *("--parts", "csv", "--arch", EFFICIENTNET_LITE0, "--seed", str(draw)),
        *("--image-size", str(size)),
        *("--runs", str(folder / "runs"), "--name", f"run-{time.time_ns()}", "--quiet"),
    )
    seconds = time.perf_counter() - started
    run = Run((folder / "runs" / "latest").resolve())
    truth = np.array([row.label != good for row in out])
    ours = _scores(run, out, size)
    cells = {
        "ours": roc_auc_score(truth, ours),
        "PatchCore": roc_auc_score(truth, patchcore([*train, *valid], out, size)),
    }
    for subset, chosen in _subsets(out, truth, {row.part for row in train}, difficulty):
        cells[subset] = roc_auc_score(truth[chosen], ours[chosen])
    text = "  ".join(f"{key} {value:.3f}" for key, value in cells.items())
    print(
        f"{name}, {len(train)} good, draw {draw}, {len(out)} held out: {text}  {seconds:.0f} s",
        flush=True,
    )


def _subsets(
    out: Sequence[Row], truth: np.ndarray, known: set[str], difficulty: dict[str, str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield which photos of ``out`` are compared beside all: their name and a mask.

    They are the defects of some difficulties beside all good photos, or all defects beside the
    good photos of parts that are ``known``, then of new parts.
    """
    for grades in ("12", "1", "2", "3") if difficulty else ():
        wanted = np.array([difficulty.get(row.path, "-") in grades for row in out])
        yield f"difficulty {' and '.join(grades)}", ~truth | wanted
    is_known = np.array([row.part in known for row in out])
    for text, good in (("known parts", is_known), ("new parts", ~is_known)):
        if is_known.any() and (good & ~truth).any():
            yield text, truth | good


def _scores(run: Run, rows: Sequence[Row], size: int) -> np.ndarray:
    """The run's distances of photos."""
    predictor, _ = load_network(run, "cpu")
    places, (memory,) = predictor.network  # type: ignore[misc]
    steps = predictor.preprocessing
    with torch.inference_mode():
        found = [memory.scores(maps) for maps in _features(places, steps, rows, size)]
    return torch.cat(found).numpy()


def patchcore(train: Sequence[Row], rows: Sequence[Row], size: int) -> np.ndarray:
    """The scores of PatchCore for ``rows``, from all of the photo."""
    backbone, _ = build_backbone(EFFICIENTNET_LITE0, "auto", size)
    body = Published(backbone.body, backbone.taps[:2]).eval()
    known = torch.cat([_flat(m) for m in _features(body, backbone, train, size)])
    known = known.reshape(-1, known.shape[-1])
    memory = known[farthest(known, min(len(known) // 10, 8000), 0)]
    scores = []
    for maps in _features(body, backbone, rows, size):
        scores.append(torch.cdist(_flat(maps), memory[None]).amin(dim=2).amax(dim=1))
    return torch.cat(scores).numpy()


class Published(Places):
    """The places of the second and third stage, each averaged over 3 x 3."""

    def __init__(self, body: nn.Module, taps: Sequence[Tap]) -> None:
        super().__init__(body, taps)
        self.describe = smooth


def _flat(maps: torch.Tensor) -> torch.Tensor:
    return maps.flatten(2).transpose(1, 2)


def _features(
    body: nn.Module, norm: Backbone | Preprocessing, rows: Sequence[Row], size: int
) -> Iterator[torch.Tensor]:
    """Yield what ``body`` gives for the photos of ``rows``, in batches."""
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (norm.mean, norm.std))
    for start in range(0, len(rows), BATCH):
        photos = [
            fit_to(read_photo(Path(row.path), USUAL), size, "squish")
            for row in rows[start : start + BATCH]
        ]
        batch = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            yield body((batch - mean) / std)


def _sides(
    name: str, rows: Sequence[Row], draw: int, split: str
) -> tuple[Sequence[Row], Sequence[Row]]:
    """The photos to learn from, and those that are held out."""
    if split == "part":
        (sides,) = divide(name, rows, draw)
        return sides.rest, sides.held_out
    out = [third == 0 for third in thirds([row.path for row in rows], str(draw))]
    return [r for r, o in zip(rows, out, strict=True) if not o], [
        r for r, o in zip(rows, out, strict=True) if o
    ]


def _whole_parts(rows: Sequence[Row], rng: np.random.Generator) -> list[Row]:
    """The photos in a random order of their parts."""
    parts = rng.permutation(sorted({row.part for row in rows})).tolist()
    return sorted(rows, key=lambda row: parts.index(row.part))


def _even_parts(rows: Sequence[Row]) -> list[Row]:
    """The photos in their order, but one of each part first, then a second one of each."""
    seen: Counter[str] = Counter()
    turn = []
    for row in rows:
        turn.append(seen[row.part])
        seen[row.part] += 1
    return [row for _, row in sorted(zip(turn, rows, strict=True), key=lambda pair: pair[0])]


def _difficulties(source: Source, name: str) -> dict[str, str]:
    """The difficulty of the defect by path, for the rendered sample."""
    if name != "sample":
        return {}
    table = next((source.work / "sets").glob(f"sample-{source.sample_n}-*/labels.csv"))
    with table.open(encoding="utf-8", newline="") as file:
        return {
            str((table.parent / row["path"]).resolve()): row.get("difficulty", "")
            for row in csv.DictReader(file)
        }


def _fastdefect(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "fastdefect", *arguments], check=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    numbers = lambda text: [None if t == "all" else int(t) for t in text.split(",")]  # noqa: E731
    parser.add_argument("--sets", type=lambda text: text.split(","), default=["sample"])
    parser.add_argument("--good", type=numbers, default=[None], help="all, or numbers of photos")
    parser.add_argument("--draws", type=numbers, default=[1, 2, 3])
    parser.add_argument("--split", choices=("part", "photo"), default="part")
    parser.add_argument("--even", action="store_true", help="photos of as many parts as possible")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--datasets", type=Path)
    parser.add_argument("--work", type=Path, default=Path("only-good-work"))
    parser.add_argument("--sample-n", type=int, default=600)
    return parser.parse_args()


if __name__ == "__main__":
    main()
