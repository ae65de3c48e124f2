"""One change at a time: the steps from the old pipeline to the improved one, and what each gained.

The old pipeline's authors claimed a gain for each step without measuring one. Here every step is a
training (or another way to ask a trained model) beside the one that it is compared with: same
photos, same part-wise split, same seed. A gain is the mean of its differences over seeds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from scipy.stats import t

from fastdefect.files import finite

Plan = Literal["ladder", "leave-one-out"]
Settings = Mapping[str, Any]

# Figures of a training, validation unless said; ``gap`` is training less validation accuracy.
COMPARED = ("f1", "accuracy", "auc", "gap")

OLD: Settings = {
    "arch": "small-cnn",
    "weights": "none",
    "balance": "none",
    "augment": "none",
    "label_smoothing": 0.0,
    "mixup_alpha": 0.0,
    "scheduler": "flat",
    "weight_decay": 0.0,
    "clip": 0.0,
    "freeze_epochs": 0,
    "light": False,
}


@dataclass(frozen=True)
class Step:
    """One rung: ``settings`` are all fields that it sets upon the user's own.

    It is compared with the step ``against``; None for the first. ``views`` other than none asks
    the model of ``against`` in another way, so that nothing is trained. ``claim`` is what the old
    pipeline said that it brings. A step ``aside`` is an alternative that later steps don't take up.
    """

    name: str
    title: str
    settings: Settings
    against: str | None
    claim: str = ""
    views: str = "none"
    aside: bool = False


@dataclass(frozen=True)
class Gain:
    """What a step changed in one figure: a difference by seed, their mean and its 95 % interval.

    The interval is Student's over seeds (each has its own split and draws); None with one seed.
    """

    by_seed: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean difference; NaN without a seed."""
        return fmean(self.by_seed) if self.by_seed else math.nan

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the mean over many more seeds would lie."""
        n = len(self.by_seed)
        if n < 2:
            return None
        half = float(t.ppf(0.975, n - 1)) * stdev(self.by_seed) / math.sqrt(n)
        return self.mean - half, self.mean + half

    @property
    def verdict(self) -> str:
        """What the evidence supports: more, less, or that it spans zero."""
        interval = self.interval
        if interval is None or not math.isfinite(self.mean):
            return "one seed"
        low, high = interval
        if low > 0:
            return "more"
        return "less" if high < 0 else "spans zero"

    def as_json(self) -> dict[str, Any]:
        """All of it; None for NaN."""
        return finite(
            {
                "by_seed": self.by_seed,
                "mean": self.mean,
                "interval": self.interval,
                "verdict": self.verdict,
            }
        )


def ladder(improved: Settings) -> tuple[Step, ...]:
    """From the small CNN to ``improved``, one thing after the other, in the mission's order.

    ``improved`` holds the user's ``arch``, ``weights``, ``image_size``, ``epochs``, and the values
    that the improved pipeline gives to every field that the old one does without.
    """
    steps = [Step("old", "small CNN, no tricks", OLD, None)]

    def add(name: str, title: str, *, claim: str = "", aside: bool = False, **changes: Any) -> None:
        last = next(step for step in reversed(steps) if not step.aside)
        settings = {**last.settings, **changes}
        if settings != last.settings:  # a user's own settings may leave nothing to a step
            steps.append(Step(name, title, settings, last.name, claim, aside=aside))

    add("arch", f"{improved['arch']}", claim="accuracy +5 to 8", arch=improved["arch"])
    add("pretrained", "pretrained weights", weights=improved["weights"])
    add("loss-weights", "class weights in the loss", aside=True, balance="loss")
    add("sampler-and-loss", "balanced sampler and loss", aside=True, balance="both")
    add("sampler", "balanced sampler", claim="accuracy +3 to 5", balance="sampler")
    add("basic", "augmentation: basic", aside=True, augment="basic")
    add(
        "manufacturing",
        "augmentation: manufacturing",
        claim="accuracy +2 to 4",
        augment="manufacturing",
    )
    add("smoothing", "label smoothing", label_smoothing=improved["label_smoothing"])
    add("mixup", "MixUp", mixup_alpha=improved["mixup_alpha"])
    add("cosine", "cosine schedule", aside=True, scheduler="cosine")
    add("onecycle", "one-cycle schedule", scheduler="onecycle")
    add(
        "regularised",
        "weight decay and clipping",
        claim="gap 5 to 10 less",
        weight_decay=improved["weight_decay"],
        clip=improved["clip"],
    )
    add(
        "freeze", "freeze, then unfreeze", aside=True, freeze_epochs=max(1, improved["epochs"] // 4)
    )
    last = next(step for step in reversed(steps) if not step.aside)
    steps.append(
        Step(
            "tta",
            "test-time augmentation: flips",
            last.settings,
            last.name,
            views="flips",
            aside=True,
        )
    )
    add("larger", "larger photos", aside=True, image_size=round(1.5 * improved["image_size"]))
    return tuple(steps)


def leave_one_out(improved: Settings) -> tuple[Step, ...]:
    """The improved pipeline, and it again without each of its parts."""
    full = {name: improved[name] for name in OLD}
    steps = [Step("improved", "the improved pipeline", full, None)]
    without = (
        ("no-pretrained", "without pretrained weights", ("weights",)),
        ("no-balance", "without balancing", ("balance",)),
        ("no-augment", "without augmentation", ("augment",)),
        ("no-smoothing", "without label smoothing", ("label_smoothing",)),
        ("no-mixup", "without MixUp", ("mixup_alpha",)),
        ("no-onecycle", "without a schedule", ("scheduler",)),
        ("no-regularising", "without weight decay and clipping", ("weight_decay", "clip")),
    )
    for name, title, fields in without:
        settings = {**full, **{field: OLD[field] for field in fields}}
        if settings != full:
            steps.append(Step(name, title, settings, "improved"))
    small = {**full, "arch": OLD["arch"], "weights": "none"}
    steps.insert(1, Step("no-arch", "the small CNN instead", small, "improved"))
    steps.append(Step("tta", "with test-time augmentation: flips", full, "improved", views="flips"))
    return tuple(steps)


def plan_steps(plan: Plan, improved: Settings) -> tuple[Step, ...]:
    """The steps of a plan."""
    return ladder(improved) if plan == "ladder" else leave_one_out(improved)


# Several steps for which the old pipeline claimed one gain: from, to, title, claim.
TOGETHER = (
    ("manufacturing", "onecycle", "smoothing, MixUp and one-cycle together", "accuracy +3 to 6"),
    ("old", "regularised", "all of it", "accuracy 77 % to 85 to 95 %"),
)


def gain_of(
    figure: str,
    after: Mapping[int, Mapping[str, float]],
    before: Mapping[int, Mapping[str, float]],
) -> Gain:
    """The differences in ``figure`` over the seeds that have both; each maps seed to figures."""
    seeds = sorted(set(after) & set(before))
    differences = (after[seed][figure] - before[seed][figure] for seed in seeds)
    return Gain(tuple(value for value in differences if math.isfinite(value)))


def gains(
    steps: Sequence[Step], figures: Mapping[str, Mapping[int, Mapping[str, float]]]
) -> dict[str, dict[str, Gain]]:
    """By step and figure of ``COMPARED``; ``figures`` by step and seed. The first has no gain."""
    return {
        step.name: {
            name: gain_of(name, figures.get(step.name, {}), figures.get(step.against, {}))
            for name in COMPARED
        }
        for step in steps
        if step.against is not None
    }
