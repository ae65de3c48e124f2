"""From defaults, recipe, config file and flags to a checked ``RunConfig``, and back to TOML.

Later sources override earlier ones: defaults < recipe < config file < flags.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastdefect.config import MOST_TILES, SECTIONS, Recipe, RunConfig, config_fields
from fastdefect.errors import UsageError
from fastdefect.recipes import RECIPES

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# The behaviour of earlier versions, by the field that was added later: the config files of their
# runs do not contain it.
_BEFORE_FIELD: Mapping[str, Any] = {
    "weight_average": 0.0,
    "recipe": "full",
    "head": "mlp",
    "batch_norm": "train",
    "early_layers": "train",
    "min_steps": 0,
    "views": "none",
    "keep": "best",
    "tiles": "none",
    "tile_background": "keep",
}


def load_config_file(path: Path) -> dict[str, dict[str, Any]]:
    """The settings in a TOML file, by section. Raises ``UsageError`` if it can't be read."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"Expected a config file at {path}, but it can't be read: {error.strerror}.",
            "Check the path given to --config. The config file of a run is RUN/config.toml.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not a TOML file: {error}.",
            "See the config.toml of any run for the format.",
        ) from error
    return content


def resolve(
    flags: Mapping[str, Any], file: Path | None = None, *, source: str = "the command line"
) -> RunConfig:
    """Combine defaults, recipe, ``file`` and ``flags`` (by field name; ``None`` means not given).

    The recipe ``auto`` sets nothing here: ``apply_recipe`` does so after the trial on the photos.

    Raises ``UsageError`` with the flag or the key in the file, what was expected and what was
    found.
    """
    leaves = {leaf.name: leaf for leaf in config_fields()}
    settings: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    if file is not None:
        _merge_file(settings, load_config_file(file), file)
    for name, value in flags.items():
        if value is not None:
            settings[leaves[name].section][name] = value
    given = frozenset(name for values in settings.values() for name in values)
    recipe = settings["training"].get("recipe", "auto")
    for name, value in RECIPES.get(str(recipe), {}).items():  # an unknown one is rejected below
        settings[leaves[name].section].setdefault(name, value)
    checked = _validated(settings, f"{file} and {source}" if file else source)
    return replace(checked, given=given)


def apply_recipe(config: RunConfig, recipe: Recipe) -> RunConfig:
    """``config`` with the settings of the recipe, except for the fields that the user gave."""
    changes = {name: value for name, value in RECIPES[recipe].items() if name not in config.given}
    return override(config, {**changes, "recipe": recipe})


def resolve_kept(file: Path) -> RunConfig:
    """The config of a run. Settings that are newer than the run have their earlier behaviour."""
    content = load_config_file(file)
    sections = [values for values in content.values() if isinstance(values, dict)]
    given = {name for values in sections for name in _renamed(values)}
    before = {name: value for name, value in _BEFORE_FIELD.items() if name not in given}
    return resolve(before, file)


def _merge_file(
    settings: dict[str, dict[str, Any]], content: Mapping[str, Any], file: Path
) -> None:
    known = {(leaf.section, leaf.name) for leaf in config_fields()}
    for section, values in content.items():
        if section not in settings or not isinstance(values, dict):
            raise UsageError(
                f"{file}: [{section}] is not a section of settings.",
                "Correct the name, or move its settings into one of the sections "
                f"{', '.join(f'[{name}]' for name in settings)}.",
            )
        for name, value in _renamed(values).items():
            if (section, name) not in known:
                names = ", ".join(other for part, other in sorted(known) if part == section)
                raise UsageError(
                    f"{file}: [{section}] has no setting {name!r}.",
                    f"Correct the name, or remove it. The settings of [{section}] are {names}.",
                )
            settings[section][name] = value


def _renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a section of a file, with their current names and values."""
    former = {
        leaf.flag.former.name: (leaf.name, leaf.flag.former.values)
        for leaf in config_fields()
        if leaf.flag.former
    }
    renamed = {}
    for name, value in values.items():
        current, new_values = former.get(name, (name, {}))
        renamed[current] = new_values.get(value, value) if isinstance(value, str) else value
    return renamed


@cache
def _validator() -> "TypeAdapter[RunConfig]":
    """Building it takes longer than a hundred validations, and a series validates every run."""
    from pydantic import TypeAdapter

    return TypeAdapter(RunConfig)


def _validated(settings: Mapping[str, Any], source: str) -> RunConfig:
    # Imported here: importing pydantic takes a third of a second, which --help does not need.
    from pydantic import ValidationError

    try:
        # Through JSON, where strict mode matches a config file: 1 is accepted as a float and a
        # list as a tuple, but neither true nor "25" is accepted as a number.
        text = json.dumps(settings, default=str)
        config = _validator().validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        # (section, field, ...); empty for text that is not valid Unicode.
        *_, name = ("config", *map(str, first["loc"][:2]))
        raise UsageError(
            f"--{name.replace('_', '-')}: {first['msg'][0].lower()}{first['msg'][1:]}, "
            f"but got {first['input']!r} (from {source}).",
            "fastdefect fit --help lists every flag with its values.",
        ) from error
    if config.data.valid + config.data.test >= 1:
        raise UsageError(
            f"--valid {config.data.valid} and --test {config.data.test} leave no photos to train "
            "on: expected a sum below 1.",
            "Reduce one of them.",
        )
    _check_tiles(config)
    if config.training.freeze_epochs >= config.training.epochs:
        raise UsageError(
            f"--freeze-epochs {config.training.freeze_epochs} is not below "
            f"--epochs {config.training.epochs}.",
            "The epochs include the frozen ones: leave at least one to train the whole network.",
        )
    return config


def _check_tiles(config: RunConfig) -> None:
    tiles = config.data.tiles
    counted = tiles.isascii() and tiles.isdecimal() and 1 <= int(tiles) <= MOST_TILES
    if tiles not in ("none", "auto", "marked") and not counted:
        raise UsageError(
            f"--tiles {tiles}: expected none, auto, marked, or the number of tiles of a photo, "
            f"from 1 to {MOST_TILES}.",
            "For example --tiles 16: a square photo becomes 4 x 4 tiles, a strip 1 x 16.",
        )
    background = config.data.tile_background
    if background not in ("auto", "keep") and not _three_numbers(background):
        raise UsageError(
            f"--tile-background {background}: expected auto, keep, or three numbers with commas.",
            "For example --tile-background keep: all tiles count.",
        )


def _three_numbers(text: str) -> bool:
    """Whether ``text`` has three numbers, 0 or more."""
    parts = text.split(",")
    return len(parts) == 3 and all(re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,12})?", p) for p in parts)


def to_toml(config: RunConfig) -> str:
    """The config as TOML, from which ``resolve`` gives an equal config.

    Unset values are omitted, as TOML has no null; they are defaults.
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
    """The config with some fields changed, by field name. ``resolve`` makes the same checks.

    Raises ``UsageError`` for a value that the field does not accept, and ``KeyError`` for an
    unknown field.
    """
    sections = {leaf.name: leaf.section for leaf in config_fields()}
    settings = _settings_of(config)
    for name, value in changes.items():
        settings[sections[name]][name] = value
    return replace(_validated(settings, "the program"), given=config.given)


def _settings_of(config: RunConfig) -> dict[str, dict[str, Any]]:
    return {section: asdict(getattr(config, section)) for section in SECTIONS}
