"""The referee trains both arms once, and says the same of them the second time."""

import json
from pathlib import Path

import pytest
from helpers.benchmarks import load


def _call(work: Path, *more: str) -> int:
    tiny = (
        "--sets sample --sample-n 45 --sample-size 64 --sample-difficulty 1 --image-size 64 "
        "--arch mobilenet_v3_small --weights none --epochs 1 --seeds 1 --device cpu "
        "--equal-time none --stress-photos 4 --draws 50"
    ).split()
    code: int = load("plain").main([*tiny, "--work", str(work), *more])
    return code


@pytest.mark.slow
def test_both_arms_are_compared_and_nothing_is_trained_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _call(tmp_path) == 0
    first = capsys.readouterr()
    assert first.err.count("training ") == 2
    assert "fastdefect - plain" in first.out
    told = json.loads((tmp_path / "plain.json").read_text(encoding="utf-8"))
    (cell,) = told["cells"]
    assert [arm["arm"] for arm in cell["arms"]] == ["plain", "fastdefect"]
    assert [{arm["trained_on"]} for arm in cell["arms"]] == [set(cell["rest"])] * 2
    assert all(len(arm["flips_by_disturbance"]) == 7 for arm in cell["arms"])
    assert (tmp_path / "plain.png").stat().st_size > 5000

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("subprocess.run", never)
    assert _call(tmp_path) == 0
    second = capsys.readouterr()
    assert (second.out, second.err) == (first.out, "")

    # A report of what is there leaves out what isn't, and trains nothing.
    assert _call(tmp_path, "--report", "--seeds", "1,2") == 0
    assert capsys.readouterr().out == first.out
