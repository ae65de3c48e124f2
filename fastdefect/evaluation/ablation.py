"""The steps from the old pipeline to the improved one, and the gain of each step.

The authors of the old pipeline claimed a gain for each step without a measurement. Here each step
is a training (or another way to predict with a trained model). It is compared with a reference step
on the same photos, the same part-wise split and the same seed. A gain is the mean difference over
seeds.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from scipy.stats import t

from fastdefect.aliases import Interval
from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.files import finite

Plan = Literal["ladder", "leave-one-out"]
Settings = Mapping[str, Any]
Evidence = Literal["more", "less", "spans zero", "no interval", "one seed", "not measured"]

# Validation metrics of a training. ``gap`` is training accuracy minus validation accuracy.
COMPARED = ("f1", "accuracy", "auc", "gap")

OLD: Settings = {
    "arch": "small-cnn",
    "weights": "none",
    "head": "mlp",
    "batch_norm": "train",
    "early_layers": "train",
    "balance": "none",
    "augment": "none",
    "label_smoothing": 0.0,
    "mixup_alpha": 0.0,
    "scheduler": "flat",
    "weight_decay": 0.0,
    "clip": 0.0,
    "weight_average": 0.0,
    "freeze_epochs": 0,
    "light": False,
}

# The alternatives to an old value: name, title, value and claimed gain.
_CHOICES: Mapping[str, tuple[tuple[str, str, str, str], ...]] = {
    "balance": (
        ("loss-weights", "class weights in the loss", "loss", ""),
        ("sampler-and-loss", "balanced sampler and loss", "both", ""),
        ("sampler", "balanced sampler", "sampler", "accuracy +3 to 5"),
    ),
    "scheduler": (
        ("cosine", "cosine schedule", "cosine", ""),
        ("onecycle", "one-cycle schedule", "onecycle", ""),
    ),
}
_CLAIMED_OF_AUGMENT = {"manufacturing": "accuracy +2 to 4"}
_TTA = "test-time augmentation: flips"

# Steps with one claimed gain for all of them together: names, title and claim.
_TOGETHER = (
    ("smoothing", "mixup", "onecycle"),
    "smoothing, MixUp and one-cycle together",
    "accuracy +3 to 6",
)
_ALL = ("all of it", "accuracy 77 % to 85 to 95 %")

_ROUNDING = 1e-12  # differences closer than this count as equal


@dataclass(frozen=True)
class Step:
    """One step of a plan.

    ``settings`` are all fields that the step sets on top of the user's own settings. ``against``
    names the reference step; it is None for the first step. With ``views`` other than "none",
    nothing is trained: the model of ``against`` predicts with these views. ``claim`` is the gain
    that the old pipeline's authors claimed. If ``aside`` is true, the step is an alternative that
    later steps do not build on.
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
    """The change of one metric by a step: the difference per seed, their mean and its interval.

    The interval is the 95 % interval of the paired t-test over seeds; each seed has its own split
    and random draws. It is None with fewer than two seeds. It is also None if all seeds agree on a
    difference other than 0: the metrics are counts of a few photos, two seeds often agree by
    chance, and Student's interval would then have a width of zero.
    """

    by_seed: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean difference; NaN without a seed."""
        return fmean(self.by_seed) if self.by_seed else math.nan

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of the mean over many more seeds."""
        n = len(self.by_seed)
        if n < 2:
            return None
        if max(self.by_seed) - min(self.by_seed) < _ROUNDING:
            return (0.0, 0.0) if abs(self.mean) < _ROUNDING else None
        half = float(t.ppf(0.975, n - 1)) * stdev(self.by_seed) / math.sqrt(n)
        return self.mean - half, self.mean + half

    @property
    def verdict(self) -> Evidence:
        """What the evidence supports: more, less, spans zero, or why it shows nothing."""
        if len(self.by_seed) < 2:
            return "one seed" if self.by_seed else "not measured"
        interval = self.interval
        if interval is None:
            return "no interval"
        low, high = interval
        if low > 0:
            return "more"
        return "less" if high < 0 else "spans zero"

    def as_json(self) -> dict[str, Any]:
        """All values; None for NaN."""
        return finite(
            {
                "by_seed": self.by_seed,
                "mean": self.mean,
                "interval": self.interval,
                "verdict": self.verdict,
            }
        )


class _Rungs:
    """The steps of a ladder while it is built; the next step builds on ``top``."""

    def __init__(self) -> None:
        self.steps = [Step("old", "small CNN, no tricks", OLD, None)]

    @property
    def top(self) -> Step:
        return next(step for step in reversed(self.steps) if not step.aside)

    def add(
        self, name: str, title: str, *, claim: str = "", aside: bool = False, **changes: Any
    ) -> None:
        """Add the top with ``changes``, unless the user's settings already have these values."""
        settings = {**self.top.settings, **changes}
        if settings != self.top.settings:
            self.steps.append(Step(name, title, settings, self.top.name, claim, aside=aside))

    def choose(self, field: str, chosen: Any) -> None:
        """Add a step for each known value of ``field``, the ``chosen`` value last.

        All other values are aside. If the old value is chosen, all are aside.
        """
        for name, title, value, claim in sorted(_choices(field), key=lambda of: of[2] == chosen):
            self.add(name, title, claim=claim, aside=value != chosen, **{field: value})


def _choices(field: str) -> tuple[tuple[str, str, str, str], ...]:
    if field != "augment":
        return _CHOICES[field]
    return tuple(
        (name, f"augmentation: {name}", name, _CLAIMED_OF_AUGMENT.get(name, ""))
        for name in AUGMENTATIONS
        if name != OLD["augment"]
    )


def ladder(improved: Settings) -> tuple[Step, ...]:
    """The steps from the small CNN to ``improved``, one change at a time.

    ``improved`` holds the user's settings by field: all fields of ``OLD``, ``image_size`` and
    ``epochs``. The last step that is not aside has all of them.
    """
    rungs = _Rungs()
    arch, weights, epochs = improved["arch"], _weights_of(improved), improved["epochs"]
    rungs.add("arch", arch, claim="accuracy +5 to 8", arch=arch)
    rungs.add("pretrained", "pretrained weights", weights=weights)
    rungs.add("probe", "linear head from a probe", head=improved["head"])
    rungs.add("statistics", "frozen batch-norm statistics", batch_norm=improved["batch_norm"])
    rungs.add("early", "early layers fixed", early_layers=improved["early_layers"])
    rungs.choose("balance", improved["balance"])
    rungs.choose("augment", improved["augment"])
    rungs.add("smoothing", "label smoothing", label_smoothing=improved["label_smoothing"])
    rungs.add("mixup", "MixUp", mixup_alpha=improved["mixup_alpha"])
    rungs.choose("scheduler", improved["scheduler"])
    regular = {name: improved[name] for name in ("weight_decay", "clip")}
    rungs.add("regularised", "weight decay and clipping", claim="gap 5 to 10 less", **regular)
    rungs.add("averaged", "averaged weights", weight_average=improved["weight_average"])
    rungs.add("light", "light of other photos", light=improved["light"])
    frozen = improved["freeze_epochs"]
    trial = max(1, epochs // 4)
    if frozen or (trial < epochs and weights != "none"):  # freezing random weights is useless
        rungs.add(
            "freeze", "freeze, then unfreeze", aside=not frozen, freeze_epochs=frozen or trial
        )
    top = rungs.top
    views = Step("tta", _TTA, top.settings, top.name, views="flips", aside=True)
    rungs.steps.append(views)
    larger = round(1.5 * improved["image_size"])
    rungs.add("larger", "larger photos", aside=True, image_size=larger)
    return tuple(rungs.steps)


def leave_one_out(improved: Settings) -> tuple[Step, ...]:
    """The improved pipeline, and the same pipeline without each of its steps."""
    full = {name: improved[name] for name in OLD} | {"weights": _weights_of(improved)}
    steps = [Step("improved", "the improved pipeline", full, None)]
    # Random weights and their batch-norm statistics must not be frozen.
    of_pretrained = ("freeze_epochs", "head", "batch_norm", "early_layers")
    without = (
        ("no-freeze", "without freezing first", ("freeze_epochs",)),
        ("no-pretrained", "without pretrained weights", ("weights", *of_pretrained)),
        ("no-arch", "the small CNN instead", ("arch", "weights", *of_pretrained)),
        ("no-probe", "with the mlp head", ("head",)),
        ("no-statistics", "with batch-norm statistics trained", ("batch_norm",)),
        ("no-early", "with early layers trained", ("early_layers",)),
        ("no-balance", "without balancing", ("balance",)),
        ("no-augment", "without augmentation", ("augment",)),
        ("no-smoothing", "without label smoothing", ("label_smoothing",)),
        ("no-mixup", "without MixUp", ("mixup_alpha",)),
        ("no-onecycle", "without a schedule", ("scheduler",)),
        ("no-regularising", "without weight decay and clipping", ("weight_decay", "clip")),
        ("no-averaging", "without averaged weights", ("weight_average",)),
        ("no-light", "without light of other photos", ("light",)),
    )
    for name, title, fields in without:
        settings = {**full, **{field: OLD[field] for field in fields}}
        if settings not in [step.settings for step in steps]:
            steps.append(Step(name, title, settings, "improved"))
    steps.append(Step("tta", f"with {_TTA}", full, "improved", views="flips"))
    return tuple(steps)


def _weights_of(improved: Settings) -> str:
    """The initial weights: "none" if requested, or for the small CNN, which has none."""
    known = improved["arch"] != OLD["arch"] or improved["weights"] != "auto"
    return str(improved["weights"]) if known else "none"


_PLANS: Mapping[str, Callable[[Settings], tuple[Step, ...]]] = {
    "ladder": ladder,
    "leave-one-out": leave_one_out,
}


def plan_steps(plan: Plan, improved: Settings) -> tuple[Step, ...]:
    """The steps of a plan; raises KeyError for an unknown plan."""
    return _PLANS[plan](improved)


@dataclass(frozen=True)
class Span:
    """Several steps of a ladder as one, from the step ``start`` to the step ``end``."""

    start: str
    end: str
    title: str
    claim: str


def spans(steps: Sequence[Step]) -> tuple[Span, ...]:
    """The spans with a claim of their own: known sequences of steps, and the whole ladder.

    A sequence counts only if the ladder has exactly these steps in a row. Steps that are aside are
    ignored. A plan with fewer than two other steps has no span.
    """
    main = [step for step in steps if not step.aside]
    names = [step.name for step in main]
    found = []
    together, title, claim = _TOGETHER
    if together[0] in names:
        first = names.index(together[0])
        if tuple(names[first : first + len(together)]) == together:
            found.append(Span(names[first - 1], together[-1], title, claim))
    if len(main) > 1 and main[-1].against != names[0]:
        found.append(Span(names[0], names[-1], *_ALL))
    return tuple(found)


def gain_of(
    figure: str,
    after: Mapping[int, Mapping[str, float]],
    before: Mapping[int, Mapping[str, float]],
) -> Gain:
    """The differences in ``figure`` over the seeds that both have; each maps seed to metrics."""
    seeds = sorted(set(after) & set(before))
    differences = (after[seed][figure] - before[seed][figure] for seed in seeds)
    return Gain(tuple(value for value in differences if math.isfinite(value)))


def gains(
    steps: Sequence[Step], figures: Mapping[str, Mapping[int, Mapping[str, float]]]
) -> dict[str, dict[str, Gain]]:
    """The gain of each step in each metric of ``COMPARED``; the first step has none.

    ``figures`` maps step and seed to metrics.
    """
    return {
        step.name: {
            name: gain_of(name, figures.get(step.name, {}), figures.get(step.against, {}))
            for name in COMPARED
        }
        for step in steps
        if step.against is not None
    }
