"""A line has only the packages of inspector.txt, and decides as the full installation does."""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import cv2
import pytest
from helpers.bundles import photo_of, tiny_bundle, tiny_reference
from helpers.small_install import ROOT, linked, pinned, run_there

from fastdefect import Inspector

MOST_BYTES = 300_000_000

INSPECT = """
import json, pathlib, sys
import cv2
import fastdefect
inspector = fastdefect.Inspector(sys.argv[1])
photos = sys.argv[2:]
found = [*inspector.inspect(photos), inspector.inspect(pathlib.Path(photos[0]).read_bytes())]
found.append(inspector.inspect(cv2.imread(photos[0])[:, :, ::-1]))
found += [each.decision for each in fastdefect.predict(sys.argv[1], photos).photos]
rows = [{**each.as_json(), "milliseconds": 0} for each in found]
print(json.dumps({"rows": rows, "modules": sorted(sys.modules)}))
"""

COMMANDS = """
import sys
from fastdefect.cli import app
def call(*arguments):
    try:
        app(arguments)
    except SystemExit as ended:
        print("exit", ended.code)
bundle, photo, out = sys.argv[1:]
call("predict", bundle, photo, "--out", out)
call("predict", "--help")
call("predict", bundle, "--nonsense")
call("fit", photo)
call("serve", bundle)
"""


SERVE = """
import json, pathlib, sys
from fastdefect.jobs.serve import load, require_packages
from fastdefect.serving.app import make_app
from fastdefect.serving.engine import Engine, Request
from fastdefect.serving.photo_work import Sent
from fastdefect.serving.server import run_server
from fastdefect.serving.settings import Settings
from fastdefect.serving.store import Store
require_packages()
bundle, folder, photo = sys.argv[1:]
settings = Settings(store=pathlib.Path(folder))
loaded = load(pathlib.Path(bundle))
with Store.open(settings.store) as store:
    engine = Engine(loaded, store, settings)
    app = make_app(engine, store, settings, lambda: loaded.model)
    sent = Sent("a.png", pathlib.Path(photo).read_bytes())
    decision = engine.submit(Request((sent,))).result(20).decision
    engine.close()
paths = list(app.openapi()["paths"])
print(json.dumps({"decision": decision, "paths": paths, "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linked(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("line") / "tiny.fdb"
    return tiny_bundle(path, reference=tiny_reference())


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{brightness}.png" for brightness in (10, 120, 200)]
    for path in paths:
        cv2.imwrite(str(path), photo_of(int(path.stem), 40))
    return [str(path) for path in paths]


def test_its_versions_are_those_of_the_training() -> None:
    constraints, small = pinned("constraints.txt"), pinned("inspector.txt") | pinned("serve.txt")
    assert small == {name: constraints[name] for name in small}
    for file in ("README.md", "docs/python.md"):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert "pip install --no-deps --no-compile -r inspector.txt ." in text


def test_it_decides_as_the_full_installation(
    packages: Path, bundle: Path, photos: list[str]
) -> None:
    done = run_there(packages, INSPECT, str(bundle), *photos)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    here = [{**each.as_json(), "milliseconds": 0} for each in Inspector(bundle).inspect(photos)]
    assert told["rows"] == [*here, here[0], here[0], *here]
    assert [row["decision"] for row in here] == ["look", "look", "OK"]
    heavy = {"torch", "fastai", "pandas", "scipy", "rich", "typer", "yaml"}
    assert not heavy & set(told["modules"])


def test_with_the_packages_of_serve_it_serves(
    bundle: Path, photos: list[str], tmp_path: Path
) -> None:
    (tmp_path / "packages").mkdir()
    packages = linked(tmp_path / "packages", "inspector.txt", "serve.txt")
    done = run_there(packages, SERVE, str(bundle), str(tmp_path / "line"), photos[2])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["decision"] == "OK"
    assert "/inspect" in told["paths"]
    assert not {"torch", "fastai", "pandas", "scipy", "yaml", "httpx2"} & set(told["modules"])
    text = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
    assert "pip install --no-deps --no-compile -r inspector.txt -r serve.txt ." in text


def test_its_command_line_predicts_and_says_what_is_missing(
    packages: Path, bundle: Path, photos: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "decisions.csv"
    done = run_there(packages, COMMANDS, str(bundle), photos[2], str(out))
    assert done.returncode == 0, done.stderr
    assert ",OK," in out.read_text(encoding="utf-8").splitlines()[1]
    assert [line for line in done.stdout.splitlines() if line.startswith("exit")] == [
        *("exit 0", "exit 0", "exit 2", "exit 2", "exit 2")
    ]
    assert "OK, look (a person decides) or reject" in done.stdout
    assert "No such option: --nonsense" in done.stderr
    assert "which is not installed: this is the small installation" in done.stderr
    assert "python -m pip install -c constraints.txt ." in done.stderr
    assert "serve needs the extra serve, but these packages are missing: fastapi" in done.stderr
    assert "-r inspector.txt -r serve.txt ." in done.stderr


@pytest.mark.slow
def test_the_line_of_the_readme_installs_less_than_300_mb(
    bundle: Path, photos: list[str], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "fastdefect", source / "fastdefect")
    for name in ("pyproject.toml", "README.md", "LICENSE", "inspector.txt"):
        shutil.copy(ROOT / name, source)
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = str(environment / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    before = _bytes_below(environment)
    install = "-m pip install --no-deps --no-compile -r inspector.txt .".split()
    installed = subprocess.run([python, *install], cwd=source, capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"the packages can't be installed here: {installed.stderr[-300:]}")
    assert _bytes_below(environment) - before < MOST_BYTES
    done = subprocess.run(
        [python, "-c", INSPECT, str(bundle), *photos],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={},
    )
    assert done.returncode == 0, done.stderr
    here = [{**each.as_json(), "milliseconds": 0} for each in Inspector(bundle).inspect(photos)]
    assert json.loads(done.stdout)["rows"][:3] == here


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
