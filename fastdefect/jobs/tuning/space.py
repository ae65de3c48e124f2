"""What ``tune`` searches, and how a choice becomes a config.

``SEARCHED`` is the whole space. A setting that a file or a flag gave is fixed; ``--space`` names
settings to search whether given or not, and no others. The user's own value is always among
those to choose from, so that it can be the first point.
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

# What a recipe sets beside the searched settings counts as the recipe: its augmentation.
_RECIPES = tuple(name for name in RECIPES if name != "legacy")
# What no trial is trained with otherwise: no epoch is chosen by the photos that measure it.
_TO_THE_END = {"keep": "last", "patience": 0}


@dataclass(frozen=True)
class Searched:
    """A setting to search: among ``values``, or from a ``factor`` below the user's to one above.

    The recipes' own values are within reach in any case.
    """

    name: str
    values: tuple[Any, ...] = ()
    factor: float = 0.0


SEARCHED = (
    Searched("recipe", _RECIPES),
    Searched("image_size", (128, 160, 224, 288)),
    Searched("arch"),  # those of --archs
    Searched("learning_rate", factor=4),
    Searched("mixup_alpha", (0.0, 0.2, 0.4)),
    Searched("label_smoothing", (0.0, 0.05, 0.1)),
    Searched("weight_decay", factor=10),
    Searched("balance", ("none", "sampler")),
)


def fields_of(
    config: RunConfig, names: Sequence[str] | None, archs: Sequence[str]
) -> tuple[Field, ...]:
    """What to search for a user's ``config``: ``names`` only, or all that the user did not give.

    Raises ``UsageError`` for names that can't be searched, and where nothing is left to search.
    """
    known = [each.name for each in SEARCHED]
    for name in names or ():
        if name not in known:
            raise UsageError(
                f"--space {name}: expected settings that can be searched.",
                f"They are {', '.join(known)}.",
            )
    if names and "arch" in names and len(archs) < 2:
        raise UsageError(
            "--space arch: there is one architecture, and nothing to choose.",
            "Name several: --archs resnet18,mobilenet_v2",
        )
    chosen = [each for each in SEARCHED if _is_searched(each, config, names, archs)]
    if not chosen:
        raise UsageError(
            "Nothing is left to search: every setting that can be searched was given.",
            "Leave some of them out, or name them in --space.",
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
        # A logarithm has no 0: around the default then.
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
    """Where the search starts: each recipe at the user's settings, or these alone.

    Names and settings of ``fields``; what lies outside a range is drawn to its end.
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
    """The user's config with the choice ``settings``, to be trained to its last epoch."""
    recipe = settings.get("recipe")
    chosen = config if recipe is None else apply_recipe(config, recipe)
    return override(chosen, {**settings, **_TO_THE_END})


def for_trial(config: RunConfig, settings: Mapping[str, Any], epochs: int, sizes: int) -> RunConfig:
    """``configured`` for one training of a trial, of ``epochs``.

    Frozen epochs are shortened alike. Pixels of ``sizes`` image sizes are kept at a time: they
    share the memory.
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
    """``auto`` made plain where the recipe is not searched: no trial chooses one by itself."""
    if config.training.recipe != "auto" or any(field.name == "recipe" for field in fields):
        return config
    on_event(Note("--recipe auto is not searched here: the trials start from plain."))
    return apply_recipe(config, "plain")


def settle_archs(config: RunConfig, archs: Sequence[str], on_event: OnEvent) -> RunConfig:
    """The config with the first of ``archs`` and with weights that hold for all of them.

    Raises ``ModelError`` for an unknown architecture and ``UsageError`` where some of them have
    pretrained weights and others not, which would decide the search, or where auto is among
    several.
    """
    if AUTO in archs and len(archs) > 1:
        raise UsageError(
            f"--archs {','.join(archs)}: auto is no network, and can't be compared with others.",
            "Name networks, for example --archs resnet50,efficientnet-lite0.",
        )
    weights = config.model.weights
    if weights not in ("auto", "none") and len(archs) > 1:
        raise UsageError(
            f"--weights {weights}: one file has weights for one architecture, not {len(archs)}.",
            "Leave --archs out, or take --weights auto or none.",
        )
    settled = {
        arch: settle_weights(override(config, {"arch": arch}), on_event).model for arch in archs
    }
    if len({of.weights for of in settled.values()}) > 1:
        missing = [arch for arch, of in settled.items() if of.weights == "none"]
        raise UsageError(
            f"--archs: pretrained weights can't be had for {', '.join(missing)}, but for others.",
            "Leave these out, or compare all without: --weights none",
        )
    first = settled[archs[0]]
    return override(config, {"arch": first.arch, "weights": first.weights})


def fit_sizes(
    fields: Sequence[Field], config: RunConfig, archs: Sequence[str], on_event: OnEvent
) -> tuple[Field, ...]:
    """``fields`` without image sizes that a network doesn't take, or has no weights for."""
    fitting: list[Field] = []
    for field in fields:
        if field.name != "image_size" or not isinstance(field, Choice):
            fitting.append(field)
            continue
        refused = {
            size: why
            for size in field.values
            if size != config.data.image_size and (why := _refusal(config, archs, size))
        }
        for size, why in refused.items():
            on_event(Note(f"Left out: photos of {size} pixels. {why}"))
        values = tuple(size for size in field.values if size not in refused)
        fitting.append(Choice(field.name, values))
    return tuple(fitting)


def _refusal(config: RunConfig, archs: Sequence[str], size: int) -> str:
    """Why photos of ``size`` pixels can't be compared with the user's; empty if they can."""
    for arch in archs:
        try:
            _, loaded = build_backbone(arch, config.model.weights, size)
        except ModelError as error:
            return error.message
        if config.model.weights == "auto" and not loaded.pretrained:
            return f"{arch} has no pretrained weights for them."
    return ""
