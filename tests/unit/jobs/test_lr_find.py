"""The search for a learning rate: what it refuses before its minutes of training."""

from pathlib import Path

import pytest

from fastdefect.config import DataConfig, RunConfig
from fastdefect.errors import UsageError
from fastdefect.events import silent
from fastdefect.jobs.lr_find import lr_find


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    config = RunConfig(data=DataConfig(data=tmp_path / "nowhere"))  # not looked for yet
    with pytest.raises(
        UsageError, match=r"--out .*lr\.png: expected a path that can be written"
    ) as caught:
        lr_find(config, out=tmp_path / "file" / "lr.png", on_event=silent)
    assert caught.value.exit_code == 2
