"""Every setting of a run, in one place: its default, its limits, its help text.

A field's name is its flag's name and its key in a config file; there is no mapping
table. These are plain frozen dataclasses: the commands are made from them before anything
heavy is imported, and pydantic checks the values (``resolve``) once a command really runs.

Defaults < recipe < config file < flags.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from annotated_types import Ge, Gt, Lt

from fastdefect.augmentations import AUGMENTATIONS
from fastdefect.errors import UsageError

__all__ = [
    "RECIPES",
    "DataConfig",
    "Device",
    "Flag",
    "ModelConfig",
    "Recipe",
    "ReportConfig",
    "RunConfig",
    "TrainingConfig",
    "Tune",
    "apply_recipe",
    "config_fields",
    "load_config_file",
    "override",
    "resolve",
    "resolve_kept",
    "to_toml",
]

Device = Literal["auto", "cpu", "cuda", "mps"]
Recipe = Literal["auto", "plain", "steady", "full", "legacy"]
Tune = Literal["all", "head"]
if TYPE_CHECKING:
    Augment = str
else:
    Augment = Literal[tuple(AUGMENTATIONS)]


@dataclass(frozen=True)
class Former:
    """What a field was called in earlier versions, and its values of then in today's words."""

    name: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Flag:
    """How a field shows on the command line: one line of help, and other names for it.

    ``option`` is its name there, where that is not the field's. ``former`` is still read in files
    and on the command line, but shown nowhere.
    """

    help: str
    option: str | None = None
    aliases: tuple[str, ...] = ()
    argument: bool = False
    former: Former | None = None


@dataclass(frozen=True)
class DataConfig:
    """Which photos, how they are read, split, augmented and balanced."""

    # For pydantic: no field of this section may be infinite.
    __pydantic_config__ = {"allow_inf_nan": False}  # noqa: RUF012 - the name is pydantic's

    data: Annotated[
        Path,
        Flag(
            "Folder of photos, or a CSV: path, label and, if known, part and split.",
            argument=True,
        ),
    ] = Path("data")
    good: Annotated[
        str | None,
        Flag("The class that holds good parts; 'none' where every class is a defect."),
    ] = None
    part_from: Annotated[
        str | None,
        Flag("Regex on file names that says which photos show one part."),
    ] = None
    parts: Annotated[
        Literal["auto", "csv", "regex", "none"],
        Flag("What says which photos show one part; none: each photo is its own."),
    ] = "auto"
    valid: Annotated[float, Gt(0), Lt(1), Flag("Share of photos for validation.")] = 0.1
    test: Annotated[float, Ge(0), Lt(1), Flag("Share of photos sealed for the test.")] = 0.15
    unleak: Annotated[
        bool, Flag("Leave out photos to train on whose part is in a given valid or test.")
    ] = False
    photos_per_class: Annotated[
        int | None,
        Ge(1),
        Flag("Train on at most so many photos of each class, whole parts first."),
    ] = None
    strict: Annotated[bool, Flag("Stop at unreadable photos instead of leaving them out.")] = False
    white: Annotated[
        float | None,
        Gt(0),
        Flag(
            "Value that is white in photos of more than 8 bits; unset: one that fits all of them."
        ),
    ] = None
    max_megapixels: Annotated[
        float, Gt(0), Flag("Photos of more megapixels are not read: they need too much memory.")
    ] = 300.0
    image_size: Annotated[int, Ge(16), Flag("Side of the square that the model sees, pixels.")] = (
        224
    )
    resize: Annotated[
        Literal["squish", "pad"],
        Flag("How a photo becomes a square: nothing is ever cropped."),
    ] = "squish"
    augment: Annotated[
        Augment,
        Flag(
            "Augmentation of training photos; "
            f"{'; '.join(f'{each.name}: {each.about}' for each in AUGMENTATIONS.values())}."
        ),
    ] = "basic"
    light: Annotated[
        bool,
        Flag(
            "Train on photos in each other's background light, so that it predicts no class.",
            option="randomize-background-light",
            aliases=("--light",),
        ),
    ] = False
    balance: Annotated[
        Literal["sampler", "loss", "both", "none"],
        Flag("How classes of unequal size are evened out."),
    ] = "none"
    cache_mb: Annotated[
        int, Ge(0), Flag("Decoded photos above this many MB go to a memory-mapped file.")
    ] = 4096


@dataclass(frozen=True)
class ModelConfig:
    """Which network, and where its first weights come from."""

    arch: Annotated[
        str,
        Flag(
            "auto (resnet50, or efficientnet-lite0 where only its weights can be had), a "
            "torchvision or timm name, or small-cnn.",
            aliases=("--model-type",),
        ),
    ] = "auto"
    weights: Annotated[
        str,
        Flag("auto (cache, download or install), none (random), or a safetensors file."),
    ] = "auto"
    head: Annotated[
        Literal["linear", "mlp"],
        Flag("linear: begins as the best linear classifier on frozen features; mlp: 512-256."),
    ] = "linear"


@dataclass(frozen=True)
class TrainingConfig:
    """How the network learns."""

    # For pydantic: no field of this section may be infinite.
    __pydantic_config__ = {"allow_inf_nan": False}  # noqa: RUF012 - the name is pydantic's

    recipe: Annotated[
        Recipe,
        Flag(
            "Where unset settings come from; auto: chosen by a short trial on your photos.",
            former=Former("preset", {"default": "full", "mission": "legacy"}),
        ),
    ] = "auto"
    tune: Annotated[
        Tune,
        Flag("What learns: the whole network, or a linear head on its frozen features alone."),
    ] = "all"
    epochs: Annotated[int, Ge(1), Flag("Epochs in all, frozen ones included.")] = 25
    min_steps: Annotated[
        int, Ge(0), Flag("Fewest optimizer steps: few photos get more epochs, unless they are set.")
    ] = 50
    batch_size: Annotated[int, Ge(2), Flag("Photos a step.")] = 24
    learning_rate: Annotated[float, Gt(0), Flag("Highest learning rate.")] = 0.0002
    weight_decay: Annotated[float, Ge(0), Flag("Weight decay.")] = 5e-4
    optimizer: Annotated[Literal["adamw", "adam", "sgd"], Flag("sgd is with Nesterov.")] = "adamw"
    scheduler: Annotated[
        Literal["onecycle", "cosine", "flat"], Flag("How the learning rate moves.")
    ] = "onecycle"
    mixup_alpha: Annotated[float, Ge(0), Flag("MixUp's Beta parameter; 0 turns it off.")] = 0.0
    label_smoothing: Annotated[float, Ge(0), Lt(1), Flag("Label smoothing; 0 turns it off.")] = 0.0
    batch_norm: Annotated[
        Literal["frozen", "train"],
        Flag("Statistics of pretrained batch-norm layers: frozen as they are, or trained."),
    ] = "frozen"
    early_layers: Annotated[
        Literal["fixed", "train"],
        Flag("The first pretrained layers, up to a quarter of the resolution: fixed, or trained."),
    ] = "fixed"
    clip: Annotated[float, Ge(0), Flag("Largest gradient norm; 0 turns clipping off.")] = 1.0
    weight_average: Annotated[
        float, Ge(0), Lt(1), Flag("Share that the weights' moving average keeps a step; 0: none.")
    ] = 0.98
    keep: Annotated[
        Literal["annealed", "best", "last"],
        Flag("The model: the best epoch by F1 once the rate has come down, of all, or the last."),
    ] = "annealed"
    members: Annotated[
        int, Ge(1), Flag("Networks to train, each with a seed of its own, and to average.")
    ] = 1
    final: Annotated[
        Literal["auto", "none", "folds", "refit"],
        Flag(
            "Learn from all photos, judged by folds held out: their networks' mean, or one anew; "
            "auto: folds where photos are few, else none."
        ),
    ] = "auto"
    freeze_epochs: Annotated[
        int, Ge(0), Flag("First epochs with a frozen backbone; then discriminative rates.")
    ] = 0
    patience: Annotated[
        int, Ge(0), Flag("Epochs without a better F1 before stopping; 0 never stops.")
    ] = 12
    seed: Annotated[int, Ge(0), Lt(2**32), Flag("Seed of the split and of every random draw.")] = 42
    device: Annotated[Device, Flag("Where to train.")] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "fp16", "bf16"],
        Flag("auto: mixed on CUDA, bf16 on a CPU where a trial gains by it, else fp32."),
    ] = "auto"
    workers: Annotated[
        int | None, Ge(0), Flag("Processes that augment photos; unset: 0 on CPU, up to 8 on CUDA.")
    ] = None


@dataclass(frozen=True)
class ReportConfig:
    """How the run is judged: on which photos, and against what."""

    folds: Annotated[
        int | None, Ge(2), Flag("Cross-validate: hold each of so many folds out in turn.")
    ] = None
    views: Annotated[
        Literal["auto", "none", "flips", "dihedral", "turns", "mirror", "half-turn"],
        Flag("Views that decisions average; auto: flips where they help validation, or none."),
    ] = "auto"
    target: Annotated[
        tuple[str, ...], Flag("METRIC=VALUE to be met on validation, e.g. f1=0.95; repeatable.")
    ] = ()
    targets: Annotated[
        Literal["none", "legacy"],
        Flag(
            "legacy: the replaced pipeline's results and targets.",
            former=Former("targets", {"none": "none", "mission": "legacy"}),
        ),
    ] = "none"


@dataclass(frozen=True)
class RunConfig:
    """All of it. Each part of the program is handed the section that it needs.

    ``given`` names the fields that a file or a flag set: a recipe leaves them alone. It is no
    setting, and a config file does not hold it.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    given: frozenset[str] = field(default=frozenset(), compare=False)


_SECTIONS = tuple(part for part in fields(RunConfig) if part.name != "given")

# Pretrained features stay near where they are good (training/probe.py), and nothing is in the
# way of what few photos say in few epochs.
_PLAIN = {
    "head": "linear",
    "batch_norm": "frozen",
    "early_layers": "fixed",
    "learning_rate": 0.0002,
    "balance": "none",
    "mixup_alpha": 0.0,
    "label_smoothing": 0.0,
    "augment": "basic",
}

# What each recipe sets, by field. All recipes but ``legacy`` set the same fields.
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "plain": _PLAIN,
    "steady": {**_PLAIN, "augment": "steady"},
    # For random weights and long trainings; the default of earlier versions.
    "full": {
        "head": "mlp",
        "batch_norm": "train",
        "early_layers": "train",
        "learning_rate": 0.0008,
        "balance": "sampler",
        "mixup_alpha": 0.3,
        "label_smoothing": 0.1,
        "augment": "steady",
    },
    # The improved version of the pipeline that fastdefect replaces, in full.
    "legacy": {
        "arch": "resnet50",
        "head": "mlp",
        "batch_norm": "train",
        "early_layers": "train",
        "epochs": 25,
        "min_steps": 0,
        "batch_size": 24,
        "learning_rate": 0.0008,
        "weight_decay": 5e-4,
        "optimizer": "adamw",
        "scheduler": "onecycle",
        "mixup_alpha": 0.3,
        "label_smoothing": 0.1,
        "clip": 1.0,
        "weight_average": 0.0,
        "keep": "best",
        "freeze_epochs": 0,
        "patience": 12,
        "augment": "manufacturing",
        "balance": "sampler",
        "image_size": 224,
        "views": "none",
    },
}


# What runs were trained with before a setting was there, by field: their files don't have it.
_ONCE: Mapping[str, Any] = {
    "weight_average": 0.0,
    "recipe": "full",
    "head": "mlp",
    "batch_norm": "train",
    "early_layers": "train",
    "min_steps": 0,
    "views": "none",
    "keep": "best",
}


@dataclass(frozen=True)
class ConfigField:
    """One leaf of ``RunConfig``: where it lives and how it shows."""

    section: str
    name: str
    type: Any
    default: Any
    flag: Flag

    @property
    def option(self) -> str:
        """Its name on the command line, ``--image-size``."""
        return f"--{self.flag.option or self.name.replace('_', '-')}"


def config_fields() -> list[ConfigField]:
    """All leaves of ``RunConfig`` in their order; names are unique across sections."""
    leaves = []
    for section in _SECTIONS:
        section_type: Any = section.default_factory
        hints = get_type_hints(section_type, include_extras=True)
        for leaf in fields(section_type):
            hint = hints[leaf.name]
            flag = next(extra for extra in hint.__metadata__ if isinstance(extra, Flag))
            leaves.append(ConfigField(section.name, leaf.name, hint.__origin__, leaf.default, flag))
    return leaves


def load_config_file(path: Path) -> dict[str, dict[str, Any]]:
    """The settings of a TOML file by section; raises ``UsageError`` if it can't be read."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"Expected a config file at {path}, but it can't be read: {error.strerror}.",
            "Check the path given to --config; a run's own is RUN/config.toml.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is not a TOML file: {error}.",
            "See the config.toml of any run for the form.",
        ) from error
    return content


def resolve(
    flags: Mapping[str, Any], file: Path | None = None, *, source: str = "the command line"
) -> RunConfig:
    """Defaults, recipe, ``file``, then ``flags`` (by field name; ``None`` counts as not given).

    ``recipe`` auto sets nothing yet: ``apply_recipe`` does, once the photos have been tried.

    Raises ``UsageError`` that names the flag or the file's key, what was expected and found.
    """
    leaves = {leaf.name: leaf for leaf in config_fields()}
    settings: dict[str, dict[str, Any]] = {section.name: {} for section in _SECTIONS}
    if file is not None:
        _merge_file(settings, load_config_file(file), file)
    for name, value in flags.items():
        if value is not None:
            settings[leaves[name].section][name] = value
    given = frozenset(name for values in settings.values() for name in values)
    recipe = settings["training"].get("recipe", "auto")
    for name, value in RECIPES.get(str(recipe), {}).items():  # an unknown one is refused below
        settings[leaves[name].section].setdefault(name, value)
    checked = _validated(settings, f"{file} and {source}" if file else source)
    return replace(checked, given=given)


def apply_recipe(config: RunConfig, recipe: Recipe) -> RunConfig:
    """``config`` with what the recipe sets, but for the fields that the user gave."""
    changes = {name: value for name, value in RECIPES[recipe].items() if name not in config.given}
    return override(config, {**changes, "recipe": recipe})


def resolve_kept(file: Path) -> RunConfig:
    """The config that a run keeps; settings younger than the run are as it was trained."""
    known = load_config_file(file)
    sections = [values for values in known.values() if isinstance(values, dict)]
    given = {name for values in sections for name in _renamed(values)}
    return resolve({name: value for name, value in _ONCE.items() if name not in given}, file)


def _merge_file(
    settings: dict[str, dict[str, Any]], content: Mapping[str, Any], file: Path
) -> None:
    known = {(leaf.section, leaf.name) for leaf in config_fields()}
    for section, values in content.items():
        if section not in settings or not isinstance(values, dict):
            raise UsageError(
                f"{file}: [{section}] is not a section that is known.",
                f"The sections are {', '.join(f'[{name}]' for name in settings)}.",
            )
        for name, value in _renamed(values).items():
            if (section, name) not in known:
                names = ", ".join(
                    known_name for part, known_name in sorted(known) if part == section
                )
                raise UsageError(
                    f"{file}: [{section}] has no setting {name!r}.", f"Its settings are {names}."
                )
            settings[section][name] = value


def _renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a file's section in today's words."""
    former = {
        leaf.flag.former.name: (leaf.name, leaf.flag.former.values)
        for leaf in config_fields()
        if leaf.flag.former
    }
    found = {}
    for name, value in values.items():
        today, words = former.get(name, (name, {}))
        found[today] = words.get(value, value) if isinstance(value, str) else value
    return found


def _validated(settings: Mapping[str, Any], source: str) -> RunConfig:
    # Here and not above: pydantic costs a third of a second that --help need not pay.
    from pydantic import TypeAdapter, ValidationError

    try:
        # By way of JSON, where strict means what a config file's author would expect: 1 is a
        # float and a list a tuple, but true is no number and "25" none either.
        text = json.dumps(settings, default=str)
        config: RunConfig = TypeAdapter(RunConfig).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        # (section, field, ...); empty for text that is no Unicode.
        *_, name = ("config", *map(str, first["loc"][:2]))
        raise UsageError(
            f"--{name.replace('_', '-')}: {first['msg'][0].lower()}{first['msg'][1:]}, "
            f"but got {first['input']!r} (from {source}).",
            "fastdefect fit --help lists every flag with its values.",
        ) from error
    if config.data.valid + config.data.test >= 1:
        raise UsageError(
            f"--valid {config.data.valid} and --test {config.data.test} leave nothing to train on.",
            "Their sum must stay below 1.",
        )
    if config.training.freeze_epochs >= config.training.epochs:
        raise UsageError(
            f"--freeze-epochs {config.training.freeze_epochs} is not below "
            f"--epochs {config.training.epochs}.",
            "Frozen epochs count among the epochs; leave at least one to train the whole network.",
        )
    return config


def to_toml(config: RunConfig) -> str:
    """The config as TOML that ``resolve`` reads back to an equal config.

    Unset values are left out, as TOML has no null; they are the defaults.
    """
    import tomli_w

    sections = {
        section: {
            name: value.as_posix() if isinstance(value, Path) else value
            for name, value in values.items()
            if value is not None
        }
        for section, values in _settings_of(config).items()
    }
    return tomli_w.dumps(sections)


def override(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """The config with other values for some fields, by field name; checked as ``resolve`` does.

    Raises ``UsageError`` for a value that its field doesn't take, KeyError for no field's name.
    """
    sections = {leaf.name: leaf.section for leaf in config_fields()}
    settings = _settings_of(config)
    for name, value in changes.items():
        settings[sections[name]][name] = value
    return replace(_validated(settings, "the program"), given=config.given)


def _settings_of(config: RunConfig) -> dict[str, dict[str, Any]]:
    return {part.name: asdict(getattr(config, part.name)) for part in _SECTIONS}
