"""The settings of a quick test: three epochs by default."""

from pathlib import Path

import pytest

from fastdefect.cli.quick_test import _settings
from fastdefect.config import RunConfig
from fastdefect.config_resolve import override, resolve
from fastdefect.errors import UsageError


@pytest.mark.parametrize(
    ("flags", "file", "epochs"),
    [
        ({}, None, 3),
        ({"epochs": 7}, None, 7),
        ({"recipe": "legacy"}, None, 3),
        ({}, "[training]\nseed = 5\n", 3),
        ({}, "[data]\nstrict = true\n", 3),
        ({}, "[training]\nepochs = 9\n", 9),
        ({"epochs": 7}, "[training]\nepochs = 9\n", 7),
    ],
)
def test_three_epochs_by_default(
    flags: dict[str, object], file: str | None, epochs: int, tmp_path: Path
) -> None:
    config = None
    if file is not None:
        config = tmp_path / "settings.toml"
        config.write_text(file, encoding="utf-8")
    found = _settings(flags, config)
    assert found == override(resolve(flags, config), {"epochs": epochs})
    assert RunConfig().training.epochs not in (3, 7, 9)  # else this would prove nothing


def test_invalid_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--freeze-epochs 3: a quick test has 3 epochs"):
        _settings({"freeze_epochs": 3}, None)
    broken = tmp_path / "settings.toml"
    broken.write_text("training = 3\n", encoding="utf-8")
    with pytest.raises(UsageError):
        _settings({}, broken)
