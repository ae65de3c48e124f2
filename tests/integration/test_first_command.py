"""``fit`` as a newcomer runs it, where no weights can be downloaded: the install brings its own."""

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch.hub
from helpers.cli import FitResult, invoke
from helpers.compare import assert_same_run, history_without_time
from helpers.interrupts import interrupted_after

SMALL = (
    "--image-size 64 --epochs 2 --batch-size 8 --device cpu --workers 0 --seed 7 --final none"
).split()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """No weights in the cache and none from the network; the addresses that were asked."""
    asked: list[str] = []

    def download(url: str, *args: Any, **kwargs: Any) -> None:
        asked.append(url)
        raise URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    return asked


def _fit(castings: Path, runs: Path, *arguments: str) -> FitResult:
    result = invoke("fit", str(castings), "--runs", str(runs), *SMALL, *arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return FitResult((runs / "latest").resolve(), result.output)


@pytest.mark.slow
def test_auto_trains_the_packaged_network_and_its_run_can_be_repeated(
    castings: Path, offline: list[str], tmp_path: Path
) -> None:
    run = _fit(castings, tmp_path / "runs")
    assert len(offline) == 1
    text = " ".join(run.output.split())  # a terminal folds long lines
    assert "Network efficientnet-lite0, with the installed weights" in text
    assert "The head begins as a linear classifier on frozen features" in text
    assert "Next: fastdefect evaluate" in text
    kept = (run.folder / "config.toml").read_text(encoding="utf-8")
    assert 'arch = "efficientnet-lite0"' in kept
    assert 'batch_norm = "frozen"' in kept
    model = run.json("model.json")
    assert (model["arch"], model["weights"]["pretrained"]) == ("efficientnet-lite0", True)
    assert model["preprocessing"]["mean"] == [0.5, 0.5, 0.5]

    config = str(run.folder / "config.toml")
    again = invoke("fit", "--config", config, "--runs", str(tmp_path / "b"))
    assert again.exit_code == 0, again.output
    assert len(offline) == 1  # what is named is not looked for again
    assert_same_run(run.folder, (tmp_path / "b" / "latest").resolve())

    with interrupted_after(4):
        invoke("fit", str(castings), "--runs", str(tmp_path / "c"), *SMALL)
    stopped = (tmp_path / "c" / "latest").resolve()
    assert len(history_without_time(stopped)) < 2
    resumed = invoke("fit", "--resume", str(stopped))
    assert resumed.exit_code == 0, resumed.output
    assert len(offline) == 2  # by the start, and not by what goes on with it
    assert_same_run(run.folder, stopped)

    judged = invoke("evaluate", str(run.folder))
    assert judged.exit_code == 0, judged.output
