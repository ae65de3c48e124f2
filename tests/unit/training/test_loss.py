"""The loss compared with torch's own and with a soft-target loss in numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.progress import ProgressCallback
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.nn.functional import cross_entropy

from fastdefect.training.loss import DefectLoss, MixUpLabels, class_weights

N_CLASSES = 3
WEIGHT = torch.tensor([0.5, 1.0, 2.5])


def _batch(n: int = 7, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, N_CLASSES, generator=generator)
    return logits, torch.arange(n) % N_CLASSES


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_hard_labels_give_torchs_cross_entropy(
    weight: torch.Tensor | None, smoothing: float
) -> None:
    logits, target = _batch()
    logits.requires_grad_()
    expected = cross_entropy(logits, target, weight=weight, label_smoothing=smoothing)
    (expected_gradient,) = torch.autograd.grad(expected, logits)

    loss = DefectLoss(weight, smoothing)(logits, target)

    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(gradient, expected_gradient)


def _soft_loss(
    logits: NDArray[np.float64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    lam: NDArray[np.float64],
    weight: NDArray[np.float64],
    smoothing: float,
) -> float:
    """Photo by photo, class by class."""
    loss = total_weight = 0.0
    for z, a, b, share in zip(logits, first, second, lam, strict=True):
        log_p = z - np.log(np.exp(z).sum())
        for c in range(len(z)):
            label = share * (a == c) + (1 - share) * (b == c)
            smoothed = (1 - smoothing) * label + smoothing / len(z)
            loss -= weight[c] * smoothed * log_p[c]
            total_weight += weight[c] * label
    return loss / total_weight


class Capture(Callback):
    """Keeps what the learner's batches were, after MixUp, and what was made of them."""

    order = 80

    def __init__(self) -> None:
        self.batches: list[dict[str, Any]] = []

    def after_loss(self) -> None:
        mixup = next((cb for cb in self.learn.cbs if isinstance(cb, MixUpLabels)), None)
        kept = {"training": self.training, "loss": float(self.loss_grad.detach())}
        kept |= {"logits": self.pred.detach().double().numpy(), "first": self.yb[0].numpy()}
        kept["x"] = self.xb[0].detach().clone()
        if mixup is not None and self.training:
            kept |= {"second": mixup.yb1[0].numpy(), "lam": mixup.lam.double().numpy()}
        self.batches.append(kept)


def _learn(loss: DefectLoss, callbacks: list[Callback]) -> list[dict[str, Any]]:
    """One epoch of a linear model on 24 vectors; what each batch was."""
    torch.manual_seed(0)
    items = [(torch.randn(4), torch.tensor(i % N_CLASSES)) for i in range(24)]
    dls = DataLoaders(DataLoader(items, bs=8, shuffle=True), DataLoader(items[:9], bs=8))
    learn = Learner(dls, nn.Linear(4, N_CLASSES), loss_func=loss, lr=0.1, cbs=callbacks)
    learn.remove_cb(ProgressCallback)
    learn.logger = lambda record: None
    capture = Capture()
    learn.fit(1, cbs=[capture])
    assert learn.loss_func is loss  # MixUp has put it back
    return capture.batches


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_mixed_photos_give_the_soft_target_loss_by_hand(
    weight: torch.Tensor | None, smoothing: float
) -> None:
    batches = _learn(DefectLoss(weight, smoothing), [MixUpLabels(0.4)])
    training = [batch for batch in batches if batch["training"]]

    assert len(training) == 3
    for batch in training:
        expected = _soft_loss(
            batch["logits"],
            batch["first"],
            batch["second"],
            batch["lam"],
            np.ones(3) if weight is None else weight.double().numpy(),
            smoothing,
        )
        assert batch["loss"] == pytest.approx(expected, rel=1e-5)
    # The draws were such that mixing made a difference.
    assert any((batch["first"] != batch["second"]).any() for batch in training)
    assert all(((batch["lam"] >= 0.5) & (batch["lam"] <= 1)).all() for batch in training)


def test_lam_is_the_share_of_the_first_labels_photo() -> None:
    # Photo i is the i-th unit vector: what is mixed can be read off the pixels.
    n = 8
    items = [(torch.eye(n)[i], torch.tensor(i % N_CLASSES)) for i in range(n)]
    dls = DataLoaders(DataLoader(items, bs=n), DataLoader(items, bs=n))
    torch.manual_seed(1)
    capture = Capture()
    learn = Learner(
        dls, nn.Linear(n, N_CLASSES), loss_func=DefectLoss(), lr=0.0, cbs=[MixUpLabels(0.4)]
    )
    learn.remove_cb(ProgressCallback)
    learn.logger = lambda record: None
    learn.fit(1, cbs=[capture])

    batch = capture.batches[0]
    labels = np.arange(n) % N_CLASSES
    for i, x in enumerate(batch["x"].numpy()):
        expected = np.zeros(N_CLASSES)
        np.add.at(expected, labels, x)
        found = np.zeros(N_CLASSES)
        found[batch["first"][i]] += batch["lam"][i]
        found[batch["second"][i]] += 1 - batch["lam"][i]
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("mixup", [True, False], ids=["with MixUp", "without MixUp"])
def test_validation_is_never_mixed(mixup: bool) -> None:
    callbacks = [MixUpLabels(0.4)] if mixup else []
    batches = _learn(DefectLoss(WEIGHT, 0.1), callbacks)
    validation = [batch for batch in batches if not batch["training"]]

    assert len(validation) == 2
    for batch in validation:
        expected = cross_entropy(
            torch.from_numpy(batch["logits"]),
            torch.from_numpy(batch["first"]),
            weight=WEIGHT.double(),
            label_smoothing=0.1,
        )
        assert batch["loss"] == pytest.approx(float(expected), rel=1e-5)


def test_training_and_validation_loss_are_one_formula_without_mixup() -> None:
    for batch in _learn(DefectLoss(WEIGHT, 0.1), []):
        hard = _soft_loss(
            batch["logits"],
            batch["first"],
            batch["first"],
            np.ones(len(batch["first"])),
            WEIGHT.double().numpy(),
            0.1,
        )
        assert batch["loss"] == pytest.approx(hard, rel=1e-5)


def test_mixing_and_not_mixing_are_on_one_scale() -> None:
    # fastai divides only one of the two by the weights, and gets 0.69 against 1.47.
    logits = torch.zeros(4, N_CLASSES)
    target = torch.tensor([2, 2, 0, 2])
    loss = DefectLoss(torch.tensor([1.0, 1.0, 9.0]))
    mixed = torch.lerp(torch.eye(3)[target.flip(0)], torch.eye(3)[target], 0.7)
    assert float(loss(logits, target)) == pytest.approx(np.log(3))
    assert float(loss.mixed(logits, mixed)) == pytest.approx(np.log(3))


def test_weights_follow_the_device() -> None:
    loss = DefectLoss(WEIGHT).to("meta")
    assert loss.weight is not None
    assert loss.weight.device.type == "meta"
    assert DefectLoss(None).to("meta").weight is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_summed_in_full(dtype: torch.dtype) -> None:
    logits, target = _batch(64)
    rough = logits.to(dtype)
    loss = DefectLoss(WEIGHT, 0.1)(rough, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(
        loss, cross_entropy(rough.float(), target, weight=WEIGHT, label_smoothing=0.1)
    )


def test_get_preds_gives_probabilities_and_decisions() -> None:
    logits, _ = _batch()
    loss = DefectLoss()
    torch.testing.assert_close(loss.activation(logits), logits.softmax(1))
    assert loss.decodes(logits).tolist() == logits.argmax(1).tolist()


def test_fastais_mixup_finds_class_indices() -> None:
    assert DefectLoss().y_int is True


def test_class_weights_of_the_castings() -> None:
    assert [round(weight, 3) for weight in class_weights([624, 415])] == [0.833, 1.252]


@pytest.mark.parametrize("counts", [[1, 1], [624, 415], [3, 10, 200], [7]])
def test_class_weights_are_scikit_learns_balanced_ones(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    assert class_weights(counts) == pytest.approx(list(expected))
