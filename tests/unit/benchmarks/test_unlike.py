"""The benchmark of unlike photos counts what the decision rule alone would pass."""

from types import SimpleNamespace

from helpers.benchmarks import load


def test_passed_are_good_classes_whatever_their_probability() -> None:
    judge = SimpleNamespace(classes=("crack", "ok", "ok_back"), good=(1, 2))
    decisions = [SimpleNamespace(label=name) for name in ("ok", "crack", "ok_back")]
    assert load("unlike").n_passed(judge, decisions) == 2
