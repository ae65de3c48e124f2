"""fastai DataLoaders over the decoded photos: augmented, balanced, repeatable."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from fastai.callback.data import WeightedDL
from fastai.data.block import CategoryBlock, DataBlock, TransformBlock
from fastai.data.core import DataLoaders
from fastai.data.transforms import IndexSplitter, Normalize
from fastai.torch_core import Transform
from fastai.vision.core import PILImage
from fastai.vision.data import ImageBlock
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Floats32
from fastdefect.data.augment.background_light import BorrowedLight, borrow_light
from fastdefect.data.augment.pipelines import Augmenter, AugmentTransform, item_seed
from fastdefect.data.reading.background import Background
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.reading.view_input import one_hot
from fastdefect.data.sampling import share_of_batches
from fastdefect.data.store import PhotoStore

# Separates the order of an epoch from the draws inside its photos.
_ORDER_STREAM = 0x6F72646572


@dataclass(frozen=True)
class Preprocessing:
    """From a photo to the input of the network; it is saved with the model.

    ``view_input`` are the views, such as cameras, that the network takes as a second input, in the
    order of its columns; empty for a network of photos alone.
    """

    image_size: int
    resize: Literal["squish", "pad"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tiles: int = 1
    background: tuple[float, float, float] | None = None
    view_input: tuple[str, ...] = ()

    @property
    def frame(self) -> Frame:
        """How a photo is cut and resized."""
        known = None if self.background is None else Background(*self.background)
        return Frame(self.image_size, self.resize, self.tiles, known)

    def of_tiles(self) -> "Preprocessing":
        """The preprocessing of a tile, as a photo of its own."""
        return replace(self, tiles=1, background=None)

    def of_photos(self) -> "Preprocessing":
        """The preprocessing for a network of photos alone."""
        return replace(self, view_input=())

    def batch(self, photos: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
        """Convert (n, h, w, 3) uint8 RGB to (n, 3, h, w) float32, normalised.

        The result equals that of fastai's ``IntToFloatTensor`` and ``Normalize``.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(photos)).to(device)
        scaled = pixels.permute(0, 3, 1, 2).float() / 255.0
        mean = torch.tensor(self.mean, device=device).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=device).view(1, 3, 1, 1)
        return (scaled - mean) / std

    def seen(self, views: Sequence[str | None], device: torch.device) -> tuple[torch.Tensor, ...]:
        """The second input of the network, (n, len(self.view_input)) float32, from the ``views``.

        A tuple of one; empty for a network of photos alone.
        """
        if not self.view_input:
            return ()
        return (torch.from_numpy(one_hot(self.view_input, views)).to(device),)


class RepeatableDL(WeightedDL):
    """A DataLoader with draws that depend only on (seed, epoch, position).

    fastai's ``WeightedDL`` draws from numpy's global generator, with replacement, so that a third
    of the photos are absent from an epoch. Here each photo is drawn as often as its weight
    requires, rounded up or down at random (systematic resampling: Kitagawa 1996). Equal weights
    give a plain shuffle. The same holds for the ``groups``, an integer for every item: classes of
    equal weight are drawn equally often, within one draw.
    """

    def __init__(self, dataset: Any = None, bs: int | None = None, **kwargs: Any) -> None:
        self.seed: int = kwargs.pop("seed", 0)
        self.groups: NDArray[np.int64] | None = kwargs.pop("groups", None)
        self.epoch, self.skipped_batches = 0, 0
        self.rank, self.processes, self.whole_bs = 0, 1, bs or 1
        super().__init__(dataset=dataset, bs=bs, **kwargs)

    def take_share(self, rank: int, processes: int) -> None:
        """Load only the photos of process ``rank`` of ``processes``, of each batch of all.

        Every process has the same number of batches. If the last batch has fewer photos than there
        are processes, a process without one of its own loads the batch's first photo again; see
        ``own_places``. Raises ``ValueError`` if a full batch has fewer photos than processes.
        """
        if self.whole_bs < processes:
            raise ValueError(f"a batch of {self.whole_bs} photos for {processes} processes")
        self.rank, self.processes = rank, processes
        self.bs = len(range(rank, self.whole_bs, processes))

    def photos_in(self, batch: int) -> int:
        """The number of photos in a batch, from 0, of all processes."""
        return min(self.whole_bs, self.n - batch * self.whole_bs)

    def own_places(self, batch: int) -> range:
        """The places in a batch, from 0, of this process's photos; empty for a repeated one."""
        return range(self.rank, self.photos_in(batch), self.processes)

    def __len__(self) -> int:
        if self.processes == 1:
            return int(super().__len__())
        whole, rest = divmod(self.n, self.whole_bs)
        return whole + int(rest > 0 and not self.drop_last)

    def start(self, epoch: int, skipped_batches: int) -> None:
        """Set the epoch, and the number of its batches to skip."""
        self.epoch, self.skipped_batches = epoch, skipped_batches

    def get_idxs(self) -> list[int]:
        """The photos of the epoch in order; each number includes its position (see create_item)."""
        codes = self._codes()
        if self.processes > 1:
            codes = codes[self._share(len(codes))]
        return [int(code) for code in codes[self.skipped_batches * (self.bs or 1) :]]

    def _codes(self) -> NDArray[np.int64]:
        order = self._order() if self.shuffle else np.arange(self.n)
        return np.arange(len(order)) * self.n + order

    def _share(self, n: int) -> NDArray[np.int64]:
        n = len(self) * self.whole_bs if self.drop_last else n
        places = share_of_batches(n, self.whole_bs, self.rank, self.processes)
        last = (len(self) - 1) * self.whole_bs
        if not self.own_places(len(self) - 1):
            places = np.append(places, last)
        return places

    def items_of(self, batch: int) -> list[int]:
        """The items of the ``batch``, from 0 after the skipped ones, of this epoch.

        These are the items of all processes.
        """
        start = (self.skipped_batches + batch) * self.whole_bs
        return [code % self.n for code in self._codes()[start : start + self.whole_bs].tolist()]

    def _order(self) -> NDArray[np.int64]:
        rng = np.random.default_rng(item_seed(self.seed ^ _ORDER_STREAM, self.epoch, 0))
        shuffled = rng.permutation(self.n)
        if self.groups is not None:
            # Each group is contiguous. Scattered groups would accumulate the rounding errors of
            # their photos.
            shuffled = shuffled[np.argsort(self.groups[shuffled], kind="stable")]
        passed = np.cumsum(self.wgts[shuffled])
        ticks = (np.arange(self.n) + rng.random()) / self.n * passed[-1]
        drawn = shuffled[np.searchsorted(passed, ticks, side="right").clip(max=self.n - 1)]
        return rng.permutation(drawn)

    def create_item(self, s: int | None) -> Any:
        """The item of code ``s``, with an augmentation seed from its position in the epoch.

        fastai passes ``None`` to determine the types of a batch.
        """
        position, index = divmod(s or 0, self.n)
        for transform in self.after_item:
            if isinstance(transform, AugmentTransform):
                transform.reseed(item_seed(self.seed, self.epoch, position))
        return super().create_item(index)

    def new(self, dataset: Any = None, cls: Any = None, **kwargs: Any) -> "RepeatableDL":
        """A like loader; keeps the seed, which fastai's ``new`` would drop."""
        return super().new(dataset, cls, **{"seed": self.seed, **kwargs})

    def wif(self) -> None:
        """In each worker: ignore Ctrl-C. The main process handles it after the batch."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class PhotoOf(Transform):
    """Map an item to its photo, for fastai's ``get_x``.

    This is a Transform because fastai wraps a plain callable in a local function, which cannot be
    pickled for a spawned worker.
    """

    def __init__(
        self,
        store: PhotoStore,
        rows: tuple[int, ...],
        kept: Mapping[int, NDArray[np.bool_]] | None = None,
    ) -> None:
        """``kept``: by item, the tiles that are not to be emptied."""
        super().__init__()
        self.store, self.rows, self.kept = store, rows, kept or {}

    def encodes(self, item: int) -> PILImage:
        """The photo of an item."""
        photo, kept = self.store[self.rows[item]], self.kept.get(item)
        return PILImage.create(photo if kept is None else self.store.frame.only(photo, kept))


class ViewOf(Transform):
    """Map an item to the one-hot row of its view, for fastai's ``get_x``."""

    def __init__(self, rows: Floats32) -> None:
        super().__init__()
        self.rows = rows

    def encodes(self, item: int) -> torch.Tensor:
        """The row (views,) of an item."""
        return torch.from_numpy(self.rows[item])


class LabelOf(Transform):
    """Map an item to its class name, for fastai's ``get_y``."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        super().__init__()
        self.labels = labels

    def encodes(self, item: int) -> str:
        """The class name of an item."""
        return self.labels[item]


@dataclass(frozen=True)
class LoaderOptions:
    """The options that define how photos become batches.

    ``classes`` is the vocabulary, in that order. ``augment`` is the augmentation level of the
    training photos. ``balanced`` draws every class equally often. ``light`` gives each training
    photo the border light of another training photo. ``preprocessing`` normalises the batches.
    ``workers`` is the number of worker processes.
    """

    classes: Sequence[str]
    preprocessing: Preprocessing
    augment: str
    batch_size: int
    seed: int
    device: torch.device
    balanced: bool = False
    light: bool = False
    workers: int = 0


def build_loaders(
    manifest: Manifest,
    store: PhotoStore,
    train: Sequence[int],
    valid: Sequence[int],
    options: LoaderOptions,
    kept: NDArray[np.bool_] | None = None,
) -> DataLoaders:
    """DataLoaders of the photos ``train`` and ``valid`` (indices into ``manifest.photos``).

    ``kept`` (n_train, tiles): the tiles of the training photos that are used; None for all.

    A batch is at most as large as the training set. No batch holds a single photo, because
    batch normalisation fails on it.
    """
    items = [*train, *valid]
    light = light_of(manifest, store, train) if options.light else None
    preprocessing = options.preprocessing
    augmenter = Augmenter(options.augment, preprocessing.image_size, light, preprocessing.tiles)
    photo_of = PhotoOf(
        store,
        tuple(photo.row for photo in manifest.photos),
        None if kept is None else dict(zip(train, kept, strict=True)),
    )
    inputs = [photo_of, *_views_of(manifest, preprocessing.view_input)]
    block = DataBlock(
        blocks=(
            *(ImageBlock, TransformBlock)[: len(inputs)],
            CategoryBlock(vocab=list(options.classes), sort=False),
        ),
        n_inp=len(inputs),
        get_x=inputs,
        get_y=LabelOf(tuple(photo.label for photo in manifest.photos)),
        splitter=IndexSplitter(range(len(train), len(items))),
        item_tfms=[AugmentTransform(augmenter)],
        batch_tfms=[Normalize.from_stats(preprocessing.mean, preprocessing.std, cuda=False)],
    )
    size = min(options.batch_size, len(train))
    labels = manifest.labels[list(train)]
    weights = _weights(labels) if options.balanced else None
    draws = {"wgts": weights, "groups": labels, "seed": options.seed}
    return block.dataloaders(
        items,
        bs=size,
        val_bs=2 * size,
        drop_last=len(train) % size == 1,
        num_workers=options.workers,
        device=options.device,
        dl_type=RepeatableDL,
        dl_kwargs=[draws, {"seed": options.seed}],
    )


def _views_of(manifest: Manifest, known: tuple[str, ...]) -> list[ViewOf]:
    """The second input of a network that takes the ``known`` views; none without them."""
    return [ViewOf(one_hot(known, [photo.view for photo in manifest.photos]))] if known else []


def light_of(manifest: Manifest, store: PhotoStore, indices: Sequence[int]) -> BorrowedLight:
    """The border light of the given photos by class. For training, pass only training photos."""
    photos = [manifest.photos[index] for index in indices]
    rows = [[photo.row for photo in photos if photo.label == name] for name in manifest.classes]
    return borrow_light(store, rows)


def _weights(labels: NDArray[np.int64]) -> Floats:
    """Weights (up to a factor) that make all classes equally frequent."""
    weights: Floats = 1.0 / np.bincount(labels)[labels]
    return weights
