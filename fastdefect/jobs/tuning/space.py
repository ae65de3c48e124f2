"""The search space of ``tune``, and the config for a point in it.

``SEARCHED`` is the whole space. A setting given by a file or a flag is fixed. ``--space`` limits
the search to the settings that it names, given or not. The user's value is always one of the
choices, so that it can be the first point.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastdefect.config import RunConfig, config_fields
from fastdefect.config_resolve import apply_recipe, override
from fastdefect.errors import ModelError, UsageError
from fastdefect.evaluation.tuning.search import Choice, Field, LogRange
from fastdefect.events import Note, OnEvent
from fastdefect.jobs.training.network import AUTO, settle_weights
from fastdefect.recipes import RECIPES
from fastdefect.training.backbones import build_backbone

# A recipe as a choice includes the settings that are not searched on their own: its augmentation.
_RECIPES = tuple(name for name in RECIPES if name != "legacy")
# Set for every trial: no epoch is chosen on the photos that measure it.
_TO_THE_END = {"keep": "last", "patience": 0}


@dataclass(frozen=True)
class Searched:
    """A setting to search: among ``values``, or within ``factor`` below and above the user's value.

    The recipes' own values are always included.
    """

    name: str
    values: tuple[Any, ...] = ()
    factor: float = 0.0


SEARCHED = (
    Searched("recipe", _RECIPES),
    Searched("image_size", (128, 160, 224, 288)),
    Searched("arch"),  # the values of --archs
    Searched("learning_rate", factor=4),
    Searched("mixup_alpha", (0.0, 0.2, 0.4)),
    Searched("label_smoothing", (0.0, 0.05, 0.1)),
    Searched("weight_decay", factor=10),
    Searched("balance", ("none", "sampler")),
)


def fields_of(
    config: RunConfig, names: Sequence[str] | None, archs: Sequence[str]
) -> tuple[Field, ...]:
    """The settings to search: ``names`` only, or all that the user did not give.

    Raises ``UsageError`` for names that can't be searched, and if nothing is left to search.
    """
    known = [each.name for each in SEARCHED]
    for name in names or ():
        if name not in known:
            raise UsageError(
                f"--space {name}: expected a setting that can be searched.",
                f"Choose from {', '.join(known)}.",
            )
    if names and "arch" in names and len(archs) < 2:
        raise UsageError(
            "--space arch: expected at least two architectures, but there is one.",
            "Name several: --archs resnet18,mobilenet_v2",
        )
    chosen = [each for each in SEARCHED if _is_searched(each, config, names, archs)]
    if not chosen:
        raise UsageError(
            "Nothing is left to search: every setting that can be searched was given.",
            "Remove some of them, or name them in --space.",
        )
    searches_recipe = any(each.name == "recipe" for each in chosen)
    return tuple(_field(each, config, archs, searches_recipe) for each in chosen)


def _is_searched(
    each: Searched, config: RunConfig, names: Sequence[str] | None, archs: Sequence[str]
) -> bool:
    if names is not None:
        return each.name in names
    if each.name == "arch":
        return len(archs) > 1
    return each.name not in config.given


def _field(each: Searched, config: RunConfig, archs: Sequence[str], searches_recipe: bool) -> Field:
    own = value_of(config, each.name)
    if each.name == "arch":
        return Choice("arch", tuple(archs))
    if each.name == "recipe":
        return Choice("recipe", each.values)
    of_recipes = [
        RECIPES[name][each.name]
        for name in _RECIPES
        if searches_recipe and each.name in RECIPES[name] and each.name not in config.given
    ]
    if each.factor:
        # A log range can't contain 0: use the range around the default instead.
        middle = own if own > 0 else value_of(RunConfig(), each.name)
        ends = (middle / each.factor, middle * each.factor, *of_recipes)
        return LogRange(each.name, float(f"{min(ends):.3g}"), float(f"{max(ends):.3g}"))
    values = dict.fromkeys([*each.values, *of_recipes, own])
    numbers = not isinstance(own, str)
    return Choice(each.name, tuple(sorted(values) if numbers else values))


def value_of(config: RunConfig, name: str) -> Any:
    """The value of a setting, by field name."""
    section = next(leaf.section for leaf in config_fields() if leaf.name == name)
    return getattr(getattr(config, section), name)


def known_points(config: RunConfig, fields: Sequence[Field]) -> list[tuple[str, dict[str, Any]]]:
    """The first points, by name: each recipe with the user's settings, or these alone.

    A value outside the range of its field is moved to the nearest end.
    """
    names = [field.name for field in fields]
    recipes = _RECIPES if "recipe" in names else ()
    configs = [(name, apply_recipe(config, name)) for name in recipes]  # type: ignore[arg-type]
    return [
        (title, {field.name: _within(field, value_of(of, field.name)) for field in fields})
        for title, of in configs or [("your settings", config)]
    ]


def _within(field: Field, value: Any) -> Any:
    return min(max(value, field.low), field.high) if isinstance(field, LogRange) else value


def configured(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """The user's config with the point ``settings``, trained to the last epoch."""
    recipe = settings.get("recipe")
    chosen = config if recipe is None else apply_recipe(config, recipe)
    return override(chosen, {**settings, **_TO_THE_END})


def for_trial(config: RunConfig, settings: Mapping[str, Any], epochs: int, sizes: int) -> RunConfig:
    """``configured`` for one training of a trial, of ``epochs``.

    Frozen epochs are shortened in proportion. The pixels of ``sizes`` image sizes are kept at the
    same time and share the memory.
    """
    training = config.training
    shortened = {
        "epochs": epochs,
        "freeze_epochs": training.freeze_epochs * epochs // training.epochs,
        "members": 1,
        "cache_mb": config.data.cache_mb // sizes,
    }
    return override(configured(config, settings), shortened)


def settle_recipe(config: RunConfig, fields: Sequence[Field], on_event: OnEvent) -> RunConfig:
    """Replace recipe ``auto`` by plain if it is not searched: no trial chooses a recipe."""
    if config.training.recipe != "auto" or any(field.name == "recipe" for field in fields):
        return config
    on_event(Note("--recipe auto is not searched here: the trials start from plain."))
    return apply_recipe(config, "plain")


def settle_archs(config: RunConfig, archs: Sequence[str], on_event: OnEvent) -> RunConfig:
    """The config with the first of ``archs`` and with weights that all of them have.

    Raises ``ModelError`` for an unknown architecture, and ``UsageError`` if auto is one of several
    or if only some have pretrained weights, which would decide the search.
    """
    if AUTO in archs and len(archs) > 1:
        raise UsageError(
            f"--archs {','.join(archs)}: expected networks to compare, but auto is not a network.",
            "Name networks, for example --archs resnet50,efficientnet-lite0.",
        )
    weights = config.model.weights
    if weights not in ("auto", "none") and len(archs) > 1:
        raise UsageError(
            f"--weights {weights}: one file has weights for one architecture, not {len(archs)}.",
            "Remove --archs, or use --weights auto or none.",
        )
    settled = {
        arch: settle_weights(override(config, {"arch": arch}), on_event).model for arch in archs
    }
    if len({of.weights for of in settled.values()}) > 1:
        missing = [arch for arch, of in settled.items() if of.weights == "none"]
        raise UsageError(
            "--archs: expected pretrained weights for all architectures, but there are none for "
            f"{', '.join(missing)}.",
            "Remove these, or compare all without weights: --weights none",
        )
    first = settled[archs[0]]
    return override(config, {"arch": first.arch, "weights": first.weights})


def fit_sizes(
    fields: Sequence[Field], config: RunConfig, archs: Sequence[str], on_event: OnEvent
) -> tuple[Field, ...]:
    """``fields`` without image sizes that a network does not support or has no weights for."""
    fitting: list[Field] = []
    for field in fields:
        if field.name != "image_size" or not isinstance(field, Choice):
            fitting.append(field)
            continue
        refused = {
            size: reason
            for size in field.values
            if size != config.data.image_size and (reason := _refusal(config, archs, size))
        }
        for size, reason in refused.items():
            on_event(Note(f"Left out: photos of {size} pixels. {reason}"))
        values = tuple(size for size in field.values if size not in refused)
        fitting.append(Choice(field.name, values))
    return tuple(fitting)


def _refusal(config: RunConfig, archs: Sequence[str], size: int) -> str:
    """The reason why ``size`` can't be compared with the user's image size; empty if it can."""
    for arch in archs:
        try:
            _, loaded = build_backbone(arch, config.model.weights, size)
        except ModelError as error:
            return error.message
        if config.model.weights == "auto" and not loaded.pretrained:
            return f"{arch} has no pretrained weights for them."
    return ""
