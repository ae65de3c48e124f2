"""Defaults < file < flags; errors name the flag and the value."""

import typing
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Literal

import annotated_types
import pytest
from helpers.examples import examples
from helpers.settings import other_value, other_values
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.config import ConfigField, RunConfig, config_fields
from fastdefect.config_resolve import (
    apply_recipe,
    load_config_file,
    override,
    resolve,
    resolve_kept,
    to_toml,
)
from fastdefect.errors import UsageError
from fastdefect.recipes import RECIPES

LEAVES = config_fields()


def _write(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _value_of(config: RunConfig, leaf: ConfigField) -> Any:
    return getattr(getattr(config, leaf.section), leaf.name)


def test_nothing_given_is_the_defaults() -> None:
    assert resolve({}) == RunConfig()


def test_the_recipe_legacy_has_the_specified_settings() -> None:
    config = resolve({"recipe": "legacy"})
    assert config.model.arch == "resnet50"
    training = config.training
    assert (training.epochs, training.batch_size, training.learning_rate) == (25, 24, 0.0008)
    assert (training.optimizer, training.scheduler) == ("adamw", "onecycle")
    assert (training.mixup_alpha, training.label_smoothing) == (0.3, 0.1)
    assert (training.weight_decay, training.patience) == (5e-4, 12)
    assert (config.data.image_size, config.data.resize) == (224, "squish")
    assert (config.data.augment, config.data.balance) == ("manufacturing", "sampler")


def test_the_defaults_are_those_of_the_camera_recipe() -> None:
    camera = resolve({"recipe": "camera"})
    assert replace(camera, training=replace(camera.training, recipe="auto")) == RunConfig()


def test_a_flag_and_a_file_beat_a_recipe(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[training]\nepochs = 7\n[data]\naugment = "none"\n', encoding="utf-8")
    config = resolve({"recipe": "legacy", "epochs": 3}, file)
    assert (config.training.epochs, config.data.augment) == (3, "none")


def test_a_recipe_applied_later_keeps_what_a_flag_or_a_file_set(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[data]\naugment = "none"\n', encoding="utf-8")
    own = resolve({"mixup_alpha": 0.2}, file)
    chosen = apply_recipe(own, "full")
    assert chosen == resolve({"recipe": "full", "mixup_alpha": 0.2}, file)
    assert (chosen.data.augment, chosen.training.mixup_alpha) == ("none", 0.2)
    assert (chosen.data.balance, chosen.training.label_smoothing) == ("sampler", 0.1)


def test_recipes_set_known_fields_and_all_but_legacy_the_same() -> None:
    known = {leaf.name for leaf in LEAVES}
    assert all(set(settings) <= known for settings in RECIPES.values())
    chosen_from = [set(settings) for name, settings in RECIPES.items() if name != "legacy"]
    assert all(settings == chosen_from[0] for settings in chosen_from)


@pytest.mark.parametrize(("preset", "recipe"), [("default", "full"), ("mission", "legacy")])
def test_a_preset_in_a_file_of_an_earlier_version_is_a_recipe(
    preset: str, recipe: str, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'[training]\npreset = "{preset}"\n', encoding="utf-8")
    assert resolve({}, file) == resolve({"recipe": recipe})


def test_names_are_unique_across_sections() -> None:
    names = [leaf.name for leaf in LEAVES]
    assert len(names) == len(set(names))


def test_no_two_fields_share_a_flag() -> None:
    flags = [flag for leaf in LEAVES for flag in (leaf.option, *leaf.flag.aliases)]
    assert len(flags) == len(set(flags))


def test_every_leaf_is_listed_and_has_help() -> None:
    assert {(leaf.section, leaf.name) for leaf in LEAVES} == {
        (section.name, leaf.name)
        for section in fields(RunConfig)
        if section.name != "given"
        for leaf in fields(section.default_factory)  # type: ignore[arg-type]
    }
    assert all(len(leaf.flag.help) > 10 and leaf.flag.help.endswith(".") for leaf in LEAVES)


# A recipe sets others beside it.
SINGLE = [leaf for leaf in LEAVES if leaf.name != "recipe"]


@pytest.mark.parametrize("leaf", SINGLE, ids=lambda leaf: leaf.name)
def test_a_flag_reaches_its_field_and_no_other(leaf: ConfigField) -> None:
    value = other_value(leaf)
    config = resolve({leaf.name: value})

    assert _value_of(config, leaf) == value
    changed = {other.name for other in LEAVES if _value_of(config, other) != other.default}
    assert changed == {leaf.name}


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.name)
def test_a_file_beats_the_default_and_a_flag_beats_the_file(
    leaf: ConfigField, tmp_path: Path
) -> None:
    in_file = other_value(leaf)
    file = _write(tmp_path, to_toml(resolve({leaf.name: in_file})))

    assert _value_of(resolve({}, file), leaf) == in_file
    assert _value_of(resolve({leaf.name: None}, file), leaf) == in_file  # None: not given
    if leaf.default is not None:
        assert _value_of(resolve({leaf.name: leaf.default}, file), leaf) == leaf.default


def test_false_and_zero_on_the_command_line_beat_the_file(tmp_path: Path) -> None:
    file = _write(tmp_path, "[data]\nstrict = true\n[training]\nmixup_alpha = 0.4\n")
    config = resolve({"strict": False, "mixup_alpha": 0.0}, file)
    assert config.data.strict is False
    assert config.training.mixup_alpha == 0


def test_a_run_older_than_a_setting_has_its_earlier_behaviour(tmp_path: Path) -> None:
    lines = to_toml(resolve({})).splitlines()
    file = _write(tmp_path, "\n".join(x for x in lines if not x.startswith("weight_average")))
    assert resolve_kept(file).training.weight_average == 0
    assert resolve({}, file).training.weight_average == 0.98  # a file of one's own: the default
    for average in (0.0, 0.5, 0.98):
        config = resolve({"weight_average": average})
        assert resolve_kept(_write(tmp_path, to_toml(config))) == config


def test_all_fields_together_survive_the_file(tmp_path: Path) -> None:
    config = resolve(other_values())
    assert resolve({}, _write(tmp_path, to_toml(config))) == config


def _finite(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, exclude_min=True, exclude_max=True)


def _strategy(leaf: ConfigField) -> st.SearchStrategy[Any]:
    """Values that the field's own limits allow."""
    if typing.get_origin(leaf.type) is Literal:
        return st.sampled_from(typing.get_args(leaf.type))
    if leaf.name in ("valid", "test"):
        return _finite(0, 0.5)
    if leaf.name in ("epochs", "freeze_epochs"):  # their order matters, too
        return st.integers(100, 200) if leaf.name == "epochs" else st.integers(0, 99)
    # Any text that is Unicode: quotes, line ends, backslashes of Windows paths.
    text = st.text(st.characters(exclude_categories=("Cs",)))
    by_type: dict[Any, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(16, 2**32 - 1),
        int | None: st.none() | st.integers(2, 2**32 - 1),
        float: _finite(0, 1),
        float | None: st.none() | _finite(0, 65536),
        str: text,
        str | None: st.none() | text,
        Path: st.text("abc/. é'\"", min_size=1).map(Path),
        tuple[str, ...]: st.lists(text).map(tuple),
    }
    if leaf.name == "tiles":
        return st.sampled_from(["none", "auto", "7"])
    if leaf.name == "tile_background":
        return st.sampled_from(["auto", "keep", "0.2,0.3,12.5"])
    return by_type[leaf.type]


@examples(100)
@given(values=st.fixed_dictionaries({leaf.name: _strategy(leaf) for leaf in LEAVES}))
def test_toml_gives_the_same_config_back(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    config = resolve(values)
    file = _write(tmp_path_factory.getbasetemp(), to_toml(config))
    assert resolve({}, file) == config


def _numeric_limits() -> Iterator[tuple[str, Any]]:
    """For each limit of each field, a value just outside."""
    for section in fields(RunConfig):
        if section.name == "given":
            continue
        hints = typing.get_type_hints(section.default_factory, include_extras=True)
        for leaf in fields(section.default_factory):  # type: ignore[arg-type]
            whole = hints[leaf.name].__origin__ is not float
            for limit in hints[leaf.name].__metadata__:
                match limit:
                    case annotated_types.Ge(ge):
                        yield leaf.name, ge - 1 if whole else ge - 1e-9
                    case annotated_types.Gt(gt):
                        yield leaf.name, gt
                    case annotated_types.Lt(lt):
                        yield leaf.name, lt


LIMITS = list(_numeric_limits())


def test_every_number_has_a_lower_limit() -> None:
    numbers = {leaf.name for leaf in LEAVES if leaf.type in (int, float, int | None, float | None)}
    assert {name for name, _ in LIMITS} == numbers


@pytest.mark.parametrize(("name", "value"), LIMITS)
def test_a_value_out_of_range_is_named_with_its_flag(name: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        resolve({name: value})
    assert f"--{name.replace('_', '-')}: " in caught.value.message
    assert f"got {value!r}" in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "mixup_alpha", "clip"])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_must_be_finite(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}: .*{value!r}"):
        resolve({name: value})


@pytest.mark.parametrize(
    "text",
    [
        "[training]\nepochs = '25'",
        "[training]\nepochs = true",
        "[training]\nepochs = 2.5",
        "[training]\nlearning_rate = 'fast'",
        "[training]\nlearning_rate = true",
        "[training]\noptimizer = 'lion'",
        "[training]\nseed = 1979-05-27",
        "[data]\nstrict = 'yes'",
        "[data]\nstrict = 1",
        "[data]\ndata = 3",
        "[data]\ndata = ['a', 'b']",
        "[model]\narch = 50",
        "[model]\nweights = {file = 'x'}",
        "[report]\ntarget = 'f1=0.9'",
        "[report]\ntarget = [0.9]",
    ],
)
def test_a_wrong_type_in_a_file_names_setting_value_and_file(text: str, tmp_path: Path) -> None:
    name = text.split("\n")[1].split(" ")[0]
    file = _write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        resolve({}, file)
    assert f"--{name.replace('_', '-')}: " in caught.value.message
    assert "but got" in caught.value.message
    assert str(file) in caught.value.message


def test_whole_numbers_are_accepted_as_floats(tmp_path: Path) -> None:
    file = _write(tmp_path, "[training]\nclip = 2\n")
    assert resolve({}, file).training.clip == 2.0


def test_an_unknown_section_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\[trainign\]") as caught:
        resolve({}, _write(tmp_path, "[trainign]\nepochs = 3\n"))
    assert "[training]" in caught.value.hint


def test_a_setting_outside_any_section_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="epochs"):
        resolve({}, _write(tmp_path, "epochs = 3\n"))


def test_a_section_that_is_not_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="training"):
        resolve({}, _write(tmp_path, "training = 3\n"))


@pytest.mark.parametrize("name", ["epoch", "arch", "learning-rate"])
def test_an_unknown_setting_lists_those_of_its_section(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"'{name}'") as caught:
        resolve({}, _write(tmp_path, f"[training]\n{name} = 3\n"))
    assert "epochs" in caught.value.hint
    assert "image_size" not in caught.value.hint


@pytest.mark.parametrize("content", [b"[training\n", b"\xff\xfe", b"a = nope"])
def test_a_file_that_is_not_toml_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="settings.toml is not a TOML file"):
        load_config_file(file)


def test_a_missing_file_or_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gone.toml"):
        load_config_file(tmp_path / "gone.toml")
    with pytest.raises(UsageError, match="can't be read"):
        load_config_file(tmp_path)


def test_a_split_that_leaves_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--valid 0\.5 and --test 0\.5"):
        resolve({"valid": 0.5, "test": 0.5})


@pytest.mark.parametrize("frozen", [3, 4])
def test_all_epochs_frozen_is_refused(frozen: int) -> None:
    with pytest.raises(UsageError, match=f"--freeze-epochs {frozen} .*--epochs 3"):
        resolve({"epochs": 3, "freeze_epochs": frozen})


def test_text_that_is_not_unicode_is_a_usage_error() -> None:
    # What a file name in another encoding becomes on the command line.
    with pytest.raises(UsageError):
        resolve({"good": "d\udce9faut"})


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        RunConfig().training.epochs = 3  # type: ignore[misc]


def test_toml_names_every_value_that_is_set() -> None:
    text = to_toml(RunConfig())
    for section, values in asdict(RunConfig()).items():
        if section == "given":
            assert "given" not in text
            continue
        assert f"[{section}]" in text
        for name, value in values.items():
            assert (f"\n{name} = " in text) == (value is not None)


# ---- changes to a config ------------------------------------------------------------------


@pytest.mark.parametrize("leaf", SINGLE, ids=lambda leaf: leaf.name)
def test_an_override_reaches_its_field_and_no_other(leaf: ConfigField) -> None:
    changed = override(RunConfig(), {leaf.name: other_value(leaf)})
    assert changed == resolve({leaf.name: other_value(leaf)})


def test_an_override_keeps_what_a_recipe_or_a_flag_has_set() -> None:
    config = resolve({"recipe": "legacy", "epochs": 4, "part_from": r"(\d+)\.png"})
    changed = override(config, {"seed": 5})
    assert changed == replace(config, training=replace(config.training, seed=5))
    assert override(config, {}) == config


def test_an_override_may_unset_a_field() -> None:
    assert override(resolve({"photos_per_class": 3}), {"photos_per_class": None}) == RunConfig()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"balance": "weights"}, "--balance: .*'weights'"),
        ({"epochs": 0}, "--epochs: .*0"),
        ({"mixup_alpha": float("nan")}, "--mixup-alpha: .*nan"),
        ({"seed": 2**32}, "--seed: "),
        ({"freeze_epochs": 25}, "--freeze-epochs 25 is not below --epochs 25"),
        ({"valid": 0.9, "test": 0.2}, "leave no photos to train on"),
    ],
)
def test_an_override_is_checked_like_a_flag(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        override(RunConfig(), changes)


def test_an_override_of_an_unknown_field_raises_key_error() -> None:
    with pytest.raises(KeyError):
        override(RunConfig(), {"epoch": 3})
