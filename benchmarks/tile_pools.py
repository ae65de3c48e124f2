"""How the tiles of a photo decide together: ways of pooling, on frozen features of strips.

    python benchmarks/tile_pools.py [--folder FOLDER]

Renders the strips of ``tiles.py``, computes the features of their tiles once, and fits a linear
classifier by each way: the worst tile, the mean of the three worst, the log-sum-exp (Pinheiro and
Collobert 2015) and gated attention (Ilse, Tomczak, Welling 2018, "Attention-based deep multiple
instance learning"), each by gradient steps on the labels of photos; and the probe with which a
training begins (``training/bag_probe.py``). Printed: the AUC of the test by size of defect.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from tiles import SIZES, TILES, render
from torch import Tensor, nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.data.reading.images import read_photo
from fastdefect.data.store import PhotoStore
from fastdefect.training.backbones import build_backbone
from fastdefect.training.bag_probe import Tiles, fit_bag_probe
from fastdefect.training.features import FrozenBackbone

STEPS, RATE, DECAY = 300, 1e-3, 1e-3
Scores = Callable[[Tensor], Tensor]  # features (n, tiles, d) to the evidence (n,)


def features_of(photos: Path, side: str) -> tuple[Tensor, NDArray[np.int64]]:
    """Features (n, tiles, d) of the photos of a side, and the size of the defect of each (n,)."""
    files = sorted(photos.glob(f"{side}-*.png"))
    backbone, _ = build_backbone("efficientnet-lite0", "auto", 224)
    steps = Preprocessing(224, "squish", backbone.mean, backbone.std)
    store = PhotoStore(len(files), 224, "squish", tiles=TILES["strip"], limit_mb=4096)
    for row, file in enumerate(files):
        store.put(row, read_photo(file))
    tiles = Tiles.of(store, range(len(files)))
    frozen = FrozenBackbone(backbone.body, steps, torch.device("cpu"))
    found = frozen.features(store.cells, tiles.rows.tolist())
    sizes = np.array([int(file.stem.rpartition("-")[2]) for file in files])
    return torch.from_numpy(found).reshape(len(files), -1, found.shape[1]), sizes


class Pooled(nn.Module):
    """A linear classifier of tiles, and a way to pool its evidence."""

    def __init__(self, width: int, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linear, self.pool = nn.Linear(width, 1), pool

    def forward(self, features: Tensor) -> Tensor:
        """The evidence (n,)."""
        found: Tensor = self.pool(self.linear(features)[..., 0])
        return found


class Attention(nn.Module):
    """Gated attention over tiles, with a linear classifier of the weighted mean of features."""

    def __init__(self, width: int, hidden: int = 128) -> None:
        super().__init__()
        self.value, self.gate = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.weight, self.linear = nn.Linear(hidden, 1), nn.Linear(width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """The evidence (n,)."""
        hidden = self.value(features).tanh() * self.gate(features).sigmoid()
        share = self.weight(hidden).softmax(dim=1)
        found: Tensor = self.linear((share * features).sum(dim=1))[..., 0]
        return found


def trained(model: nn.Module, features: Tensor, bad: Tensor) -> Scores:
    """The model after ``STEPS`` steps of AdamW on all photos."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(features), bad).backward()
        optimizer.step()
    return model


def probe(features: Tensor, bad: NDArray[np.bool_]) -> Scores:
    """The classifier with which a training begins."""
    n, most, width = features.shape
    photo, place = (each.reshape(-1) for each in np.indices((n, most)))
    tiles = Tiles(np.arange(n * most), photo, place, most)
    flat = features.reshape(-1, width).numpy()
    labels = bad.astype(np.int64)
    found = fit_bag_probe([flat], tiles, labels, [str(i) for i in range(n)], (0,), seed=0)
    direction = torch.from_numpy(found.weight[1] - found.weight[0]).float()
    return lambda given: (given @ direction).amax(dim=1)


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path)
    root = parser.parse_args().folder or Path(tempfile.mkdtemp(prefix="tile-pools-"))
    photos = root / "strip-False"
    if not photos.exists():
        photos.mkdir(parents=True)
        render(photos, "strip", marked=False)
    features, sizes = features_of(photos, "train")
    test, test_sizes = features_of(photos, "test")
    mean, scale = features.mean(dim=(0, 1)), features.std(dim=(0, 1)).clamp(min=1e-3)
    features, test = (features - mean) / scale, (test - mean) / scale
    bad, width = sizes > 0, features.shape[2]
    pools = {
        "worst": lambda each: each.amax(dim=1),
        "three worst": lambda each: each.topk(3, dim=1).values.mean(dim=1),
        "log-sum-exp": lambda each: each.logsumexp(dim=1),
        "mean": lambda each: each.mean(dim=1),
    }
    models: dict[str, Scores] = {"probe": probe(features, bad)}
    torch.manual_seed(0)
    for name, pool in pools.items():
        models[name] = trained(Pooled(width, pool), features, torch.from_numpy(bad).float())
    models["attention"] = trained(Attention(width), features, torch.from_numpy(bad).float())
    print(
        f"{'':12}" + "".join(f"{f'{size} px':>8}" for size in (*SIZES, 0)).replace(" 0 px", "  all")
    )
    for name, score in models.items():
        with torch.no_grad():
            found = score(test).numpy()
        aucs = []
        for size in (*SIZES, None):
            mine = (test_sizes == 0) | (test_sizes == size if size else test_sizes > 0)
            aucs.append(roc_auc_score(test_sizes[mine] > 0, found[mine]))
        print(f"{name:12}" + "".join(f"{auc:8.3f}" for auc in aucs))


if __name__ == "__main__":
    main()
