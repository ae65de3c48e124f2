"""The parts of a logit by place, for a head that is one linear layer: exact, without gradients.

A logit is the bias plus a sum over features. The mean of a map m is a sum over its places,
m_i / n, and so is its deviation s, as s = sum of (m_i - mean)^2 / (n s). Therefore the logit is a
sum over places, too. With means alone this is class activation mapping (Zhou et al. 2016, "Learning
deep features for discriminative localization").
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from fastdefect.explain.target import Target


def patch_scores(head: nn.Module, target: Target, logits: Tensor, maps: Sequence[Tensor]) -> Tensor:
    """The evidence (n, h, w) at the places of the finest of ``maps``; 0 or more.

    ``maps`` (n, c, h, w) from the finest to the last are those whose means, or means and
    deviations, the linear layer of ``head`` reads, with the ``logits`` (n, n_classes).
    """
    return place_scores(head, target, logits, maps).clamp(min=0)


def place_scores(head: nn.Module, target: Target, logits: Tensor, maps: Sequence[Tensor]) -> Tensor:
    """As ``patch_scores``, with the evidence against the target below 0.

    For two classes the sum over the places and the difference of the biases are the target.
    """
    linear = next(layer for layer in head.modules() if isinstance(layer, nn.Linear))
    weights = (_slopes(target, logits) @ linear.weight.detach().float()).float()
    n_channels = [one.shape[1] for one in maps]
    with_deviations = weights.shape[1] == 2 * sum(n_channels)
    if not with_deviations:  # the head reads the means of the last maps
        maps, n_channels = maps[-1:], n_channels[-1:]
    total = torch.zeros(())
    finest = maps[0].shape[-1]
    start = 0
    for one, channels in zip(maps, n_channels, strict=True):
        of_mean = weights[:, start : start + channels]
        start += channels
        of_deviation = None
        if with_deviations:
            of_deviation = weights[:, start : start + channels]
            start += channels
        scores = _of_maps(one.float(), of_mean, of_deviation)
        share = (one.shape[-1] / finest) ** 2  # so that the sum over the places stays
        grown = interpolate(scores[:, None], size=(finest, finest), mode="bilinear")[:, 0]
        total = total.to(grown.device) + grown * share
    return total


def _slopes(target: Target, logits: Tensor) -> Tensor:
    """(n, n_classes): how the target changes with each logit; 1 and -1 for two classes."""
    slopes = torch.zeros_like(logits, dtype=torch.float32)
    for sign, some in ((1.0, list(target.of)), (-1.0, list(target.against))):
        slopes[:, some] = sign * logits[:, some].float().softmax(dim=1)
    return slopes


def _of_maps(maps: Tensor, of_mean: Tensor, of_deviation: Tensor | None) -> Tensor:
    """The parts (n, h, w) of the features of ``maps``; the weights are (n, c)."""
    places = maps.shape[2] * maps.shape[3]
    scores = (of_mean[:, :, None, None] * maps).sum(dim=1)
    if of_deviation is not None:
        deviation, mean = torch.std_mean(maps, dim=(2, 3), correction=0, keepdim=True)
        away = (maps - mean) ** 2 / deviation.clamp(min=1e-12)
        scores = scores + (of_deviation[:, :, None, None] * away).sum(dim=1)
    return scores / places
