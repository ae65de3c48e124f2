"""``--recipe auto``: choose a recipe for the photos by a trial of seconds before the training.

For each recipe, its augmentation changes the training photos once and the frozen backbone extracts
their features. A linear classifier is trained on these, and predicts unchanged and disturbed photos
of parts that it was not trained on. A detail that an augmentation hides from this classifier, such
as a fine crack under a blur, it also hides from a training of few epochs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.config import Recipe, RunConfig
from fastdefect.config_resolve import apply_recipe, override
from fastdefect.data.augment.pipelines import Augmenter, item_seed
from fastdefect.data.loaders import Preprocessing
from fastdefect.data.splitting.subsample import share_of_parts
from fastdefect.data.training_data import TrainingData
from fastdefect.evaluation.robustness.disturbances import DISTURBANCES, generator
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.files import finite
from fastdefect.jobs.training.network import build_network
from fastdefect.jobs.training.precision import settle_precision
from fastdefect.jobs.training.steps import (
    FEW_STEPS,
    steps_of,
    too_few_for_camera,
    with_rate_for_steps,
)
from fastdefect.metrics import Weighted, measure
from fastdefect.recipes import RECIPES
from fastdefect.text import counted
from fastdefect.training.backbones import Backbone, LoadedWeights
from fastdefect.training.features import Change, FrozenBackbone
from fastdefect.training.probe import Folds, best_strength, cross_predict, make_folds

CANDIDATES: tuple[Recipe, ...] = ("camera", "steady")
MOST_PHOTOS = 300
# Below this AUC of frozen features, a training that changes them little can end with a constant
# prediction (docs/benchmarks.md, defects that frozen features do not show). With fewer parts the
# AUC says as much about the parts as about the defects: tiles of 28 stretches have 0.39 to 0.69.
LEAST_AUC, LEAST_PARTS = 0.7, 50
MOST_RATE = 4e-4  # a higher rate destroys good pretrained features
# Set for random weights, regardless of the recipe.
OF_RANDOM = {"batch_norm": "train", "early_layers": "train"}
FOLDINGS = 3  # divisions of the parts into folds: with few parts a single one is too noisy

# Changes of a production camera over a year, at strengths that should not change a decision.
STRESS = (("noise", 15.0), ("blur", 2.0), ("JPEG", 20.0), ("brightness", 0.7), ("gamma", 1.4))
_AUGMENT_STREAM, _STRESS_STREAM = 0x726563697065, 0x737472657373


@dataclass(frozen=True)
class Evidence:
    """The figures of a recipe: AUC and accuracy on unchanged photos, share of flipped decisions."""

    auc: float
    accuracy: float
    flips: float


@dataclass(frozen=True)
class Choice:
    """The chosen recipe and the reason; ``evidence`` by recipe, empty without a trial."""

    recipe: Recipe
    reason: str
    evidence: Mapping[Recipe, Evidence]
    photos: int = 0
    parts: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The content of ``recipe.json``."""
        found = {name: finite(asdict(each)) for name, each in self.evidence.items()}
        return {**asdict(self), "evidence": found}


def settle_recipe(
    config: RunConfig,
    data: TrainingData,
    backbone: Backbone,
    loaded: LoadedWeights,
    device: torch.device,
    on_event: OnEvent,
) -> tuple[RunConfig, Choice | None]:
    """``config`` with its recipe named and applied; the choice, if the recipe was ``auto``.

    For a recipe chosen here the learning rate is also adapted to the number of steps. Fields given
    by the user stay, but layers with random weights are always trained. With ``--tune head`` the
    recipes do not differ, and there is no trial.
    """
    if config.one_epoch:
        auto = config.training.recipe == "auto"
        return (apply_recipe(config, "plain") if auto else config), None
    if config.training.recipe != "auto":
        settled = config if loaded.pretrained else override(config, OF_RANDOM)
        if settled != config:
            on_event(Note("The weights are random: all layers and their statistics are trained."))
        return settled, None
    choice = _choose(config, data, backbone, loaded, device, on_event)
    on_event(Note(f"Recipe {choice.recipe}: {choice.reason}."))
    settled = apply_recipe(config, choice.recipe)
    settled = with_rate_for_steps(settled, len(data.split.train), on_event)
    return (settled if loaded.pretrained else override(settled, OF_RANDOM)), choice


def settle_for(
    config: RunConfig, data: TrainingData, device: torch.device, on_event: OnEvent
) -> RunConfig:
    """``settle_recipe`` for several trainings, which also settles their network and precision."""
    config, backbone, loaded = build_network(config, on_event)
    backbone.body.to(device)
    config, _ = settle_recipe(config, data, backbone, loaded, device, on_event)
    return settle_precision(config, len(data.split.train), backbone, device, on_event)


def _choose(
    config: RunConfig,
    data: TrainingData,
    backbone: Backbone,
    loaded: LoadedWeights,
    device: torch.device,
    on_event: OnEvent,
) -> Choice:
    if not loaded.pretrained:
        return Choice("full", "the weights are random", {})
    rate = config.training.learning_rate
    if "learning_rate" in config.given and rate > MOST_RATE:
        return Choice("full", f"--learning-rate {rate:g} changes the whole network", {})
    if "augment" in config.given:
        return Choice("plain", f"--augment {config.data.augment} is given", {})
    photos = len(data.split.train)
    steps = steps_of(config, photos)
    few = f"too few optimizer steps for a stronger augmentation ({steps})"
    if too_few_for_camera(config, photos):
        return Choice("plain", few, {})
    if steps < FEW_STEPS:
        # The trial can't detect that a short training underfits: its classifier always converges.
        return Choice("camera", few, {})
    if config.data.tile_count > 1:
        return Choice("camera", "recipes are not tried on photos in tiles", {})
    share = min(1.0, MOST_PHOTOS / photos)
    drawn = share_of_parts(data.split, data.manifest, share, config.training.seed)
    labels = data.manifest.labels[list(drawn.train)]
    parts = [drawn.parts[i] for i in drawn.train]
    seeds = [config.training.seed + number for number in range(FOLDINGS)]
    foldings = [folds for seed in seeds if (folds := make_folds(labels, parts, seed)) is not None]
    if not foldings:
        return Choice("camera", "a class has too few parts to try others", {})
    began = perf_counter()
    preprocessing = Preprocessing(
        config.data.image_size, config.data.resize, backbone.mean, backbone.std
    )
    trial = _Trial(config, replace(data, split=drawn), backbone, preprocessing, device, on_event)
    evidence = trial.run(labels, foldings)
    n_parts = len(set(parts))
    recipe, difference = decide(evidence["camera"], evidence["steady"], n_parts)
    seconds = perf_counter() - began
    reason = f"on frozen features of {counted(len(labels), 'photo')}, {difference}"
    return Choice(recipe, reason, evidence, len(labels), n_parts, seconds)


def decide(camera: Evidence, steady: Evidence, n_parts: int) -> tuple[Recipe, str]:
    """The recipe and the reason; the evidence is from ``n_parts`` parts.

    ``fine`` if neither has enough AUC to start from. Otherwise ``steady`` if it costs no AUC and
    fewer decisions flip, else ``camera``.
    """
    if n_parts >= LEAST_PARTS and (auc := max(camera.auc, steady.auc)) < LEAST_AUC:
        return "fine", (
            f"the AUC is only {auc:.2f}, so that the network has to learn to see these defects; "
            "override with --recipe camera"
        )
    gained, flips = steady.auc - camera.auc, steady.flips - camera.flips
    recipe: Recipe = "steady" if gained >= 0 and flips < 0 else "camera"
    other = "camera" if recipe == "steady" else "steady"
    reason = (
        f"steady changes the AUC by {100 * gained:+.1f} points "
        f"and the share of decisions that flip by {100 * flips:+.1f} points; "
        f"override with --recipe {other}"
    )
    return recipe, reason


class _Trial:
    """The photos of a trial and their frozen features."""

    def __init__(
        self,
        config: RunConfig,
        data: TrainingData,
        backbone: Backbone,
        preprocessing: Preprocessing,
        device: torch.device,
        on_event: OnEvent,
    ) -> None:
        self.config, self.data, self.on_event = config, data, on_event
        self.body, self.preprocessing, self.device = backbone.body, preprocessing, device
        self.seed = config.training.seed
        self.passes = 0

    def run(self, labels: NDArray[np.int64], foldings: Sequence[Folds]) -> dict[Recipe, Evidence]:
        """The evidence of each candidate on the same photos, averaged over the foldings.

        The classifier is trained on each photo twice, unchanged and augmented: a training gets each
        photo in many versions, some of them almost unchanged.
        """
        clean, disturbed = self._features(None), self._features(self._disturbed)
        strength = best_strength([clean], labels, foldings[0])
        found: dict[Recipe, Evidence] = {}
        for recipe in CANDIDATES:
            copies = clean, self._features(self._augmented(RECIPES[recipe]["augment"]))
            each = []
            for folds in foldings:
                answers = cross_predict(copies, labels, folds, strength, (clean, disturbed))
                each.append(self._evidence(labels, *answers))
            found[recipe] = Evidence(
                *(fmean(getattr(one, part.name) for one in each) for part in fields(Evidence))
            )
        return found

    def _evidence(
        self,
        labels: NDArray[np.int64],
        y_prob: Floats,
        disturbed: Floats,
    ) -> Evidence:
        manifest = self.data.manifest
        good = manifest.good_indices
        decided = y_prob.argmax(axis=1)
        of = measure(Weighted(np.ones((1, len(labels))), labels, y_prob, decided, good))
        flips = float((disturbed.argmax(axis=1) != decided).mean())
        return Evidence(float(of["auc"][0]), float(of["accuracy"][0]), flips)

    def _features(self, change: Change | None) -> NDArray[np.float32]:
        n, before = len(self.data.split.train), self.passes * len(self.data.split.train)
        total = (2 + len(CANDIDATES)) * n
        self.passes += 1
        backbone = FrozenBackbone(self.body, self.preprocessing, self.device)
        return backbone.features(
            self.data.store,
            self.data.rows(self.data.split.train),
            change=change,
            on_batch=lambda done: self.on_event(Progress("trying recipes", before + done, total)),
        )

    def _augmented(self, augment: str) -> Change:
        augmenter = Augmenter(augment, self.preprocessing.image_size)
        return lambda photo, i: augmenter(photo, item_seed(self.seed ^ _AUGMENT_STREAM, 0, i))

    def _disturbed(self, photo: NDArray[np.uint8], position: int) -> NDArray[np.uint8]:
        name, strength = STRESS[position % len(STRESS)]
        rng = generator(self.seed ^ _STRESS_STREAM, name, 0, position)
        return DISTURBANCES[name].apply(photo, strength, rng)
