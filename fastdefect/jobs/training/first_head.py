"""The start of a head: that of an earlier run, or the best linear classifier on frozen features."""

from dataclasses import dataclass

import numpy as np
from fastai.learner import Learner
from numpy.typing import NDArray

from fastdefect.config import RunConfig
from fastdefect.data.augment.pipelines import Augmenter, item_seed
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.training_data import TrainingData
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.jobs.training.steps import FEW_PHOTOS
from fastdefect.metrics import score
from fastdefect.training.backbones import LoadedWeights
from fastdefect.training.bag_probe import Tiles
from fastdefect.training.features import Change, FrozenBackbone
from fastdefect.training.head_probe import fill_head, folds_text, start_small
from fastdefect.training.learner import ModelSpec
from fastdefect.training.trained_network import trained_network

# Separates the random draws of the probe from those of the training.
_STREAM = 0x70726F6265


@dataclass(frozen=True)
class Floor:
    """What a training must exceed: a linear classifier on frozen features, cross-validated."""

    auc: float
    accuracy: float


def start_head(
    learn: Learner,
    data: TrainingData,
    spec: ModelSpec,
    loaded: LoadedWeights,
    config: RunConfig,
    on_event: OnEvent,
) -> Floor | None:
    """Fill the head with that of the run of ``--from``, else from a probe if it is linear.

    Any other head keeps its random weights. The result is the cross-validated figures of the probe.
    """
    earlier = config.model.from_run
    network = trained_network(earlier) if earlier is not None else None
    if network and spec.head != "stages" and network.head == spec.head:
        kept = network.fill_head(learn.model[1], spec.classes, spec.preprocessing.view_input)
        if kept:
            new = [name for name in spec.classes if name not in kept]
            fresh = f"; random for {', '.join(new)}" if new else ""
            on_event(Note(f"The head begins as that of {network.name}: {', '.join(kept)}{fresh}."))
            return None
    if spec.head == "linear" and loaded.pretrained:
        return start_from_probe(learn, data, spec.preprocessing, config, on_event)
    return None


def start_from_probe(
    learn: Learner,
    data: TrainingData,
    preprocessing: Preprocessing,
    config: RunConfig,
    on_event: OnEvent,
) -> Floor | None:
    """Fit a probe to the training photos, begin with it as the head, and report its accuracy.

    It is fitted to each photo twice: unchanged, and augmented once as in the training. With
    ``FEW_PHOTOS`` or more the head gets its evidence with small logits.
    """
    side, seed = data.split.train, config.training.seed
    augmenter = Augmenter(config.data.augment, preprocessing.image_size)
    tiles = Tiles.of(data.store, data.rows(side), data.kept_tiles(side))

    def augmented(photo: NDArray[np.uint8], position: int) -> NDArray[np.uint8]:
        return augmenter(photo, item_seed(seed ^ _STREAM, 0, int(tiles.photo[position])))

    def features(change: Change | None, before: int) -> NDArray[np.float32]:
        backbone = FrozenBackbone(learn.model[0], preprocessing.of_tiles(), learn.dls.device)
        total = 2 * len(tiles.rows)
        return backbone.features(
            data.store.cells,
            tiles.rows.tolist(),
            change=change,
            on_batch=lambda done: on_event(
                Progress("computing features with the frozen backbone", before + done, total)
            ),
        )

    copies = features(None, 0), features(augmented, len(tiles.rows))
    probe = fill_head(learn.model[1], copies, tiles, data, preprocessing, seed=seed)
    labels = data.manifest.labels[list(side)]
    how = ""
    if len(labels) >= FEW_PHOTOS:
        start_small(learn.model[1][-1], probe, copies[0], labels)
        how = ", with small logits"
    if probe.held_out is None:
        return None
    of = score(labels, probe.held_out, data.manifest.classes, data.manifest.good)
    on_event(
        Note(
            f"The head begins as a linear classifier on frozen features{how}: AUC "
            f"{of.auc:.3f}, accuracy {of.accuracy:.1%} {folds_text(preprocessing)}."
        )
    )
    return Floor(of.auc, of.accuracy)
