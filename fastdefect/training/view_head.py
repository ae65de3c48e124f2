"""A head that takes the view of a photo, such as its camera, as a second input.

What is normal in one view may be a defect in another. So the last layer has weights that all views
share, and for each view weights that are added to them. This is the feature augmentation of
Daumé III 2007, "Frustratingly easy domain adaptation": a linear layer on the features, and on a
copy of them for each view that is zero in all other views. Unlike a bias by view it can turn the
meaning of a feature around; unlike FiLM (Perez et al. 2018), which scales the features before the
layers, it stays linear, so that a probe can fill it.

The weights of the views are zero at first, and a part of the photos is trained without its view.
So a photo without a known view has a decision that was trained for, by the shared weights.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from fastdefect.training.ensemble import Ensemble

DROPPED = 0.2  # the share of photos that a step trains on without their view


class ByView(nn.Linear):
    """A linear layer with shared weights, and weights of each view that are added to them.

    ``view_weight`` is (out_features, views, in_features), ``view_bias`` (out_features, views).
    """

    def __init__(self, in_features: int, out_features: int, views: int) -> None:
        """The weights of the ``views`` are zero, those that are shared as in ``nn.Linear``."""
        super().__init__(in_features, out_features)
        self.view_weight = nn.Parameter(torch.zeros(out_features, views, in_features))
        self.view_bias = nn.Parameter(torch.zeros(out_features, views))
        self.drop = nn.Dropout(DROPPED)

    def forward(self, features: Tensor, views: Tensor | None = None) -> Tensor:
        """Return outputs (n, out_features) of ``features`` (n, in_features).

        ``views`` (n, views) are rows of ``one_hot``, or mixtures of such rows; None for unknown
        views. In training mode some rows count as unknown.
        """
        shared = super().forward(features)
        if views is None:
            return shared
        if self.training:  # a dropout of one value a photo, whose draws processes can share
            views = views * (self.drop(views.new_ones(len(views), 1)) > 0)
        weight, bias = self.view_weight.flatten(0, 1), self.view_bias.flatten()
        of_each = nn.functional.linear(features, weight, bias).reshape(-1, *self.view_bias.shape)
        return shared + (of_each * views[:, None, :]).sum(dim=2)

    def of_view(self, view: int | None) -> nn.Linear:
        """The plain layer for photos of one view, by its index; None for an unknown view."""
        plain = nn.Linear(self.in_features, self.out_features).to(self.weight)
        with torch.no_grad():
            plain.weight.copy_(self.weight)
            plain.bias.copy_(self.bias)
            if view is not None:
                plain.weight.add_(self.view_weight[:, view])
                plain.bias.add_(self.view_bias[:, view])
        return plain.train(self.training)


class ViewHead(nn.Sequential):
    """The layers of a head, of which the last is a ``ByView``."""

    def forward(self, features: Tensor, views: Tensor | None = None) -> Tensor:
        """Return logits (n, n_classes); ``views`` is as in ``ByView``."""
        *layers, last = self
        for layer in layers:
            features = layer(features)
        found: Tensor = last(features, views)
        return found


class Viewed(nn.Sequential):
    """A body and a ``ViewHead``: photos (n, 3, h, w), and their views, to logits.

    Its modules have the names of a network without views.
    """

    def forward(self, photos: Tensor, views: Tensor | None = None) -> Tensor:
        """Return logits (n, n_classes); ``views`` is as in ``ByView``."""
        body, head = self
        logits: Tensor = head(body(photos), views)
        return logits


def by_view(head: nn.Sequential, views: int) -> ViewHead:
    """``head`` with its last layer, an ``nn.Linear``, as a ``ByView`` of the same weights."""
    layers, last = head[:-1], cast("nn.Linear", head[-1])
    layer = ByView(last.in_features, last.out_features, views)
    with torch.no_grad():
        layer.weight.copy_(last.weight)
        layer.bias.copy_(last.bias)
    return ViewHead(*layers, layer)


def of_view(network: nn.Module, view: int | None) -> nn.Module:
    """The plain network for photos of one view, by its index, of a ``Viewed`` or an ensemble.

    It shares the other layers. What reads the inside of a network, such as a heat map, needs no
    input for the view then.
    """
    if isinstance(network, Ensemble):
        members = [of_view(member, view) for member in network.networks]
        return Ensemble(members).train(network.training)
    whole: Any = network
    body, head = whole
    *layers, last = head
    return nn.Sequential(body, nn.Sequential(*layers, last.of_view(view))).train(network.training)
