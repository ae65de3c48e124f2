"""Fill a head with the linear probe that fits its input: photos, photos in tiles, or with views."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from fastdefect.aliases import Floats32
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.reading.view_input import one_hot
from fastdefect.data.training_data import TrainingData
from fastdefect.training.bag_probe import Tiles, fit_bag_probe
from fastdefect.training.probe import Labels, Probe, fit_probe
from fastdefect.training.view_head import DROPPED
from fastdefect.training.view_probe import fit_view_probe

# A fine-tuning begins with logits of this root mean square about those of an average photo.
FIRST_LOGITS = 0.1


def folds_text(steps: Preprocessing) -> str:
    """What the held-out probabilities of a probe are of, for a message."""
    known = f", {DROPPED:.0%} of the photos without their view" if steps.view_input else ""
    return f"over folds of whole parts of train{known}"


def fill_head(
    head: Any,
    copies: Sequence[Floats32],
    tiles: Tiles,
    data: TrainingData,
    steps: Preprocessing,
    *,
    seed: int,
) -> Probe:
    """Fit a probe to the training photos of ``data``, copy it to the last layer of ``head``.

    ``copies`` are the features (n, n_features) of their ``tiles``, or of the photos; see
    ``fit_probe``. Returns the probe; of a head with views, that of unknown views.
    """
    side, last = data.split.train, head[-1]
    labels = data.manifest.labels[list(side)]
    parts = [data.split.parts[i] for i in side]
    if steps.view_input:
        views = one_hot(steps.view_input, data.views(side))
        found = fit_view_probe(copies, views, labels, parts, seed=seed)
        found.fill(last)
        return found.shared
    if steps.tiles > 1:
        good = data.manifest.good_indices
        probe = fit_bag_probe(copies, tiles, labels, parts, good, seed=seed)
    else:
        probe = fit_probe(copies, labels, parts, seed=seed)
    probe.fill(last)
    return probe


def start_small(layer: nn.Linear, probe: Probe, features: Floats32, labels: Labels) -> None:
    """Scale the ``layer`` that ``probe`` filled to logits of ``FIRST_LOGITS``.

    ``features`` (n, n_features) are of the training photos, or of their tiles; ``labels`` are of
    the photos. Photos keep their order, and the logits of an average photo become those of the
    shares of the classes. Logits that are already smaller are not scaled.

    The gradients of all layers before the head are proportional to its weights. With those of a
    probe their norm can be some hundreds. The size of a step of Adam does not depend on this norm,
    so such a step changes the loss by more than the loss itself, and pretrained features are lost.
    With small weights the classifier grows together with the features.
    """
    logits = features @ probe.weight.T + probe.bias
    evidence = logits - logits.mean(axis=0)
    evidence -= evidence.mean(axis=1, keepdims=True)
    size = float(np.sqrt(np.square(evidence).mean()))
    shares = np.log(np.bincount(labels) / len(labels))
    average = torch.from_numpy(features.mean(axis=0))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(FIRST_LOGITS / max(size, FIRST_LOGITS))
        weight = layer.weight.cpu()
        layer.bias.copy_(torch.from_numpy(shares - shares.mean()).float() - weight @ average)
