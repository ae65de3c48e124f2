"""A linear probe on the features of photos and their views, for a head that takes both.

It is the probe of ``probe.py`` on the features, on a copy of them for each view that is zero in
other views, and on the views themselves: see ``view_head.py``. The penalty divides what is learned
between the shared weights and those of the views, so that a view with few photos stays close to the
others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fastdefect.aliases import Floats, Floats32
from fastdefect.training.probe import Labels, Probe, centre_and_scale, fit_probe
from fastdefect.training.view_head import DROPPED, ByView

# Separates the photos without their view from other random draws of the seed.
_STREAM = 0x76696577


@dataclass(frozen=True)
class ViewProbe:
    """``shared`` decides on photos without a known view.

    ``view_weight`` (n_classes, views, n_features) and ``view_bias`` (n_classes, views) are added
    to it for each view. ``shared.held_out`` is of the photos with their views, as in the fit.
    """

    shared: Probe
    view_weight: Floats
    view_bias: Floats

    def fill(self, layer: ByView) -> None:
        """Copy the classifier to the layer."""
        self.shared.fill(layer)
        with torch.no_grad():
            layer.view_weight.copy_(torch.from_numpy(self.view_weight))
            layer.view_bias.copy_(torch.from_numpy(self.view_bias))


def fit_view_probe(
    copies: Sequence[Floats32],
    views: Floats32,
    labels: Labels,
    parts: Sequence[str],
    *,
    seed: int,
) -> ViewProbe:
    """Fit the probe; ``views`` (n, views) are rows of ``one_hot``, the rest is as in ``fit_probe``.

    As in a training by epochs, a share ``DROPPED`` of the photos counts as without a view.
    """
    known = np.random.default_rng((seed, _STREAM)).random((len(copies), len(views), 1)) >= DROPPED
    mean, scale = centre_and_scale(np.concatenate(copies).astype(np.float64))
    tables = [
        _table((copy - mean) / scale, views * kept)
        for copy, kept in zip(copies, known, strict=True)
    ]
    probe = fit_probe(tables, labels, parts, seed=seed)
    n_views, n_features = views.shape[1], len(mean)
    parted = np.split(probe.weight, (n_features, n_features * (1 + n_views)), axis=1)
    weight = parted[0] / scale
    view_weight = parted[1].reshape(-1, n_views, n_features) / scale
    shared = Probe(weight, probe.bias - weight @ mean, probe.strength, probe.held_out)
    return ViewProbe(shared, view_weight, parted[2] - view_weight @ mean)


def _table(features: Floats, views: Floats32) -> Floats32:
    """(n, (1 + views) * n_features + views): the features, their copies by view, the views."""
    copies = (views[:, :, None] * features[:, None, :]).reshape(len(features), -1)
    return np.concatenate([features, copies, views], axis=1).astype(np.float32)
