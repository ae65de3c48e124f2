"""Prepare a training from its settings: read the photos, build the network and the learner."""

import os
from dataclasses import dataclass

import torch
from fastai.learner import Learner

from fastdefect.config import RunConfig, TrainingConfig, config_fields
from fastdefect.data.load import load_training_data
from fastdefect.data.loaders import LoaderOptions, Preprocessing, build_loaders
from fastdefect.data.settle import as_read
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import UsageError
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.training.first_head import Floor, start_head
from fastdefect.jobs.training.network import build_network
from fastdefect.jobs.training.precision import settle_precision
from fastdefect.jobs.training.recipe import Choice, settle_recipe
from fastdefect.jobs.training.view_input import report_views, views_of_input
from fastdefect.processes import place
from fastdefect.run import Run
from fastdefect.text import counted
from fastdefect.training.backbones import Backbone, LoadedWeights, build_backbone, placed
from fastdefect.training.checkpoint import restore_network
from fastdefect.training.head import Head
from fastdefect.training.learner import (
    ModelSpec,
    build_learner,
    build_loss,
    choose_device,
)
from fastdefect.training.learner import build_network as build_finished
from fastdefect.training.loss import class_weights
from fastdefect.training.precision import choose_precision
from fastdefect.training.predict import Predictor

# Settings of a training by epochs, which a head on frozen features does not use.
_OF_EPOCHS = frozenset(
    "augment light balance epochs batch_size learning_rate weight_decay optimizer scheduler "
    "mixup_alpha label_smoothing batch_norm early_layers min_steps clip weight_average keep "
    "freeze_epochs patience".split()
)


@dataclass(frozen=True)
class Machine:
    """The device, precision and data workers of a training."""

    device: torch.device
    precision: str
    workers: int


@dataclass(frozen=True)
class Job:
    """A prepared training: its settings, data, model and learner."""

    config: RunConfig
    machine: Machine
    data: TrainingData
    spec: ModelSpec
    loaded: LoadedWeights
    learn: Learner
    choice: Choice | None = None
    floor: Floor | None = None

    @property
    def predictor(self) -> Predictor:
        """The network in its current state, for predictions."""
        return Predictor(self.learn.model, self.spec.preprocessing, self.machine.device)

    def load_best(self, run: Run) -> None:
        """Load the weights of the run's model, the best epoch.

        They are of more than the trained network if a memory is joined to it.
        """
        if self.spec.memory:
            steps = self.spec.preprocessing
            backbone, _ = build_backbone(self.spec.arch, "none", steps.image_size)
            self.learn.model = build_finished(self.spec, backbone, self.machine.device)
        restore_network(self.learn.model, run.path("model.safetensors"))


def choose_machine(training: TrainingConfig) -> Machine:
    """Resolve the ``auto`` settings of the machine."""
    device = choose_device(training.device)
    workers = training.workers
    if workers is None:
        # On a CPU the network uses all cores; augmentation workers would only compete with it.
        cores = (os.cpu_count() or 1) // place().local_size
        workers = min(8, max(cores - 1, 0)) if device.type == "cuda" else 0
    return Machine(device, choose_precision(training.precision, device), workers)


def assemble(
    config: RunConfig,
    on_event: OnEvent,
    *,
    data: TrainingData | None = None,
    resumed: bool = False,
    members: int = 1,
) -> Job:
    """Read the photos, build the network and the learner; write nothing.

    ``data``: photos that are already read and split. ``resumed``: the weights come from a
    checkpoint. ``members``: the number of trained networks that the model averages. The job's
    config is ``config`` with its network, recipe and precision settled.
    """
    if config.one_epoch:
        _refuse_several(config)
    machine = choose_machine(config.training)
    if data is None:
        data = load_training_data(
            config.data,
            seed=config.training.seed,
            workers=machine.workers,
            on_event=on_event,
        )
        config = as_read(config, data.manifest)
    torch.manual_seed(config.training.seed)  # the first weights
    config, backbone, loaded = build_network(config, on_event)
    choice = None
    if not resumed:
        _report_weights(loaded, config, on_event)
        backbone.body.to(machine.device)
        config, choice = settle_recipe(config, data, backbone, loaded, machine.device, on_event)
        config = settle_precision(config, len(data.split.train), backbone, machine.device, on_event)
        machine = choose_machine(config.training)
    preprocessing = Preprocessing(
        config.data.image_size,
        config.data.resize,
        backbone.mean,
        backbone.std,
        config.data.tile_count,
        config.data.background,
        views_of_input(config.data, data),
    )
    spec = ModelSpec(
        config.model.arch,
        data.manifest.classes,
        data.manifest.good,
        preprocessing,
        _head_of(config),
        members,
        white=data.manifest.white,
        memory=config.data.learn == "both",
    )
    if spec.memory:
        placed(backbone, spec.arch)  # refuses a network without maps, before anything is written
    torch.manual_seed(config.training.seed)  # the head's first weights
    learn = _learner(config, data, backbone, spec, machine, on_event)
    floor = None
    if not resumed:
        report_views(preprocessing.view_input, data, config.training.seed, on_event)
        floor = start_head(learn, data, spec, loaded, config, on_event)
    return Job(config, machine, data, spec, loaded, learn, choice, floor)


def _refuse_several(config: RunConfig) -> None:
    if (size := place().size) > 1:
        flag = "--learn good" if config.data.learn == "good" else "--tune head"
        raise UsageError(
            f"{flag} has no epochs that the {size} processes of the launcher could share.",
            "Run the command without a launcher: it needs one process.",
        )


def _head_of(config: RunConfig) -> Head:
    if config.data.learn == "good":
        return "memory"
    return "stages" if config.training.tune == "head" else config.model.head


def _learner(
    config: RunConfig,
    data: TrainingData,
    backbone: Backbone,
    spec: ModelSpec,
    machine: Machine,
    on_event: OnEvent,
) -> Learner:
    training = config.training
    weights = None
    if config.one_epoch:
        _report_one_epoch(config, machine, data, on_event)
    else:
        weights = _class_weights(config.data.balance, data, on_event)
        _report_training(config, machine, data, on_event)
    dls = build_loaders(
        data.manifest,
        data.store,
        data.split.train,
        data.split.valid,
        LoaderOptions(
            classes=spec.classes,
            preprocessing=spec.preprocessing,
            augment=config.data.augment,
            batch_size=training.batch_size,
            seed=training.seed,
            device=machine.device,
            balanced=config.data.balance in ("sampler", "both"),
            light=config.data.light,
            workers=machine.workers,
        ),
        data.kept_tiles(data.split.train),
    )
    loss = build_loss(weights, training.label_smoothing, machine.device)
    return build_learner(
        dls, backbone, loss, spec=spec, training=training, precision=machine.precision
    )


def _report_training(
    config: RunConfig, machine: Machine, data: TrainingData, on_event: OnEvent
) -> None:
    on_event(
        Note(
            f"{config.model.arch} on {machine.device.type} ({machine.precision}, "
            f"{machine.workers} workers), {len(data.split.train)} photos an epoch, "
            f"augment {config.data.augment}{' and light' if config.data.light else ''}, "
            f"balance {config.data.balance}."
        )
    )
    if (tiles := config.data.tile_count) > 1:
        on_event(
            Note(
                f"Up to {tiles} tiles of {config.data.image_size} px of each photo, "
                f"{counted(config.training.batch_size, 'photo')} a step. A step computes all "
                "tiles, and trains on the worst of each photo."
            )
        )


def _report_one_epoch(
    config: RunConfig, machine: Machine, data: TrainingData, on_event: OnEvent
) -> None:
    """Report what is trained, and which of the user's settings have no effect."""
    use = f"a linear head is trained on its features of {len(data.split.train)} photos"
    if config.data.learn == "good":
        use = "new photos are compared with its features of good photos"
    on_event(Note(f"{config.model.arch} on {machine.device.type} stays frozen; {use}."))
    usual = {leaf.name: leaf for leaf in config_fields() if leaf.name in _OF_EPOCHS}
    unused = [
        f"--{name.replace('_', '-')}"
        for name, leaf in usual.items()
        if name in config.given and getattr(getattr(config, leaf.section), name) != leaf.default
    ]
    if unused:
        on_event(Note(f"Not used, as there are no epochs: {', '.join(unused)}."))


def _class_weights(balance: str, data: TrainingData, on_event: OnEvent) -> list[float] | None:
    """The class weights of the loss, or None without; a note reports them either way."""
    classes = data.manifest.classes
    labels = data.manifest.labels[list(data.split.train)]
    counts = [int((labels == index).sum()) for index in range(len(classes))]
    weights = class_weights(counts)
    shown = ", ".join(
        f"{name} {count} x {weight:.3f}"
        for name, count, weight in zip(classes, counts, weights, strict=True)
    )
    on_event(Note(f"Class weights n / (k n_c): {shown}."))
    if balance == "both":
        on_event(
            Note(
                "--balance both corrects twice: the sampler already draws every class equally "
                "often, and the loss then favours the rarer class. If defects are the majority, "
                "this puts them at a disadvantage.",
                "warning",
            )
        )
    return weights if balance in ("loss", "both") else None


def _report_weights(loaded: LoadedWeights, config: RunConfig, on_event: OnEvent) -> None:
    gave_up = loaded.source == "auto" and not loaded.pretrained
    on_event(Note(f"Weights: {loaded.note}.", "warning" if gave_up else "info"))
    if loaded.pretrained and loaded.unmatched:
        names = ", ".join(loaded.unmatched[:6])
        more = f" and {len(loaded.unmatched) - 6} more" if len(loaded.unmatched) > 6 else ""
        on_event(Note(f"{loaded.matched} tensors loaded; not matched: {names}{more}."))
    if config.one_epoch and not loaded.pretrained:
        on_event(Note("The network keeps random weights: their features are poor.", "warning"))
    elif config.training.freeze_epochs and not loaded.pretrained:
        on_event(Note("--freeze-epochs freezes random weights: these stay untrained.", "warning"))
