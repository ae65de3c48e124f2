"""Bundles of trained runs, written with torch's exporter: slow, and one export for each kind."""

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest
from helpers.cli import FitResult, invoke, run_fit
from onnx import numpy_helper

from fastdefect.inference.baseline import read_baseline
from fastdefect.inference.bundle import BASELINE, ONNX, read_bundle
from fastdefect.jobs import export as job

pytestmark = pytest.mark.slow
_SOURCES: dict[str, bytes] = {}
_EXPORT = job.onnx_file


@pytest.fixture(autouse=True)
def shared_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export each network once; the key is its weights and views.

    The widths of its features are no key: those of a run with a head on several depths are those
    of any other run of the same architecture.
    """

    def once(graph: Any) -> bytes:
        weights = b"".join(value.numpy().tobytes() for value in graph.state_dict().values())
        key = f"{len(graph.views)} {hashlib.sha256(weights).hexdigest()}"
        if key not in _SOURCES:
            _SOURCES[key] = _EXPORT(graph)
        return _SOURCES[key]

    monkeypatch.setattr(job, "onnx_file", once)


def exported(run: Path, out: Path, *options: str) -> Mapping[str, Any]:
    result = invoke("export", str(run), "--out", str(out), *options)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return read_bundle(out).card.check


@pytest.fixture(scope="module")
def ensemble(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    options = ("--members", "2", "--epochs", "1", "--views", "flips")
    return run_fit(castings, tmp_path_factory.mktemp("ensemble"), *options)


@pytest.fixture(scope="module")
def head(castings: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return run_fit(castings, tmp_path_factory.mktemp("head"), "--tune", "head")


@pytest.mark.parametrize("kind", ["trained", "ensemble", "head"])
def test_a_bundle_decides_as_its_run(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run: FitResult = request.getfixturevalue(kind)
    out = tmp_path / "model.fdb"
    (form,) = exported(run.folder, out)["forms"]
    assert form["flips"] == 0
    assert form["difference"] < 1e-3
    bundle = read_bundle(out)
    valid = (run.folder / "predictions-valid.csv").read_text().splitlines()[1:]
    assert len(read_baseline(bundle.files[BASELINE], "x")) == len(valid)
    graph = onnx.load_from_string(bundle.files[ONNX]).graph
    weights = {each.name for each in graph.initializer}
    assert all(node.input[1] in weights for node in graph.node if node.op_type == "Conv")


def test_int8_is_compared_in_the_same_table(trained: FitResult, tmp_path: Path) -> None:
    out = tmp_path / "int8.fdb"
    loose = ("--max-difference", "1", "--max-flips", "1")
    forms: Any = exported(trained.folder, out, "--quantize", "int8", *loose)["forms"]
    assert [form["name"] for form in forms] == ["onnx fp32", "onnx int8"]
    # The linear layers stay in single precision; they are most of this small network.
    assert forms[1]["megabytes"] < 0.8 * forms[0]["megabytes"]
    assert read_bundle(out).card.network.precision == "int8"


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="needs OpenVINO")
def test_openvino_decides_as_the_run(trained: FitResult, tmp_path: Path) -> None:
    forms: Any = exported(trained.folder, tmp_path / "x.fdb", "--format", "openvino")["forms"]
    assert forms[1]["name"] == "openvino fp32"
    assert forms[1]["difference"] < 1e-3


def test_a_changed_network_is_refused_and_nothing_is_written(
    trained: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = job.network_files

    def changed(*given: Any) -> dict[str, bytes]:
        model = onnx.load_from_string(before(*given)[ONNX])
        last = model.graph.initializer[-1]
        for each in model.graph.initializer:
            if each.dims and each.data_type == onnx.TensorProto.FLOAT and len(each.dims) == 2:
                last = each
        last.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(last), last.name))
        return {ONNX: model.SerializeToString()}

    monkeypatch.setattr(job, "network_files", changed)
    out = tmp_path / "model.fdb"
    result = invoke("export", str(trained.folder), "--out", str(out))
    assert result.exit_code == 1
    assert "differs too much from the run" in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_a_limit_of_nothing_refuses(trained: FitResult, tmp_path: Path) -> None:
    out = tmp_path / "model.fdb"
    limits = ("--quantize", "int8", "--max-difference", "0")
    result = invoke("export", str(trained.folder), "--out", str(out), *limits)
    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []
