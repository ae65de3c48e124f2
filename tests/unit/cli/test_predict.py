"""``fastdefect predict`` as a user calls it, with a tiny bundle."""

import json
import signal
import time
from pathlib import Path

import pytest
from helpers.bundles import photo_of, tiny_bundle
from helpers.cli import invoke, start_process
from PIL import Image


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bundle beside ``day/`` with a bright, a dark and a damaged photo."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day").mkdir()
    for name, brightness in (("bright.png", 240), ("dark.png", 20)):
        Image.fromarray(photo_of(brightness)).save(tmp_path / "day" / name)
    (tmp_path / "day/text.jpg").write_text("no photo")
    return str(tiny_bundle(tmp_path / "model.fdb"))


def test_a_table_counts_and_the_file_are_shown(model: str) -> None:
    result = invoke("predict", model, "day", "--out", "r.csv")
    assert result.exit_code == 3
    assert "3 photos: 1 OK, 1 look, 1 reject." in result.output
    assert "not an image" in result.output
    assert "Written: r.csv" in result.output
    header, *rows = Path("r.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("path,decision,p_defective,label,")
    assert [row.split(",")[:2] for row in rows] == [
        ["day/bright.png", "OK"],
        ["day/dark.png", "reject"],
        ["day/text.jpg", "look"],
    ]


@pytest.mark.parametrize(
    ("photo", "fail_on", "code"),
    [
        ("day/bright.png", "look", 0),
        ("day/dark.png", "unreadable", 0),
        ("day/dark.png", "reject", 3),
        ("day/dark.png", "look", 3),
        ("day/text.jpg", "unreadable", 3),
        ("day/text.jpg", "never", 0),
    ],
)
def test_the_exit_code_is_3_for_what_a_pipeline_asks(
    model: str, photo: str, fail_on: str, code: int
) -> None:
    result = invoke("predict", model, photo, "--fail-on", fail_on, "--quiet")
    assert (result.exit_code, result.output) == (code, "")


def test_json_has_an_event_for_each_photo_and_part(model: str) -> None:
    result = invoke("predict", model, "day", "--json", "--by", "part", "--part-from", "[a-z]+")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [e["decision"] for e in events if e["event"] == "photo"] == ["OK", "reject", "look"]
    assert [e["part"] for e in events if e["event"] == "part"] == ["bright", "dark", "text"]
    assert events[-1]["event"] == "predict"
    assert (events[-1]["photos"], events[-1]["parts"]) == (3, 3)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["none.png"], 1, "no such file"),
        ([], 2, "none are named"),
        (["day", "--out", "none/r.csv"], 2, "no folder none"),
        (["day", "--views", "flips"], 2, "applies to a run"),
        (["day", "--watch", "day"], 2, "do not apply"),
        (["day", "--poll"], 2, "--poll applies to --watch"),
        (["day", "--workers", "2", "--address", "auto"], 2, "--address, --workers applies to"),
        (["day", "--out", "s3://b/r.csv"], 2, "one file is written to a disk, not to a URL"),
        (["day", "--engine", "ray"], 2, "writes a data set, but there is no --out"),
        (["--watch", "day", "--engine", "ray"], 2, "--watch decides in this process"),
        (["day", "--engine", "ray", "--out", "o", "--device", "cuda"], 2, "decide on CPUs"),
    ],
)
def test_an_error_has_its_exit_code(model: str, options: list[str], code: int, text: str) -> None:
    result = invoke("predict", model, *options)
    assert result.exit_code == code
    assert text in result.stderr


def test_without_ray_the_extra_is_named(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastdefect.jobs.predicting.engine_ray.find_spec", lambda name: None)
    result = invoke("predict", model, "day", "--engine", "ray", "--out", "out")
    assert result.exit_code == 2
    assert 'python -m pip install "fastdefect[ray]"' in " ".join(result.stderr.split())
    assert not Path("out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["--poll", "--quiet"])
def test_a_watch_decides_what_arrives_and_ctrl_c_ends_it(model: str, way: str) -> None:
    Path("day/text.jpg").unlink()
    process = start_process("predict", model, "--watch", "day", "--out", "live.csv", way)
    wanted, deadline = ["day/bright.png", "day/dark.png", "day/new.png"], time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.2)
        rows = Path("live.csv").read_text().splitlines()[1:] if Path("live.csv").exists() else []
        if len(rows) == 2 and not Path("day/new.png").exists():
            Image.fromarray(photo_of(240)).save("day/new.png")
        if len(rows) == 3:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert sorted(row.split(",")[0] for row in rows) == wanted
