"""Every setting of a run, in one place: its default, its limits and its help text.

The name of a field is also the name of its flag and its key in a config file; there is no
mapping table. These are plain frozen dataclasses: the commands are built from them before
anything heavy is imported. ``config_resolve`` checks the values when a command runs.
"""

from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from annotated_types import Ge, Gt, Lt

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.flag import Flag, Former

Device = Literal["auto", "cpu", "cuda", "mps"]
Unit = Literal["photo", "part"]  # what one decision is about
# How the photos of a part are combined: see inference/part_rule.py. Stacking is learned.
FixedPartRule = Literal["worst", "mean", "noisy-or"]
PartRule = Literal["worst", "mean", "noisy-or", "stacking"]
Recipe = Literal["auto", "plain", "camera", "steady", "fine", "full", "legacy"]
Tune = Literal["all", "head"]
Learn = Literal["classes", "good", "both"]
if TYPE_CHECKING:
    Augment = str
else:
    Augment = Literal[tuple(AUGMENTATIONS)]


MOST_TILES = 256  # of a photo; each takes the time of a photo without tiles
MOST_VIEWS = 32  # that a network takes as an input; each has weights of its own

# The settings of an audit: what is read, and how.
AUDIT_SETTINGS = (
    *("data", "good", "rename", "join_defects", "learn", "part_from", "view_from", "label_from"),
    *("resplit", "parts", "strict", "white", "max_megapixels", "image_size", "resize", "tiles"),
    *("tile_background", "seed"),
)


@dataclass(frozen=True)
class DataConfig:
    """The photos, and how they are read, split, augmented and balanced."""

    # For pydantic: no field of this section may be infinite.
    __pydantic_config__ = {"allow_inf_nan": False}  # noqa: RUF012 - the name is pydantic's

    data: Annotated[
        Path,
        Flag(
            "Folder or zip of photos, or a CSV with the columns path, label, and optionally part "
            "and split.",
            argument=True,
        ),
    ] = Path("data")
    good: Annotated[
        str | None,
        Flag(
            "The class of good parts, or several separated by commas; 'none' if every class is a "
            "defect."
        ),
    ] = None
    rename: Annotated[
        tuple[str, ...],
        Flag("Give a class another name, OLD=NEW,...; two classes with one name are joined."),
    ] = ()
    join_defects: Annotated[
        bool,
        Flag(
            "Make one class of all defects; their kinds are kept for the tables by type. For "
            "photos with several defects."
        ),
    ] = False
    learn: Annotated[
        Learn,
        Flag(
            "What is learned: the classes; the good class alone, so that no photo of a defect is "
            "needed; or both, so that defects of unknown types are rejected, too."
        ),
    ] = "classes"
    part_from: Annotated[
        str | None,
        Flag("Regex that extracts the part from each file name."),
    ] = None
    view_from: Annotated[
        str | None,
        Flag("Regex that extracts the view, such as the camera, from each file name."),
    ] = None
    view_input: Annotated[
        bool,
        Flag(
            "Give the network the view of each photo, such as the camera, as a second input: for "
            "views in which good parts look different."
        ),
    ] = False
    product_from: Annotated[
        str | None,
        Flag(
            "Regex that extracts the product from each file name, where one folder has several; or "
            "a column product in a CSV."
        ),
    ] = None
    label_from: Annotated[
        str | None,
        Flag("Regex on file names whose match is the label, where folders are no classes."),
    ] = None
    resplit: Annotated[
        bool, Flag("Ignore given train, valid and test folders or columns; split all photos anew.")
    ] = False
    parts: Annotated[
        Literal["auto", "csv", "regex", "none"],
        Flag("How photos are grouped by part; none: each photo is a part of its own."),
    ] = "auto"
    valid: Annotated[float, Gt(0), Lt(1), Flag("Share of photos for validation.")] = 0.1
    test: Annotated[float, Ge(0), Lt(1), Flag("Share of photos for the sealed test.")] = 0.15
    unleak: Annotated[
        bool, Flag("Exclude training photos of parts that are also in a given valid or test split.")
    ] = False
    photos_per_class: Annotated[
        int | None,
        Ge(1),
        Flag("Train on at most this many photos of each class, whole parts first."),
    ] = None
    strict: Annotated[bool, Flag("Stop at unreadable photos instead of skipping them.")] = False
    white: Annotated[
        float | None,
        Gt(0),
        Flag("Value that is white in photos of more than 8 bits; unset: one that fits all photos."),
    ] = None
    max_megapixels: Annotated[
        float, Gt(0), Flag("Photos of more megapixels are not read: they need too much memory.")
    ] = 300.0
    image_size: Annotated[int, Ge(16), Flag("Side of the model's square input, pixels.")] = 224
    resize: Annotated[
        Literal["squish", "pad"],
        Flag("How a photo is made square; nothing is cropped."),
    ] = "squish"
    tiles: Annotated[
        str,
        Flag(
            "Cut each photo into at most this many overlapping tiles of image-size; none; auto: as "
            "known defects or very large photos need; marked: as known defects need, up to 16."
        ),
    ] = "marked"
    tile_background: Annotated[
        str,
        Flag(
            "keep: all tiles count; auto: those of background alone are left out where that is "
            "sure; or the values of a run."
        ),
    ] = "auto"
    augment: Annotated[
        Augment,
        Flag(
            "Augmentation of training photos; "
            f"{'; '.join(f'{each.name}: {each.about}' for each in AUGMENTATIONS.values())}."
        ),
    ] = "camera"
    light: Annotated[
        bool,
        Flag(
            "Train on photos with their background light exchanged between them, so that it does "
            "not predict the class.",
            option="randomize-background-light",
            aliases=("--light",),
        ),
    ] = False
    balance: Annotated[
        Literal["sampler", "loss", "both", "none"],
        Flag("How class imbalance is compensated."),
    ] = "none"
    cache_mb: Annotated[
        int, Ge(0), Flag("Above this many MB, decoded photos are kept in a memory-mapped file.")
    ] = 4096

    @property
    def one_defect(self) -> bool:
        """Whether all defects are one class; their kinds are a column of the photos then."""
        return self.join_defects or self.learn == "good"

    @property
    def tile_count(self) -> int:
        """The most tiles of a photo; 1 without tiles, and until ``marked`` is settled.

        ``auto`` must be settled before.
        """
        return 1 if self.tiles in ("none", "marked") else int(self.tiles)

    @property
    def background(self) -> tuple[float, float, float] | None:
        """The values of ``data/reading/background.Background``; None if all tiles count."""
        if self.tile_count == 1 or self.tile_background in ("auto", "keep"):
            return None
        least, most, contrast = map(float, self.tile_background.split(","))
        return least, most, contrast


@dataclass(frozen=True)
class ModelConfig:
    """The network, and the source of its initial weights."""

    arch: Annotated[
        str,
        Flag(
            "auto (resnet50; efficientnet-lite0 if the weights of resnet50 are not available), a "
            "torchvision or timm name, or small-cnn.",
            aliases=("--model-type",),
        ),
    ] = "auto"
    weights: Annotated[
        str,
        Flag(
            "auto (cache, download or package), none (random), a safetensors file, or the folder "
            "of a run."
        ),
    ] = "auto"
    from_run: Annotated[
        str | None,
        Flag(
            "Start from the weights and settings of this run; its photos keep their side of the "
            "split.",
            option="from",
        ),
    ] = None
    head: Annotated[
        Literal["linear", "mlp"],
        Flag("linear: starts as the best linear classifier on frozen features; mlp: 512-256."),
    ] = "linear"


@dataclass(frozen=True)
class TrainingConfig:
    """How the network is trained."""

    # For pydantic: every field of this section must be finite.
    __pydantic_config__ = {"allow_inf_nan": False}  # noqa: RUF012 - the name is pydantic's

    recipe: Annotated[
        Recipe,
        Flag(
            "Source of unset settings; auto: chosen by a short trial on your photos.",
            former=Former("preset", {"default": "full", "mission": "legacy"}),
        ),
    ] = "auto"
    tune: Annotated[
        Tune,
        Flag("What is trained: the whole network, or only a linear head on its frozen features."),
    ] = "all"
    turned: Annotated[
        Literal["auto", "yes", "no"],
        Flag(
            "With --learn good or both: also remember good photos turned and mirrored; auto: if "
            "there are few."
        ),
    ] = "auto"
    epochs: Annotated[int, Ge(1), Flag("Total epochs, including frozen ones.")] = 25
    min_steps: Annotated[
        int,
        Ge(0),
        Flag("Minimum optimizer steps; few photos get more epochs, unless --epochs is set."),
    ] = 50
    batch_size: Annotated[int, Ge(2), Flag("Photos per step.")] = 24
    learning_rate: Annotated[float, Gt(0), Flag("Maximum learning rate.")] = 0.0002
    weight_decay: Annotated[float, Ge(0), Flag("Weight decay.")] = 5e-4
    optimizer: Annotated[Literal["adamw", "adam", "sgd"], Flag("sgd uses Nesterov momentum.")] = (
        "adamw"
    )
    scheduler: Annotated[
        Literal["onecycle", "cosine", "flat"], Flag("Schedule of the learning rate.")
    ] = "onecycle"
    mixup_alpha: Annotated[float, Ge(0), Flag("Beta parameter of MixUp; 0 turns it off.")] = 0.0
    label_smoothing: Annotated[float, Ge(0), Lt(1), Flag("Label smoothing; 0 turns it off.")] = 0.0
    batch_norm: Annotated[
        Literal["frozen", "train"],
        Flag("Statistics of pretrained batch-norm layers: frozen, or trained."),
    ] = "frozen"
    early_layers: Annotated[
        Literal["fixed", "train"],
        Flag("The first pretrained layers, down to 1/4 of the resolution: fixed or trained."),
    ] = "fixed"
    clip: Annotated[float, Ge(0), Flag("Maximum gradient norm; 0 turns clipping off.")] = 1.0
    weight_average: Annotated[
        float, Ge(0), Lt(1), Flag("Decay of the moving average of weights, per step; 0: none.")
    ] = 0.98
    keep: Annotated[
        Literal["annealed", "best", "last"],
        Flag(
            "Epoch to keep: best F1 after the learning rate is annealed, best F1 of all, or last."
        ),
    ] = "annealed"
    members: Annotated[
        int, Ge(1), Flag("Number of networks to train, each with its own seed, and to average.")
    ] = 1
    final: Annotated[
        Literal["auto", "none", "folds", "refit"],
        Flag(
            "Train on all photos and measure by cross-validation: average the networks of the "
            "folds, or refit one network; auto: folds if there are few photos, otherwise none."
        ),
    ] = "auto"
    freeze_epochs: Annotated[
        int,
        Ge(0),
        Flag("Initial epochs with a frozen backbone; then discriminative learning rates."),
    ] = 0
    patience: Annotated[
        int, Ge(0), Flag("Epochs without a better F1 before early stopping; 0 turns it off.")
    ] = 12
    seed: Annotated[int, Ge(0), Lt(2**32), Flag("Seed of the split and of all random draws.")] = 42
    device: Annotated[Device, Flag("Device to train on.")] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "fp16", "bf16"],
        Flag("auto: mixed on CUDA; bf16 on a CPU if a trial shows that it is faster; else fp32."),
    ] = "auto"
    workers: Annotated[
        int | None, Ge(0), Flag("Processes that augment photos; unset: 0 on CPU, up to 8 on CUDA.")
    ] = None


@dataclass(frozen=True)
class ReportConfig:
    """How the run is measured: on which photos, and with which targets."""

    folds: Annotated[
        int | None, Ge(2), Flag("Cross-validate with this many folds, each held out in turn.")
    ] = None
    views: Annotated[
        Literal["auto", "none", "flips", "dihedral", "turns", "mirror", "half-turn"],
        Flag("Views to average for a decision; auto: flips, or none if validation shows a loss."),
    ] = "auto"
    target: Annotated[
        tuple[str, ...], Flag("METRIC=VALUE to reach on validation, e.g. f1=0.95; repeatable.")
    ] = ()
    targets: Annotated[
        Literal["none", "legacy"],
        Flag(
            "legacy: the results and targets of the replaced pipeline.",
            former=Former("targets", {"none": "none", "mission": "legacy"}),
        ),
    ] = "none"


@dataclass(frozen=True)
class RunConfig:
    """All settings. Each part of the program receives only the section that it needs.

    ``given`` names the fields that a file or a flag set: a recipe does not change them. It is not
    a setting, and a config file does not contain it.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    given: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def one_epoch(self) -> bool:
        """Whether the model is computed from frozen features, instead of trained in epochs."""
        return self.training.tune == "head" or self.data.learn == "good"


SECTIONS = tuple(part.name for part in fields(RunConfig) if part.name != "given")


@dataclass(frozen=True)
class ConfigField:
    """One setting: its section of ``RunConfig``, and how it appears on the command line."""

    section: str
    name: str
    type: Any
    default: Any
    flag: Flag

    @property
    def option(self) -> str:
        """Its name on the command line, ``--image-size``."""
        return f"--{self.flag.option or self.name.replace('_', '-')}"


@cache
def config_fields() -> tuple[ConfigField, ...]:
    """All settings of ``RunConfig`` in order; their names are unique across sections."""
    leaves = []
    for section in fields(RunConfig):
        if section.name not in SECTIONS:
            continue
        section_type: Any = section.default_factory
        hints = get_type_hints(section_type, include_extras=True)
        for leaf in fields(section_type):
            hint = hints[leaf.name]
            flag = next(extra for extra in hint.__metadata__ if isinstance(extra, Flag))
            leaves.append(ConfigField(section.name, leaf.name, hint.__origin__, leaf.default, flag))
    return tuple(leaves)
