"""The constructor of a Learner, its device and its settings."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.progress import ProgressCallback
from fastai.callback.training import GradientClip
from fastai.data.transforms import Normalize
from helpers.learners import made_data, made_learner, made_spec, with_training
from helpers.nets import tiny_backbone
from helpers.photos import made_loaders
from torch import nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import ModelError, UsageError
from fastdefect.training.learner import (
    ModelSpec,
    build_learner,
    build_loss,
    build_network,
    choose_device,
)
from fastdefect.training.loss import MixUpLabels


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return made_data()


SPEC = ModelSpec(
    "resnet18",
    ("def front", "ök"),
    ("ök",),
    Preprocessing(96, "pad", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
)


def test_a_spec_is_read_back_from_its_file() -> None:
    assert ModelSpec.from_json(json.loads(json.dumps(SPEC.as_json()))) == SPEC
    bare = ModelSpec("x", ("a", "b"), (), SPEC.preprocessing)
    assert ModelSpec.from_json(json.loads(json.dumps(bare.as_json()))) == bare


def test_the_good_classes_in_the_file() -> None:
    for good, content in (((), None), (("ök",), "ök"), (("ök", "def front"), ["ök", "def front"])):
        spec = replace(SPEC, good=good)
        assert spec.as_json()["good"] == content
        assert ModelSpec.from_json(json.loads(json.dumps(spec.as_json()))) == spec
    assert SPEC.good_indices == (1,)


def test_a_spec_has_the_number_of_networks() -> None:
    three = replace(SPEC, members=3)
    content = json.loads(json.dumps(three.as_json()))
    assert ModelSpec.from_json(content) == three
    del content["members"]  # as models of earlier versions, which are of one network
    assert ModelSpec.from_json(content) == SPEC


def test_a_spec_says_what_is_white_in_deep_photos() -> None:
    deep = replace(SPEC, white=4095.0)
    content = json.loads(json.dumps(deep.as_json()))
    assert content["white"] == 4095.0
    assert ModelSpec.from_json(content) == deep
    assert SPEC.as_json()["white"] is None
    del content["white"]  # as models of earlier versions
    assert ModelSpec.from_json(content) == SPEC


@pytest.mark.parametrize("key", ["arch", "classes", "good", "preprocessing"])
def test_a_spec_that_lacks_something_is_refused(key: str) -> None:
    content = SPEC.as_json()
    del content[key]
    with pytest.raises(ModelError, match=f"{key}.*missing"):
        ModelSpec.from_json(content)


@pytest.mark.parametrize("key", ["image_size", "resize", "mean", "std"])
def test_a_spec_without_a_step_of_preprocessing_is_refused(key: str) -> None:
    content = SPEC.as_json()
    del content["preprocessing"][key]
    with pytest.raises(ModelError, match=f"{key}.*missing"):
        ModelSpec.from_json(content)


def _only(monkeypatch: pytest.MonkeyPatch, *, cuda: bool = False, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_device(
    cuda: bool, mps: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only(monkeypatch, cuda=cuda, mps=mps)
    assert choose_device("auto").type == chosen
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_missing_device_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch)
    with pytest.raises(UsageError, match=f"--device {name}"):
        choose_device(name)


def test_the_model_is_body_and_head(data: TrainingData) -> None:
    learn = made_learner(data)
    body, head = learn.model
    assert sum(p.numel() for p in body.parameters()) < 1000
    assert head[-1].out_features == 2
    assert len(learn.opt_func(learn.splitter(learn.model), lr=1).param_lists) == 3


def test_photos_are_normalised_exactly_once(data: TrainingData) -> None:
    for loader in (made_learner(data).dls.train, made_learner(data).dls.valid):
        steps = [step for step in loader.after_batch if isinstance(step, Normalize)]
        assert len(steps) == 1


def test_a_learner_prints_nothing(data: TrainingData, capsys: pytest.CaptureFixture[str]) -> None:
    learn = made_learner(data)
    assert not [cb for cb in learn.cbs if isinstance(cb, ProgressCallback)]
    learn.fit(1)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)],
)
def test_the_optimizer_has_the_settings(
    name: str, kind: type[torch.optim.Optimizer], data: TrainingData
) -> None:
    learn = made_learner(
        data, with_training(optimizer=name, learning_rate=0.003, weight_decay=0.02)
    )
    learn.fit(1)
    assert type(learn.opt.opt) is kind
    for group in learn.opt.opt.param_groups:
        assert group["lr"] == 0.003
        assert group["weight_decay"] == 0.02
        if name == "sgd":
            assert group["nesterov"]
            assert group["momentum"] == 0.9


@pytest.mark.parametrize("mixup", [0.0, 0.3])
@pytest.mark.parametrize("clip", [0.0, 1.5])
def test_mixup_and_clipping_are_on_where_asked_for(
    mixup: float, clip: float, data: TrainingData
) -> None:
    learn = made_learner(data, with_training(mixup_alpha=mixup, clip=clip))
    mixups = [cb for cb in learn.cbs if isinstance(cb, MixUpLabels)]
    clips = [cb for cb in learn.cbs if isinstance(cb, GradientClip)]
    assert len(mixups) == (mixup > 0)
    assert [cb.max_norm for cb in clips] == ([clip] if clip else [])
    if mixups:
        assert float(mixups[0].distrib.concentration1) == pytest.approx(mixup)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_precision_reaches_fastai(precision: str, data: TrainingData) -> None:
    dls = made_loaders(data.manifest, data.store, range(8), range(8, 12))
    learn = build_learner(
        dls,
        tiny_backbone(),
        build_loss(None, 0.1, torch.device("cpu")),
        spec=made_spec(data),
        training=with_training(),
        precision=precision,
    )
    mixed = [cb for cb in learn.cbs if isinstance(cb, MixedPrecision)]
    assert len(mixed) == (precision != "fp32")


def test_maps_are_channels_last(data: TrainingData) -> None:
    learn = made_learner(data)
    kernels = [p for p in learn.model.parameters() if p.ndim == 4]
    assert kernels
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)


def test_the_loss_has_the_weights_and_the_smoothing() -> None:
    loss = build_loss([0.833, 1.252], 0.1, torch.device("cpu"))
    assert loss.weight is not None
    assert loss.weight.tolist() == pytest.approx([0.833, 1.252])
    assert loss.label_smoothing == 0.1
    assert build_loss(None, 0.0, torch.device("cpu")).weight is None


def test_freezing_leaves_the_head_and_the_statistics_to_train(data: TrainingData) -> None:
    learn = made_learner(data)
    learn.create_opt()
    learn.freeze()
    body, head = learn.model
    trained = {name for name, p in body.named_parameters() if p.requires_grad}
    norms = {
        f"{name}.{kind}"
        for name, module in body.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for kind in ("weight", "bias")
    }
    assert trained == norms
    assert all(p.requires_grad for p in head.parameters())


def test_a_few_epochs_learn_bright_from_dark(data: TrainingData) -> None:
    # The store's photos grow brighter row by row: labels by brightness can be learned.
    from helpers.photos import made_manifest

    manifest = made_manifest({"def": 12, "ok": 12}, "ok")
    order = sorted(range(24), key=lambda i: manifest.photos[i].label)
    by_light = {index: row for row, index in enumerate(order)}
    photos = tuple(replace(p, row=by_light[i]) for i, p in enumerate(manifest.photos))
    lit = replace(data, manifest=replace(manifest, photos=photos))
    training = with_training(mixup_alpha=0.0, label_smoothing=0.0)
    learn = made_learner(lit, training, augment="none")
    learn.fit(12)
    probabilities, labels = learn.get_preds()
    assert (probabilities.argmax(1) == labels).float().mean() > 0.8
    torch.testing.assert_close(probabilities.sum(1), torch.ones(len(labels)))


@pytest.mark.parametrize(("head", "members"), [("mlp", 1), ("linear", 1), ("linear", 2)])
def test_the_network_alone_takes_the_state_of_a_learner(
    head: Any, members: int, data: TrainingData
) -> None:
    dls = made_loaders(data.manifest, data.store, range(8), range(8, 12))
    cpu = torch.device("cpu")
    learn = build_learner(
        dls,
        tiny_backbone(),
        build_loss(None, 0.0, cpu),
        spec=made_spec(data, head, members),
        training=with_training(),
        precision="fp32",
    )
    spec = replace(SPEC, head=head, members=members)
    alone = build_network(spec, tiny_backbone(5), cpu)
    alone.load_state_dict(learn.model.state_dict())
    photos = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(alone.eval()(photos), learn.model.eval()(photos))
