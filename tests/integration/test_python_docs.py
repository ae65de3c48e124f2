"""The examples of docs/python.md run as they are written."""

import re
from pathlib import Path
from typing import Any

import cv2
import pytest
from helpers.bundles import photo_of, tiny_bundle, tiny_reference

import fastdefect

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
FAST, SLOW = PAGE.read_text(encoding="utf-8").split("## Train and measure")


def _run(section: str, names: dict[str, Any]) -> dict[str, Any]:
    for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    return names


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_decisions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_bundle(folder / "model.fdb", reference=tiny_reference())
    cv2.imwrite("photo.png", photo_of(200, 40))
    cv2.imwrite("other.png", photo_of(20, 40))
    names = _run(FAST, {})
    assert names["decision"].decision == "OK"
    assert [each.decision for each in names["several"]] == ["OK", "look"]
    assert names["decisions"][0].probability == names["from_camera"].probability
    assert names["verdict"] == "look"
    assert names["difference"] is None
    assert list(names["frame"]["decision"]) == ["OK", "look"]
    assert "photo.png" in capsys.readouterr().out


def test_the_page_lists_the_fields_of_a_decision() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", FAST, re.MULTILINE)
    assert listed == list(fastdefect.Decision.__dataclass_fields__)


@pytest.mark.slow
def test_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fastdefect.sample.render import SampleSettings, render_sample

    render_sample(folder / "photos", SampleSettings(n=60, seed=5, size=64, difficulty=1))
    names = _run(SLOW, {"fastdefect": fastdefect})
    shown = capsys.readouterr().out
    assert "### " in shown
    assert "Did you mean epochs?" in shown
    assert "Writing the network as ONNX" in shown
    assert names["run"].name != names["larger"].name
    html = names["comparison"]._repr_html_()
    assert names["larger"].name in html
    assert (folder / "audit" / "findings.json").exists()
    inspector = fastdefect.Inspector("model.fdb")
    assert inspector.self_test() < 1e-3
    of_bundle = fastdefect.predict("model.fdb", "photos")
    of_run = fastdefect.predict(names["run"], "photos")
    assert [row["decision"] for row in of_bundle.rows] == [row["decision"] for row in of_run.rows]
