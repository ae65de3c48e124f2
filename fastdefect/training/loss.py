"""Cross-entropy with class weights and label smoothing, for hard labels and MixUp labels."""

from collections.abc import Callable
from typing import Any

import torch
from fastai.callback.mixup import MixUp
from torch import Tensor, nn


class DefectLoss(nn.Module):
    r"""Weighted, smoothed cross-entropy for hard and mixed labels on the same scale.

    With mixed one-hot labels :math:`h` (n, c), their smoothed form
    :math:`q = (1-\epsilon) h + \epsilon / c` and class weights :math:`w`:

    .. math:: L = -\frac{\sum_{n,c} w_c\, q_{nc} \log p_{nc}}{\sum_{n,c} w_c\, h_{nc}}

    For hard labels this equals ``torch.nn.functional.cross_entropy(weight, label_smoothing)``.
    For mixed labels it also divides by the mixed weights, unlike fastai's own MixUp. Training
    and validation loss are therefore comparable.

    MixUp: Zhang et al. 2018. Label smoothing: Szegedy et al. 2016, section 7.
    """

    y_int = True  # for fastai: targets are class indices, and MixUp keeps both labels

    def __init__(self, weight: Tensor | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        # How the sum of a batch becomes its mean; several processes have only a part of it.
        self.mean_of: Callable[[Tensor, Tensor], Tensor] = torch.div
        self.weight: Tensor | None
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss of ``logits`` (n, c) for ``target`` (n,), class indices."""
        return self.mixed(logits, _one_hot(logits, target))

    def mixed(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of ``logits`` (n, c) for ``labels`` (n, c); each row sums to 1."""
        # MixUp under autocast passes half-precision logits; the sum needs float32.
        log_prob = logits.float().log_softmax(dim=1)
        n_classes = logits.shape[1]
        smooth = labels * (1 - self.label_smoothing) + self.label_smoothing / n_classes
        weight = self.weight if self.weight is not None else log_prob.new_ones(n_classes)
        return self.mean_of(-(weight * smooth * log_prob).sum(), (weight * labels).sum())

    def activation(self, logits: Tensor) -> Tensor:
        """Return class probabilities; fastai's ``get_preds`` calls this."""
        return logits.float().softmax(dim=1)

    def decodes(self, logits: Tensor) -> Tensor:
        """Return predicted class indices; fastai's ``get_preds(with_decoded=True)`` calls this."""
        return logits.argmax(dim=1)


class MixUpLabels(MixUp):
    """fastai's MixUp with one loss of the mixed labels instead of two mixed losses."""

    def before_batch(self) -> None:
        """Mix the photos of the batch; of several processes, those of this process's share.

        If the network takes their views, too, these are mixed with the same weights.
        """
        shared = getattr(self.learn, "shared_steps", None)
        n = len(self.y) if shared is None else shared.share.photos
        # As in fastai's MixUp; the same draws for several processes as in one.
        drawn = self.distrib.sample((n,)).reshape(n)
        weights, order = torch.maximum(drawn, 1 - drawn), torch.randperm(n)

        def others(own: Tensor) -> Tensor:
            if shared is None:
                return own[order.to(own.device)]
            exchanged: Tensor = shared.exchanged(own.as_subclass(Tensor), order)
            return exchanged

        if shared is not None:
            weights = weights[list(shared.share.places)]
        self.lam = weights.to(self.y.device)
        self.yb1 = (others(self.y),)
        self.learn.xb = tuple(
            torch.lerp(others(own), own, self.lam.view(-1, *[1] * (own.ndim - 1)))
            for own in self.xb
        )

    def lf(self, pred: Tensor, *yb: Any) -> Tensor:
        """Return the loss that the learner uses with MixUp."""
        loss: Tensor
        if self.training:
            second, first = _one_hot(pred, self.yb1[0]), _one_hot(pred, yb[0])
            # As in MixUp.before_batch: lam is the weight of the photo's own pixels.
            loss = self.old_lf.mixed(pred, torch.lerp(second, first, self.lam.unsqueeze(1)))
        else:
            loss = self.old_lf(pred, *yb)
        return loss


def _one_hot(logits: Tensor, target: Tensor) -> Tensor:
    plain = target.as_subclass(Tensor)
    return nn.functional.one_hot(plain, logits.shape[1]).to(torch.float32)


def class_weights(counts: list[int]) -> list[float]:
    """Return n / (k * n_c) for each of k classes; rare classes have a higher weight.

    The weights are 1 if all classes have as many photos. King and Zeng 2001; the same as
    scikit-learn's ``class_weight="balanced"``.
    """
    total = sum(counts)
    return [total / (len(counts) * count) for count in counts]
